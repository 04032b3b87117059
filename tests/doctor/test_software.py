"""What is found of libraries: the real ones, and modules of our own that are missing or broken."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from homecall_pi import __version__
from homecall_pi.config.parts import MicrophoneConfig, PanelConfig, SpeakerConfig
from homecall_pi.config.schema import Config
from homecall_pi.doctor import software
from homecall_pi.doctor.software import ALWAYS, Library


def modules(config: Config) -> set[str]:
    return {library.module for library in software.needed(config)}


def test_what_the_program_always_needs_is_installed_here():
    found = software.check(ALWAYS)
    assert found.status == "ok"
    assert f"homecall-pi {__version__}, Python {sys.version_info[0]}." in found.found
    assert f", aiortc {metadata.version('aiortc')}" in found.found


def test_a_library_is_needed_by_those_who_chose_its_part():
    always = modules(Config())
    assert not always & {"picamera2", "gpiozero", "lgpio", "pyaudio", "pywebrtc_audio"}
    assert modules(Config(panel=PanelConfig(source="gpio"))) - always == {"gpiozero", "lgpio"}
    heard = Config(microphone=MicrophoneConfig(source="pyaudio"))
    assert modules(heard) - always == {"pyaudio", "pywebrtc_audio"}
    plain = MicrophoneConfig(source="pyaudio", echo_canceller=False)
    assert modules(Config(microphone=plain)) - always == {"pyaudio"}
    assert modules(Config(speaker=SpeakerConfig(source="pyaudio"))) - always == {"pyaudio"}


def test_a_missing_library_of_the_board_is_installed_by_apt():
    found = software.check([Library("no_such_camera", "python3-no-such-camera")])
    assert found.status == "fail"
    assert "no_such_camera is not installed" in found.found
    assert "sudo apt install python3-no-such-camera" in found.cure
    assert "--system-site-packages" in found.cure


def test_a_missing_library_of_python_is_installed_into_its_environment():
    found = software.check([Library("no_such_codec", "no-such-codec", (1,), "no-such-codec")])
    assert found.status == "fail"
    assert found.cure == f"sudo {sys.executable} -m pip install --upgrade no-such-codec"


def test_a_library_that_only_adds_something_is_no_failure():
    found = software.check([Library("no_such_log.journal", "python3-no-such-log", needed=False)])
    assert (found.status, "is not installed" in found.found) == ("warn", True)


def test_an_old_library_is_told_with_the_version_that_is_needed():
    found = software.check([Library("msgspec", "msgspec", (999, 1), "msgspec")])
    assert found.status == "fail"
    assert "is too old, 999.1 is needed" in found.found


@pytest.mark.parametrize(
    "text", ["import no_such_libcamera", "raise ValueError('numpy.dtype size changed')", "1 +"]
)
def test_a_library_that_is_there_and_broken_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
):
    (tmp_path / "broken_library.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found = software.check([Library("broken_library", "python3-broken")])
    assert found.status == "fail"
    assert "broken_library cannot be imported (" in found.found


def test_a_library_that_does_things_when_imported_is_only_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "rude_library.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    assert software.check([Library("rude_library", "x", imported=False)]).status == "ok"
    missing = software.check([Library("no_such_library", "x", imported=False)])
    assert "no_such_library is not installed" in missing.found
