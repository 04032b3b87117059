"""What is found of the camera: the shipped fakes, picamera2's double, and webcams not there."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from homecall_pi.config.parts import CameraConfig
from homecall_pi.control import Status
from homecall_pi.doctor import camera
from homecall_pi.errors import HardwareError
from homecall_pi.hardware import picamera
from homecall_pi.hardware.fake_picamera2 import Machine
from homecall_pi.hardware.watch import Deliver

SMALL = {"width": 160, "height": 120, "fps": 30}
RIBBON = CameraConfig(source="picamera2", **SMALL)
IDLE = Status("idle", "up", None, 3, None, 0, 0, -100.0, 5)
IN_CALL = Status("talking", "up", 4, 4, None, 120, 0, -100.0, 5)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A Raspberry Pi with a camera."""
    machine = Machine()
    monkeypatch.setattr(picamera, "load", machine.library)
    return machine


def test_a_camera_that_takes_a_picture_is_well_and_off_again(machine: Machine):
    found = camera.check(RIBBON, None, [])
    assert (found.status, "took a picture of" in found.found) == ("ok", True)
    assert not machine.cameras[0].is_open


def test_a_camera_is_looked_at_while_the_daemon_waits_for_a_press(machine: Machine):
    assert camera.check(RIBBON, IDLE, []).status == "ok"
    assert len(machine.cameras) == 1


def test_the_camera_of_a_call_is_left_alone(machine: Machine):
    found = camera.check(RIBBON, IN_CALL, [])
    assert (found.status, found.found) == ("ok", "in use by call 4; pictures sent: 120")
    assert not machine.cameras


def test_a_camera_that_is_not_connected_fails(machine: Machine):
    machine.connected = False
    found = camera.check(RIBBON, None, [])
    assert (found.status, found.found) == ("fail", "no camera is connected")
    assert "rpicam-hello --list-cameras" in found.cure


def test_a_camera_that_another_program_has_fails(machine: Machine):
    machine.busy = True
    found = camera.check(RIBBON, None, [])
    assert (found.status, found.found) == ("fail", "another program uses the camera")
    assert "fuser" in found.cure


def test_a_camera_that_the_daemon_keeps_warm_is_not_busy(machine: Machine):
    machine.busy = True
    warm = CameraConfig(source="picamera2", warm_s=60, **SMALL)
    assert camera.check(warm, IDLE, []).status == "ok"
    assert camera.check(RIBBON, IDLE, []).status == "fail"
    assert camera.check(warm, None, []).status == "fail"


class Hanging:
    """A camera whose driver delivers nothing."""

    def run(self, deliver: Deliver, stopping: threading.Event) -> None:
        deliver(b"no key frame", False, 0)
        stopping.wait()

    def force_key_frame(self) -> None: ...

    def set_bitrate(self, bps: int) -> None: ...


class Broken(Hanging):
    """A camera that delivers what is no picture."""

    def run(self, deliver: Deliver, stopping: threading.Event) -> None:
        deliver(b"no picture", True, 0)


def test_a_camera_that_delivers_nothing_is_given_up():
    with pytest.raises(HardwareError, match="does not respond"):
        camera.take_picture(Hanging(), patience_s=0.01)


def test_what_cannot_be_decoded_is_no_picture():
    with pytest.raises(HardwareError, match="cannot be decoded"):
        camera.take_picture(Broken())


def test_a_webcam_that_is_not_there_fails(tmp_path: Path):
    config = CameraConfig(source="v4l2", device=str(tmp_path / "video0"))
    found = camera.check(config, None, [])
    assert (found.status, found.found) == ("fail", "no camera is connected")
    assert "v4l2-ctl --list-devices" in found.cure


def test_what_is_no_webcam_cannot_be_opened(tmp_path: Path):
    (tmp_path / "video0").touch()
    found = camera.check(CameraConfig(source="v4l2", device=str(tmp_path / "video0")), None, [])
    assert (found.status, found.found) == ("fail", "the camera cannot be opened")
    assert "docs/camera.md" in found.cure


def test_a_camera_that_this_user_may_not_use_is_not_tried(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may do everything
    found = camera.check(RIBBON, None, [tmp_path])
    assert (found.status, found.cure) == ("warn", "sudo homecall-pi doctor")
    assert str(tmp_path) in found.found
    assert not machine.cameras


def test_without_its_library_the_camera_fails(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "libcamera", None)
    found = camera.check(RIBBON, None, [])
    assert (found.status, "picamera2 cannot be imported" in found.found) == ("fail", True)
    assert "apt install python3-picamera2" in found.cure


def test_a_camera_that_films_nobody_is_told():
    assert "sees nothing" in camera.check(CameraConfig(), None, []).found
    found = camera.check(CameraConfig(source="test", **SMALL), None, [])
    assert (found.status, 'source = "test" films nobody' in found.found) == ("warn", True)
    missing = CameraConfig(source="file", file="/nonexistent.mp4")
    assert camera.check(missing, None, []).status == "fail"
