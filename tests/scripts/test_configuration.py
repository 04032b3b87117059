"""The configuration that install.sh writes, read as the program reads it."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

import pytest

from homecall_pi.config.file import load
from homecall_pi.config.schema import Config

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).parents[2]
KEY = "AAAAAAAAAAAAAAAAAAAAAA"

PLAIN_PC = "is_raspberry_pi_os() { false; }; webcam() { :; }; has_sound() { false; }\n"
RASPBERRY_PI = "is_raspberry_pi_os() { true; }; webcam() { :; }\n"
WEBCAM = "webcam() { echo /dev/v4l/by-id/usb-Some_Webcam-video-index0; }\n"


def configuration(folder: Path, machine: str = PLAIN_PC, **wishes: str) -> Config:
    """What is written for a machine of that kind and those flags."""
    wishes = {
        "server": "wss://call.example.org/signal",
        "room": "",
        "name": "Front door",
        "with_server": "false",
        "port": "8443",
        "TLS": "/etc/homecall-pi/tls",
        **wishes,
    }
    program = folder / "bin/homecall-pi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho {KEY}\n")
    program.chmod(0o755)
    functions = PROJECT / "scripts/install/configuration.sh"
    script = f"set -euo pipefail; . {functions}; {machine}\nconfiguration"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "SOURCE": str(PROJECT), "new": str(folder), **wishes},
    )
    assert done.stderr == ""
    file = folder / "config.toml"
    file.write_text(done.stdout)
    return load(file, {})


def test_it_has_the_wishes_and_a_room_and_a_key_of_its_own(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    assert config.server == "wss://call.example.org/signal"
    assert uuid.UUID(config.room).version == 4
    assert config.key == KEY


@pytest.mark.parametrize(
    "name", ['The "front" door', r"C:\door", "Дверь & Tür", "$(reboot) `ls` %s", "#1", 'a = "b"']
)
def test_any_name_arrives_as_it_was_given(tmp_path: Path, name: str) -> None:
    assert configuration(tmp_path, name=name).name == name


def test_a_room_that_is_given_is_kept(tmp_path: Path) -> None:
    room = "5b0f8a4e-3c1d-4a57-9c3e-2f6d8e7a9b10"
    assert configuration(tmp_path, room=room).room == room


def test_a_machine_without_parts_gets_none(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    parts = (config.panel, config.camera, config.microphone, config.speaker)
    assert {part.source for part in parts} == {"none"}


def test_a_raspberry_pi_gets_its_own_parts(tmp_path: Path) -> None:
    config = configuration(tmp_path, RASPBERRY_PI)
    assert config.panel.source == "gpio"
    assert config.camera.source == "picamera2"
    assert {config.microphone.source, config.speaker.source} == {"pyaudio"}


def test_a_webcam_is_found_by_its_lasting_name(tmp_path: Path) -> None:
    camera = configuration(tmp_path, RASPBERRY_PI + WEBCAM).camera
    assert (camera.source, camera.device) == ("v4l2", "/dev/v4l/by-id/usb-Some_Webcam-video-index0")


def test_only_a_machine_that_has_the_server_is_set_up_for_it(tmp_path: Path) -> None:
    assert configuration(tmp_path).serve == Config().serve


def test_its_own_server_listens_everywhere_with_tls(tmp_path: Path) -> None:
    serve = configuration(tmp_path, with_server="true", port="9000").serve
    assert (serve.host, serve.port) == ("::", 9000)
    assert (serve.tls_cert, serve.tls_key) == (
        "/etc/homecall-pi/tls/cert.pem",
        "/etc/homecall-pi/tls/key.pem",
    )


@pytest.mark.parametrize("room", ["", "5b0f8a4e-3c1d-4a57-9c3e-2f6d8e7a9b10"])
def test_its_own_server_serves_its_own_room_alone(tmp_path: Path, room: str) -> None:
    config = configuration(tmp_path, with_server="true", room=room)
    assert config.serve.rooms == (config.room,)


def test_everything_else_is_as_shipped(tmp_path: Path) -> None:
    shipped = (PROJECT / "config/config.toml").read_text().splitlines()
    configuration(tmp_path)
    written = (tmp_path / "config.toml").read_text().splitlines()
    changed = [new for old, new in zip(shipped, written, strict=True) if old != new]
    assert [line.split(" = ")[0] for line in changed] == ["server", "room", "key"]
