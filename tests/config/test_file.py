"""The configuration file: what it accepts, and that each error names file, key and cure."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from homecall_pi.config import file as reading
from homecall_pi.config.file import load
from homecall_pi.config.schema import Config
from homecall_pi.errors import HomeCallError, OperatorError

ErrorOf = Callable[[str], str]


def test_without_a_file_the_defaults_hold(file: Path):
    assert load(None, {}) == Config()


def test_an_empty_file_is_one_with_defaults(file: Path):
    assert load(file, {}) == Config()


def test_the_default_file_is_read_when_there_is_one(file: Path):
    reading.DEFAULT_PATH.write_text('name = "Gate"')
    assert load(None, {}).name == "Gate"


def test_a_named_file_takes_the_place_of_the_default_file(file: Path):
    reading.DEFAULT_PATH.write_text('name = "Gate"')
    assert load(file, {}).name == "Front door"


def test_overrides_lie_on_top_of_the_file_key_by_key(file: Path):
    file.write_text("[camera]\nwidth = 640\nheight = 480\n")
    camera = load(file, {"camera": {"width": 320}}).camera
    assert (camera.width, camera.height) == (320, 480)


def test_the_default_values_can_be_used_as_they_stand():
    assert msgspec.convert(msgspec.to_builtins(Config()), Config) == Config()


def test_a_whole_number_will_do_for_seconds(file: Path):
    file.write_text("[call]\nring_s = 30")
    assert load(file, {}).call.ring_s == 30.0


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("server = 3", "server"),
        ('name = ""', "name"),
        (f'name = "{"x" * 65}"', "name"),
        ("camera = 3", "camera"),
        ('[camera]\nwidth = "wide"', "camera.width"),
        ("[camera]\nwidth = 641", "camera.width"),
        ("[camera]\nwidth = 640.5", "camera.width"),
        ("[camera]\nheight = 1082", "camera.height"),
        ("[camera]\nfps = 0", "camera.fps"),
        ('[camera]\nsource = "webcam"', "camera.source"),
        ("[call]\nring_s = 0", "call.ring_s"),
        ("[call]\nring_s = -1", "call.ring_s"),
        ("[call]\nring_s = inf", "call.ring_s"),
        ("[call]\nring_s = nan", "call.ring_s"),
        ('[call]\ntalk_s = "10 min"', "call.talk_s"),
        ("[serve]\nport = 65536", "serve.port"),
        ("[serve]\nport = true", "serve.port"),
        ("[serve]\nbehind_proxy = 1", "serve.behind_proxy"),
        ('[serve]\norigins = "https://example.org"', "serve.origins"),
        ('[serve]\nhost = ""', "serve.host"),
        ('[serve]\nrooms = ["kitchen"]', "serve"),
        (f'[serve]\nrooms = ["{"0" * 32}"]', "serve"),
        ('[serve]\norigins = ["example.org"]', "serve"),
        ('[serve]\norigins = ["https://example.org/page"]', "serve"),
        ('[log]\nlevel = "loud"', "log.level"),
        ('[[ice.servers]]\nurls = ["http://example.org"]', "ice.servers[0].urls[0]"),
        ('[[ice.servers]]\nurls = ["stun://example.org"]', "ice.servers[0].urls[0]"),
        ('[[ice.servers]]\nurls = ["turn:[::1]:3478"]', "ice.servers[0].urls[0]"),
        ('[[ice.servers]]\nurls = ["stun:a b"]', "ice.servers[0].urls[0]"),
        ('[[ice.servers]]\nurls = ["stun:a?transport=udp"]', "ice.servers[0].urls[0]"),
        ('[[ice.servers]]\nurls = ["stun:a:99999"]', "ice.servers[0]"),
        ('[[ice.servers]]\nurls = ["stun:b", "stun:a:0"]', "ice.servers[0]"),
        ('[[ice.servers]]\nurls = ["turn:a"]', "ice.servers[0]"),
        ('[[ice.servers]]\nurls = ["turn:a"]\nusername = "me"', "ice.servers[0]"),
        ('[[ice.servers]]\nurls = ["turn:a"]\ncredential = "x"\nsecret = "y"', "ice.servers[0]"),
        ('[ice]\npolicy = "relays"', "ice.policy"),
        ('[[ice.servers]]\nusername = "me"', "ice.servers[0]"),
    ],
)
def test_an_error_names_file_key_and_cure(error_of: ErrorOf, text: str, key: str):
    error = error_of(text)
    assert error.startswith(f"config.toml: {key}: ")
    assert error.endswith("; see `homecall-pi config --help`")
    assert "regex" not in error


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('server = "ws://example.org/signal"', "server: ws:// is not encrypted"),
        ('room = "kitchen"', "room: what is given is no UUID"),
        ('key = "secret"', "key: what is given is no key"),
    ],
)
def test_what_leads_to_the_family_is_checked_with_the_file(
    error_of: ErrorOf, text: str, fault: str
):
    assert error_of(text).startswith(f"config.toml: {fault}")


@pytest.mark.parametrize(
    ("text", "key", "known"),
    [
        ("rom = 3", "rom", "server, room, key, verify, name"),
        ("[kamera]\nwidth = 640", "kamera", "server, room, key, verify, name"),
        ("[camera]\nwide = 640", "camera.wide", "source, file, device, width"),
        ('[ice]\nserver = "stun:x"', "ice.server", "servers"),
        ('[[ice.servers]]\nurl = "stun:x"', "ice.servers[0].url", "urls, username, credential"),
    ],
)
def test_an_unknown_key_is_named_with_the_keys_that_would_do(
    error_of: ErrorOf, text: str, key: str, known: str
):
    error = error_of(text)
    assert error.startswith(f"config.toml: {key}: no such key; the keys there are: {known}")


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        ('verify = "yes"', '`"off"`, `"prefer"` or `"require"`'),
        ("[call]\nring_s = 0", "seconds, above 0, at most 120"),
        ('name = ""', "text of 1 to 64 characters"),
        ("[serve]\nbehind_proxy = 1", "`true` or `false`"),
    ],
)
def test_a_bad_value_is_told_with_those_that_will_do(error_of: ErrorOf, text: str, takes: str):
    assert f"; it takes {takes}; see " in error_of(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[call]\nring_s = "soon"', "expected a number, got text"),
        ("[serve]\nbehind_proxy = 1", "expected true or false, got a whole number"),
        ("[serve]\nrooms = {}", "expected a list, got a table"),
    ],
)
def test_a_value_of_another_type_is_told_in_words(error_of: ErrorOf, text: str, fault: str):
    assert f": {fault}; " in error_of(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ring_s = 60", "in [call]"),
        ('[log]\nkey = "x"', "before all sections"),
        ("width = 640", "in [camera]"),
    ],
)
def test_a_key_below_the_wrong_section_is_told_where_it_stands(
    error_of: ErrorOf, text: str, place: str
):
    assert error_of(text).endswith(f" stands {place}")


@pytest.mark.parametrize("text", ["[camera", "name = Front door", 'name = "a"\nname = "b"', "\0"])
def test_what_is_not_toml_is_told_with_its_line(error_of: ErrorOf, text: str):
    error = error_of(text)
    assert error.startswith("config.toml: is not TOML: ")
    assert "line" in error


def test_a_file_that_is_not_there_is_named(file: Path):
    with pytest.raises(OperatorError) as caught:
        load(Path("nowhere.toml"), {})
    assert str(caught.value) == (
        "nowhere.toml: cannot be read: No such file or directory; "
        "give a readable file with --config, or use sudo"
    )


def test_a_disk_that_fails_is_nothing_for_a_person_to_mend(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object, **__: object) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_text", fail)
    with pytest.raises(HomeCallError, match="Input/output error") as caught:
        load(file, {})
    assert caught.value.exit_code == 1


def test_a_file_that_is_not_text_is_named(file: Path):
    file.write_bytes(b'name = "\xff"')
    with pytest.raises(OperatorError, match=r"config\.toml: cannot be read: .*in UTF-8"):
        load(file, {})


def test_a_fault_in_an_override_is_blamed_on_the_command_line(file: Path):
    with pytest.raises(OperatorError, match=r"^command line: camera\.width: "):
        load(file, {"camera": {"width": 1}})


def test_a_fault_in_the_file_is_blamed_on_the_file_even_if_it_is_overridden(file: Path):
    file.write_text("[camera]\nwidth = 1")
    with pytest.raises(OperatorError, match=r"^config\.toml: camera\.width: "):
        load(file, {"camera": {"width": 640}})
