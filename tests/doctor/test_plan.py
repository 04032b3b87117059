"""Which checks a configuration asks for, and of which devices."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from homecall_pi.config.parts import CameraConfig, MicrophoneConfig, PanelConfig
from homecall_pi.config.schema import Config
from homecall_pi.doctor import plan, service
from homecall_pi.doctor.finding import Finding, ok

from ..doubles import ROOM

GOOD = {"server": "ws://localhost:1/signal", "room": ROOM}


@pytest.fixture(autouse=True)
def no_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def names(given: dict[str, Any]) -> list[str]:
    return [check.name for check in plan.checks(None, given, play=False)]


def test_everything_is_looked_at():
    ice = {"servers": [{"urls": ["stun:a", "stun:b"]}]}
    found = names({**GOOD, "ice": ice})
    assert found[:4] == ["board", "power", "clock", "disk"]
    assert {"config", "service", "user", "watchdog", "daemon", "own-server"} < set(found)
    assert {"software", "panel", "camera", "microphone", "loudspeaker"} < set(found)
    assert found[-7:] == ["network", "wi-fi", "dns", "server", "relay", "stun", "stun"]


def test_without_a_configuration_the_machine_is_looked_at_all_the_same():
    found = names({})
    assert {"board", "clock", "disk", "config", "service", "daemon"} < set(found)
    assert not {"camera", "server", "ice"} & set(found)


def test_the_daemons_socket_is_asked_whatever_becomes_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
):
    asked = []

    def ask(path: Path | None) -> tuple[None, Finding]:
        asked.append(path)
        return None, ok("")

    monkeypatch.setattr(service, "ask", ask)
    for given in ({**GOOD, "control": "/run/x"}, {"control": "/run/x"}, {}):
        names(given)
    assert asked == [Path("/run/x"), Path("/run/x"), None]


def test_what_drives_hardware_has_a_process_of_its_own():
    real = {"panel": {"source": "gpio"}, "microphone": {"source": "pyaudio"}}
    checks = plan.checks(None, {**GOOD, **real}, play=False)
    assert {check.name for check in checks if check.apart} == {"software", "panel", "microphone"}


def test_the_certificates_of_the_service_count(monkeypatch: pytest.MonkeyPatch):
    unit = {"Environment": "SSL_CERT_FILE=/etc/ours.pem"}
    monkeypatch.setattr(service, "properties", lambda _: unit)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    names(GOOD)
    assert os.environ.pop("SSL_CERT_FILE") == "/etc/ours.pem"
    monkeypatch.setenv("SSL_CERT_FILE", "/mine.pem")
    names(GOOD)
    assert os.environ["SSL_CERT_FILE"] == "/mine.pem"


def test_the_devices_are_those_of_the_parts_that_are_chosen(tmp_path: Path):
    paths = ["gpiochip0", "media0", "video0", "dma_heap/system", "snd/pcmC0D0p", "snd/controlC0"]
    for path in (*paths, "snd/timer", "null"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()

    def of(**parts: Any) -> set[str]:
        found = plan.devices(Config(**parts), tmp_path)
        return {str(path.relative_to(tmp_path)) for path in found}

    assert of() == set()
    assert of(panel=PanelConfig(source="gpio")) == {"gpiochip0"}
    assert of(camera=CameraConfig(source="picamera2")) == {"media0", "video0", "dma_heap/system"}
    webcam = str(tmp_path / "video0")
    assert of(camera=CameraConfig(source="v4l2", device=webcam)) == {"video0"}
    assert of(camera=CameraConfig(source="v4l2", device="/nonexistent")) == set()
    heard = MicrophoneConfig(source="pyaudio")
    assert of(microphone=heard) == {"snd/pcmC0D0p", "snd/controlC0"}
