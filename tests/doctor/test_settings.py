"""What is found of the configuration: real files, read as the daemon reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from homecall_pi.doctor.settings import read

from ..doubles import ROOM

GOOD = f'server = "wss://call.example.org/signal"\nroom = "{ROOM}"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(GOOD)
    path.chmod(0o640)
    return path


def test_a_good_file_is_well_and_its_room_stays_secret(file: Path):
    config, found = read(file, {})
    assert config is not None
    assert config.room == ROOM
    assert found.status == "ok"
    assert f"{file}: call.example.org, room {ROOM[:8]}…" == found.found


def test_a_file_that_everybody_can_read_gives_the_room_away(file: Path):
    file.chmod(0o644)
    config, found = read(file, {})
    assert config is not None
    assert (found.status, found.cure) == ("warn", f"sudo chmod o= {file}")


@pytest.mark.parametrize(
    "room",
    [
        "3f0c6a52-9b1e-1c07-8d2f-5a7e61c0b9d4",  # of the time and the network card
        "00000000-0000-0000-0000-000000000000",
        "11111111-1111-1111-1111-111111111111",
        "3f0c6a52-9b1e-4c07-cd2f-5a7e61c0b9d4",  # another variant, which has no versions
    ],
)
def test_a_room_that_is_not_random_is_a_weak_one(file: Path, room: str):
    file.write_text(GOOD.replace(ROOM, room))
    config, found = read(file, {})
    assert config is not None
    assert (found.status, "no random UUID" in found.found) == ("warn", True)
    assert "cat /proc/sys/kernel/random/uuid" in found.cure
    assert room not in found.found + found.cure


def test_a_random_room_is_well_in_any_spelling(file: Path):
    for room in (ROOM.upper(), ROOM.replace("-", "")):
        file.write_text(GOOD.replace(ROOM, room))
        assert read(file, {})[1].status == "ok"


@pytest.mark.parametrize(
    ("lines", "words", "cure"),
    [
        ("[camera]\nwidth = 1\n", "camera.width: ", "homecall-pi config --help"),
        ("[camera]\nwith = 1280\n", "camera.with: no such key", "width"),
        ("[panel]\nled_pin = 17\n", "17 is given twice: each part needs its own", "config --help"),
        ("[panel\n", "is not TOML", "mend that line"),
    ],
)
def test_a_bad_value_is_named_with_file_key_and_cure(file: Path, lines: str, words: str, cure: str):
    file.write_text(GOOD + lines)
    config, found = read(file, {})
    assert (config, found.status) == (None, "fail")
    assert str(file) in found.found
    assert words in found.found
    assert cure in found.cure


@pytest.mark.parametrize(
    ("text", "words", "cure"),
    [
        (f'room = "{ROOM}"', "server: is not set", "--server wss://"),
        ('server = "wss://h/signal"', "room: is not set", "--room UUID"),
        ('server = "wss://h/signal"\nroom = "porch"', "is no UUID", "a new one would be"),
        (f'server = "ws://h/signal"\nroom = "{ROOM}"', "not encrypted", "wss://h/signal"),
        (f'server = "wss://h"\nroom = "{ROOM}"', "lacks the path", "wss://h/signal"),
        (GOOD + 'verify = "require"', "needs a key", "homecall-pi new-key"),
        (GOOD + 'key = "abc"', "key: what is given is no key", "homecall-pi new-key"),
        (GOOD + '[ice]\npolicy = "relay"', "relay needs a TURN server", "ice.servers"),
    ],
)
def test_what_the_daemon_would_end_with_is_found(file: Path, text: str, words: str, cure: str):
    file.write_text(text)
    config, found = read(file, {})
    assert (config, found.status) == (None, "fail")
    assert words in found.found
    assert cure in found.cure


def test_a_file_that_is_not_there_or_not_for_us_is_a_failure(tmp_path: Path):
    config, found = read(tmp_path / "none.toml", {})
    assert (config, found.status) == (None, "fail")
    assert "cannot be read" in found.found
    assert "use sudo" in found.cure


def test_without_a_file_the_flags_are_the_configuration():
    config, found = read(None, {"server": "wss://h:1/signal", "room": ROOM})
    assert config is not None
    assert (found.status, found.found) == ("ok", f"h:1, room {ROOM[:8]}…")
