"""The configuration file: what it accepts, and that each error names file, key and cure."""

from __future__ import annotations

import uuid
from pathlib import Path

import msgspec
import pytest

from homecall_pi import config
from homecall_pi.config import (
    Config,
    IceConfig,
    IceServer,
    family_link,
    is_loopback,
    link_key,
    load,
    new_key,
    require_ice,
    require_room,
    require_server,
)
from homecall_pi.core import turn
from homecall_pi.errors import OperatorError

from .doubles import KEY, ROOM

FILE = Path("config.toml")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty file in an empty place that has no default file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config, "DEFAULT_PATH", tmp_path / "default.toml")
    FILE.touch()
    return FILE


def error_of(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(OperatorError) as caught:
        load(file, {})
    return str(caught.value)


def test_without_a_file_the_defaults_hold(file: Path):
    assert load(None, {}) == Config()


def test_an_empty_file_is_one_with_defaults(file: Path):
    assert load(file, {}) == Config()


def test_the_default_file_is_read_when_there_is_one(file: Path):
    config.DEFAULT_PATH.write_text('name = "Gate"')
    assert load(None, {}).name == "Gate"


def test_a_named_file_takes_the_place_of_the_default_file(file: Path):
    config.DEFAULT_PATH.write_text('name = "Gate"')
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
        ('[log]\nlevel = "loud"', "log.level"),
        ('[[ice.servers]]\nurls = ["http://example.org"]', "ice.servers[0].urls[0]"),
        ('[[ice.servers]]\nurls = ["stun://example.org"]', "ice.servers[0].urls[0]"),
        ('[[ice.servers]]\nurls = ["turn:[::1]:3478"]', "ice.servers[0].urls[0]"),
        ('[[ice.servers]]\nurls = ["stun:a b"]', "ice.servers[0].urls[0]"),
        ('[[ice.servers]]\nurls = ["stun:a?transport=udp"]', "ice.servers[0].urls[0]"),
        ('[[ice.servers]]\nurls = ["turn:a"]', "ice.servers[0]"),
        ('[[ice.servers]]\nurls = ["turn:a"]\nusername = "me"', "ice.servers[0]"),
        ('[[ice.servers]]\nurls = ["turn:a"]\ncredential = "x"\nsecret = "y"', "ice.servers[0]"),
        ('[ice]\npolicy = "relays"', "ice.policy"),
        ('[[ice.servers]]\nusername = "me"', "ice.servers[0]"),
    ],
)
def test_an_error_names_file_key_and_cure(file: Path, text: str, key: str):
    error = error_of(file, text)
    assert error.startswith(f"config.toml: {key}: ")
    assert error.endswith("; see `homecall-pi config --help`")


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
    file: Path, text: str, key: str, known: str
):
    error = error_of(file, text)
    assert error.startswith(f"config.toml: {key}: no such key; the keys there are: {known}")


@pytest.mark.parametrize("text", ["[camera", "name = Front door", 'name = "a"\nname = "b"', "\0"])
def test_what_is_not_toml_is_told_with_its_line(file: Path, text: str):
    error = error_of(file, text)
    assert error.startswith("config.toml: is not TOML: ")
    assert "line" in error


def test_a_file_that_is_not_there_is_named(file: Path):
    with pytest.raises(OperatorError, match=r"nowhere\.toml: cannot be read: .*give a readable"):
        load(Path("nowhere.toml"), {})


def test_a_file_that_is_not_text_is_named(file: Path):
    file.write_bytes(b'name = "\xff"')
    with pytest.raises(OperatorError, match=r"config\.toml: cannot be read: .*give a readable"):
        load(file, {})


def test_a_fault_in_an_override_is_blamed_on_the_command_line(file: Path):
    with pytest.raises(OperatorError, match=r"^command line: camera\.width: "):
        load(file, {"camera": {"width": 1}})


def test_a_fault_in_the_file_is_blamed_on_the_file_even_if_it_is_overridden(file: Path):
    file.write_text("[camera]\nwidth = 1")
    with pytest.raises(OperatorError, match=r"^config\.toml: camera\.width: "):
        load(file, {"camera": {"width": 640}})


@pytest.mark.parametrize(
    "url",
    [
        "stun:stun.example.org",
        "stun:192.0.2.1:3478",
        "turn:turn.example.org:3478?transport=udp",
        "turns:turn.example.org:5349?transport=tcp",
    ],
)
def test_ice_servers_are_named_as_browsers_name_them(file: Path, url: str):
    file.write_text(f'[[ice.servers]]\nurls = ["{url}"]\nusername = "me"\ncredential = "secret"')
    (server,) = load(file, {}).ice.servers
    assert (server.urls, server.username, server.credential) == ((url,), "me", "secret")


def test_credentials_are_those_given_or_made_from_the_secret():
    given = IceServer(urls=("turn:a",), username="me", credential="x")
    assert given.login(now=0.0) == ("me", "x")
    shared = IceServer(urls=("turn:a",), username="me", secret="x")
    assert shared.login(now=0.0) == turn.credentials("x", "me", 0.0)
    assert IceServer(urls=("stun:a",)).login(now=0.0) == (None, None)


@pytest.mark.parametrize("urls", [(), ("stun:a",)])
def test_calls_that_must_be_relayed_need_a_turn_server(urls: tuple[str, ...]):
    servers = (IceServer(urls=urls),) if urls else ()
    with pytest.raises(OperatorError, match=r"^ice\.policy: relay needs a TURN server"):
        require_ice(Config(ice=IceConfig(policy="relay", servers=servers)))
    turn_server = IceServer(urls=("turn:a",), secret="x")
    ice = IceConfig(policy="relay", servers=(*servers, turn_server))
    assert require_ice(Config(ice=ice)) is ice


@pytest.mark.parametrize(
    "server",
    [
        "wss://example.org/signal",
        "wss://example.org:8443/signal",
        "wss://[2001:db8::1]/signal",
        "wss://192.0.2.1/deep/signal",
        "ws://localhost:8443/signal",
        "ws://127.0.0.1/signal",
        "ws://127.9.9.9/signal",
        "ws://[::1]:1/signal",
    ],
)
def test_servers_that_will_do(server: str):
    assert require_server(Config(server=server)) == server


@pytest.mark.parametrize(
    "server",
    [
        "example.org",
        "https://example.org/signal",
        "wss:///signal",
        "wss://example.org:99999/signal",
        "wss://example.org:0/signal",
        "wss://example.org:https/signal",
        "wss://[2001:db8::1/signal",
        "wss://me:secret@example.org/signal",
        "wss://example.org/signal#fragment",
    ],
)
def test_what_is_no_address_is_refused_with_the_form_of_one(server: str):
    with pytest.raises(OperatorError, match=r"^server: .* is no address; give wss://HOST/signal$"):
        require_server(Config(server=server))


def test_a_server_that_is_not_set_is_asked_for():
    with pytest.raises(OperatorError, match=r"^server: is not set; give --server wss://"):
        require_server(Config())


@pytest.mark.parametrize("server", ["wss://example.org:1", "wss://example.org:1/"])
def test_an_address_without_a_path_is_told_the_usual_one(server: str):
    with pytest.raises(OperatorError, match=r"lacks the path; give wss://example\.org:1/signal$"):
        require_server(Config(server=server))


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1", "localhost.example.org", "[::2]"])
def test_ws_is_for_this_machine_alone(host: str):
    with pytest.raises(OperatorError) as caught:
        require_server(Config(server=f"ws://{host}:1/signal"))
    assert str(caught.value).endswith(f"give wss://{host}:1/signal")


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("::", False), ("0.0.0.0", False)],
)
def test_loopback(host: str, here: bool):
    assert is_loopback(host) is here


def test_a_room_is_brought_to_its_usual_form():
    assert require_room(Config(room=ROOM)) == ROOM
    assert require_room(Config(room=f"{{{ROOM.upper()}}}")) == ROOM


def test_a_room_that_is_not_set_is_asked_for_with_a_fresh_one():
    with pytest.raises(OperatorError, match="^room: is not set; give --room UUID") as caught:
        require_room(Config())
    uuid.UUID(str(caught.value).split()[-1])


def test_a_room_that_is_no_uuid_is_refused_and_not_repeated():
    with pytest.raises(OperatorError, match="^room: what is given is no UUID") as caught:
        require_room(Config(room=ROOM + "0"))
    assert ROOM not in str(caught.value)


@pytest.mark.parametrize(
    ("server", "link"),
    [
        ("wss://example.org/signal", "https://example.org/?room="),
        ("wss://example.org:8443/signal", "https://example.org:8443/?room="),
        ("ws://localhost:8443/signal", "http://localhost:8443/?room="),
        ("wss://[2001:db8::1]:1/signal", "https://[2001:db8::1]:1/?room="),
    ],
)
def test_the_family_link(server: str, link: str):
    assert family_link(Config(server=server, room=ROOM.upper())) == link + ROOM


def test_the_family_link_has_the_key_in_its_fragment():
    place = {"server": "wss://example.org/signal", "room": ROOM}
    assert family_link(Config(**place, key=KEY)) == f"https://example.org/?room={ROOM}#k={KEY}"
    assert family_link(Config(**place, key=KEY, verify="off")).endswith(ROOM)


def test_a_key_is_sixteen_bytes_and_new_each_time():
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(link_key(Config(key=key))) for key in keys} == {16}


def test_without_a_key_calls_are_not_verified():
    assert link_key(Config()) == b""
    assert link_key(Config(key=KEY, verify="off")) == b""


def test_a_key_that_is_required_has_to_be_there():
    with pytest.raises(OperatorError, match="^verify: .*new-key"):
        link_key(Config(verify="require"))


@pytest.mark.parametrize(
    "key",
    [
        KEY[:-1],
        KEY + "A",
        KEY + "==",
        KEY[:-1] + "B",  # two of its bits belong to no byte
        KEY[:-1] + "\n",
        KEY[:5] + "+" + KEY[6:],
        " " + KEY[1:],
        KEY[:-1] + "Ж",
    ],
)
def test_a_key_that_is_damaged_is_refused_and_not_repeated(key: str):
    with pytest.raises(OperatorError, match="^key: what is given is none") as caught:
        link_key(Config(key=key))
    assert KEY[:5] not in str(caught.value)
