"""The Pi's camera against a fake picamera2 with its threads, faults and real H.264."""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import av
import pytest

from homecall_pi.config.parts import CameraConfig
from homecall_pi.core.ports import AccessUnit
from homecall_pi.errors import HardwareError, OperatorError
from homecall_pi.hardware import camera as camera_module
from homecall_pi.hardware import picamera, watch
from homecall_pi.hardware.camera import WatchedCamera
from homecall_pi.hardware.fake_picamera2 import (
    Encoder,
    Machine,
    MappedArray,
    Output,
    Picamera2,
    Transform,
)
from homecall_pi.hardware.watch import Patience

from ..conftest import PATIENCE_S
from .h264 import Film, decode, is_whole_key_frame, next_key_frame, take

FPS = 120
CONFIG = CameraConfig(source="picamera2", width=160, height=120, fps=FPS, night_fps=FPS)


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As log.py has it."""
    monkeypatch.setattr(logging.getLogger("picamera2"), "level", logging.CRITICAL)
    logging.getLogger("picamera2").manager._clear_cache()  # type: ignore[attr-defined]


@pytest.fixture
def patience() -> Patience:
    """So much that no picture is late on a busy machine; tests take it away."""
    return Patience(start_s=PATIENCE_S, stall_s=PATIENCE_S, retry_s=0.02, still_s=PATIENCE_S)


@pytest.fixture(params=["hardware", "software"])
def machine(request: pytest.FixtureRequest) -> Machine:
    """A Pi 4 and a Pi 5."""
    return Machine(hardware_encoder=request.param == "hardware")


def make(machine: Machine, patience: Patience | None = None, **changes: Any) -> WatchedCamera:
    config = CameraConfig(
        **{**{f: getattr(CONFIG, f) for f in CONFIG.__struct_fields__}, **changes}
    )
    return picamera.build(config, machine.library(), patience)


@pytest.fixture
def camera(machine: Machine, patience: Patience) -> Iterator[WatchedCamera]:
    camera = make(machine, patience)
    yield camera
    machine.returns.set()
    camera.stop()


def film(camera: WatchedCamera) -> Film:
    """Switches the camera on."""
    units: Film = asyncio.Queue()
    camera.start(units.put_nowait)
    return units


def is_card(unit: AccessUnit) -> bool:
    """Cards are dark; the fake's pictures are grey."""
    return unit.key_frame and bytes(decode(unit)[0].planes[0])[0] < 64


async def unplug(machine: Machine, camera: WatchedCamera, units: Film) -> AccessUnit:
    """Pulls the camera out; the card that is shown for it."""
    patience = camera._patience
    machine.connected = False
    before, patience.stall_s = patience.stall_s, 0.0
    camera.force_key_frame()  # wakes up the watch
    card = await until_card(units)
    patience.stall_s = before
    return card


async def until_card(units: Film) -> AccessUnit:
    while not is_card(unit := (await take(units))[0]):
        pass
    return unit


async def until_picture(units: Film) -> AccessUnit:
    while not (unit := (await take(units))[0]).key_frame or is_card(unit):
        pass
    return unit


async def closed(machine: Machine) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while any(one.is_open for one in machine.cameras):
            await asyncio.sleep(0.001)


async def test_pictures_can_be_sent_as_they_come(camera: WatchedCamera):
    units = await take(film(camera), 10)
    assert is_whole_key_frame(units[0])
    assert not any(unit.key_frame for unit in units[1:])
    assert [(frame.width, frame.height) for frame in decode(*units)] == [(160, 120)] * 10
    camera.stop()


async def test_times_are_those_of_the_sensor(camera: WatchedCamera):
    units = await take(film(camera), 10)
    steps = [after.pts - before.pts for before, after in pairwise(units)]
    assert all(step >= 90_000 // FPS - 10 for step in steps)
    camera.stop()


async def test_a_key_frame_comes_within_two_pictures_of_the_request(camera: WatchedCamera):
    units = film(camera)
    await take(units, 3)
    for _ in range(3):
        while not units.empty():
            units.get_nowait()
        camera.force_key_frame()
        assert await next_key_frame(units) <= 2 + 1  # one may be on its way already
        await take(units, 2)
    camera.stop()


async def test_the_bitrate_changes_while_it_runs(machine: Machine, camera: WatchedCamera):
    units = film(camera)
    await take(units)
    camera.set_bitrate(400_000)
    async with asyncio.timeout(PATIENCE_S):
        while bitrates(machine) != {400_000}:
            await take(units)
    camera.stop()


def bitrates(machine: Machine) -> set[int]:
    (encoder,) = machine.cameras[-1].encoders or [None]
    if encoder is None:
        return set()
    x264 = encoder.vd.x264 if machine.hardware_encoder else encoder._x264
    return {x264._context.bit_rate}


async def test_another_opening_starts_with_the_bitrate_of_the_call(
    machine: Machine, camera: WatchedCamera
):
    units = film(camera)
    camera.set_bitrate(400_000)
    await until_picture(units)
    await unplug(machine, camera, units)
    machine.connected = True
    await until_picture(units)
    async with asyncio.timeout(PATIENCE_S):
        while bitrates(machine) != {400_000}:
            await take(units)
    camera.stop()


async def test_switching_on_and_off_does_not_wait_for_the_camera(machine: Machine):
    machine.start_s = 0.2
    camera = make(machine)
    loop = asyncio.get_running_loop()
    before = loop.time()
    units = film(camera)
    assert loop.time() - before < machine.start_s
    await take(units)
    camera.stop()
    await closed(machine)
    assert len(machine.cameras) == 1


async def test_switched_off_while_it_starts_it_is_closed_again(machine: Machine):
    machine.start_s = 0.05
    camera = make(machine)
    film(camera)
    camera.stop()
    units = film(camera)
    assert (await take(units))[0].key_frame
    camera.stop()
    await closed(machine)


async def test_the_camera_is_off_between_calls(machine: Machine, camera: WatchedCamera):
    units = film(camera)
    await take(units)
    camera.stop()
    await closed(machine)
    while not units.empty():
        units.get_nowait()
    await asyncio.sleep(0)
    assert units.empty()


async def test_a_warm_camera_is_taken_over_with_a_key_frame(machine: Machine):
    camera = make(machine, warm_s=PATIENCE_S)
    await take(film(camera), 2)
    camera.stop()
    units = film(camera)
    assert await next_key_frame(units) <= 3
    assert len(machine.cameras) == 1
    camera._switch_off()


async def test_a_warm_camera_goes_off_in_the_end(machine: Machine):
    camera = make(machine, warm_s=0.01)
    await take(film(camera))
    camera.stop()
    await closed(machine)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def source(machine: Machine) -> picamera.PicameraSource:
    return picamera.PicameraSource(machine.library(), CONFIG)


def never(*_: object) -> None:
    pytest.fail("a picture was delivered")


@pytest.mark.parametrize("fault", [{"connected": False}, {"busy": True}])
def test_openings_that_fail_leave_no_files_behind(machine: Machine, fault: dict[str, bool]):
    for name, value in fault.items():
        setattr(machine, name, value)
    before = open_files()
    for _ in range(5):
        with pytest.raises(HardwareError):
            source(machine).run(never, threading.Event())
    assert open_files() == before


def test_a_picture_that_cannot_be_handed_on_ends_the_opening(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(picamera, "LOOK_S", 0.001)

    def deliver(*_: object) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        source(machine).run(deliver, threading.Event())
    assert not machine.cameras[-1].is_open


def test_a_picture_that_cannot_be_encoded_ends_the_opening(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(picamera, "LOOK_S", 0.001)
    monkeypatch.setattr(picamera.av, "VideoFrame", SimpleNamespace())
    machine = Machine(hardware_encoder=False)
    with pytest.raises(AttributeError):
        source(machine).run(never, threading.Event())
    assert not machine.cameras[-1].is_open


@pytest.mark.parametrize("what", ["start", "stop"])
def test_a_camera_is_closed_though_its_encoder_fails(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, what: str
):
    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    stopping = threading.Event()
    stopping.set()
    with monkeypatch.context() as poor:
        for kind in (Encoder, *Encoder.__subclasses__()):
            poor.setattr(kind, f"_{what}", fail)
        # What picamera2 makes of it is beside the point.
        with pytest.raises((RuntimeError, KeyError, AttributeError)):
            source(machine).run(lambda *_: None, stopping)
    assert not machine.cameras[-1].is_open
    source(machine).run(lambda *_: None, stopping)


def test_a_camera_is_closed_though_it_cannot_be_stopped_at_first(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    stop, refusals = Picamera2.stop, [RuntimeError("timed out")]

    def stop_at_last(camera: Picamera2) -> None:
        if refusals:
            raise refusals.pop()
        stop(camera)

    monkeypatch.setattr(Picamera2, "stop", stop_at_last)
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(RuntimeError, match="timed out"):
        source(machine).run(lambda *_: None, stopping)
    assert not machine.cameras[-1].is_open


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"connected": False}, "no camera is connected"),
        ({"busy": True}, "another program uses the camera"),
    ],
)
async def test_a_camera_that_cannot_be_opened_is_a_card_and_one_line_and_comes_by_itself(
    machine: Machine,
    camera: WatchedCamera,
    caplog: pytest.LogCaptureFixture,
    fault: dict[str, bool],
    reason: str,
):
    caplog.set_level(logging.INFO)
    for name, value in fault.items():
        setattr(machine, name, value)
    units = film(camera)
    card = await until_card(units)
    assert is_whole_key_frame(card)
    assert (decode(card)[0].width, decode(card)[0].height) == (160, 120)
    for name, value in fault.items():
        setattr(machine, name, not value)
    await until_picture(units)
    messages = [record.message for record in caplog.records]
    assert messages == [f"{reason}; a card is shown until it is back", "the camera is back"]
    camera.stop()


async def test_a_camera_that_is_unplugged_during_a_call_comes_back_after_it_is_plugged_in(
    machine: Machine, camera: WatchedCamera, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    units = film(camera)
    first = await until_picture(units)
    card = await unplug(machine, camera, units)
    assert card.pts > first.pts
    camera.force_key_frame()
    assert await next_key_frame(units) <= 2
    machine.connected = True
    back = await until_picture(units)
    assert is_whole_key_frame(back)
    assert back.pts > card.pts
    messages = [record.message for record in caplog.records]
    assert messages == [
        "the camera does not respond; a card is shown until it is back",
        "the camera is back",
    ]
    camera.stop()


class Poverty:
    """Takes away what is taken for granted, until it is over."""

    def __init__(self, real: Callable[..., Any], fault: Exception, name: str = "") -> None:
        self.over = False
        self.refused = 0
        self._real, self._fault, self._name = real, fault, name

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if self.over or self._name not in options.get("name", ""):
            return self._real(*arguments, **options)
        self.refused += 1
        raise self._fault


@pytest.mark.parametrize("name", ["camera", "camera-watch"])
async def test_where_no_thread_is_to_be_had_the_camera_comes_later(
    name: str,
    camera: WatchedCamera,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    thread = Poverty(threading.Thread, RuntimeError("can't start new thread"), name)
    monkeypatch.setattr(watch.threading, "Thread", thread)
    camera._patience.stall_s = 0.0  # it looks all the time
    units = film(camera)
    async with asyncio.timeout(PATIENCE_S):
        while thread.refused < 3:
            await asyncio.sleep(0.001)
    camera._patience.stall_s = PATIENCE_S
    thread.over = True
    await until_picture(units)
    assert len(caplog.messages) == 1
    assert "can't start new thread" in caplog.messages[0]
    camera.stop()


async def test_where_no_memory_is_to_be_had_the_card_comes_later(
    machine: Machine,
    camera: WatchedCamera,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    card = Poverty(watch.Card, MemoryError())
    monkeypatch.setattr(watch, "Card", card)
    machine.connected = False
    units = film(camera)
    async with asyncio.timeout(PATIENCE_S):
        while card.refused < 3:
            await asyncio.sleep(0.001)
    card.over = True
    await until_card(units)
    machine.connected = True
    await until_picture(units)
    assert [message.partition(";")[0] for message in caplog.messages] == [
        "no camera is connected",
        "the camera lacks what it needs: MemoryError()",
    ]
    camera.stop()


async def test_a_camera_that_hangs_for_ever_holds_up_nothing(
    machine: Machine, camera: WatchedCamera, patience: Patience
):
    units = film(camera)
    await until_picture(units)
    machine.returns.clear()
    await unplug(machine, camera, units)
    machine.connected = True
    await take(units, 2)
    assert len(machine.cameras) == 1
    camera.stop()
    patience.start_s = 0.0
    units = film(camera)
    camera.force_key_frame()  # wakes up the watch
    await until_card(units)  # the next call has a card at least
    patience.start_s = PATIENCE_S
    assert sum(thread.name == "camera" for thread in threading.enumerate()) <= 3
    camera.stop()
    machine.returns.set()
    await until_picture(film(camera))
    camera.stop()


async def until_it_rests(camera: WatchedCamera) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while camera.progress.moved_at is not None:
            await asyncio.sleep(0.001)


async def test_the_camera_makes_progress_while_it_films_and_rests_when_it_is_off(
    camera: WatchedCamera,
):
    assert camera.progress.moved_at is None
    units = film(camera)
    await take(units, 2)
    first = camera.progress.moved_at
    assert first is not None
    await take(units, 2)
    assert camera.progress.moved_at > first
    camera.stop()
    await until_it_rests(camera)


async def test_a_camera_that_is_missing_does_not_hang(machine: Machine, camera: WatchedCamera):
    machine.connected = False
    await until_card(film(camera))
    for _ in range(3):  # it is tried again and again
        await until_it_rests(camera)
    camera.stop()


async def test_a_camera_whose_driver_never_returns_hangs(machine: Machine, camera: WatchedCamera):
    units = film(camera)
    await until_picture(units)
    machine.returns.clear()
    await unplug(machine, camera, units)
    camera.stop()
    moved_at = camera.progress.moved_at
    assert moved_at is not None
    assert camera.progress.hangs(moved_at + camera_module.HANG_S + 1)
    machine.returns.set()
    await until_it_rests(camera)


async def test_a_still_is_a_jpeg_of_the_size_of_the_picture(
    machine: Machine, camera: WatchedCamera
):
    data = await camera.still()
    (picture,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(data))
    assert (picture.width, picture.height) == (160, 120)
    await closed(machine)


async def test_a_still_leaves_the_call_alone(machine: Machine, camera: WatchedCamera):
    units = film(camera)
    await take(units, 2)
    assert (await camera.still()).startswith(b"\xff\xd8")
    await take(units, 5)
    assert len(machine.cameras) == 1
    camera.stop()


@pytest.mark.parametrize(
    ("turn", "hflip", "vflip"),
    [
        ({}, False, False),
        ({"rotation": 180}, True, True),
        ({"hflip": True}, True, False),
        ({"rotation": 180, "vflip": True}, True, False),
    ],
)
async def test_the_picture_can_be_turned_and_mirrored(
    machine: Machine, turn: dict[str, Any], hflip: bool, vflip: bool
):
    camera = make(machine, **turn)
    await take(film(camera))
    assert machine.cameras[0].config["transform"] == Transform(hflip, vflip)
    camera.stop()


async def test_in_the_dark_pictures_may_take_longer(machine: Machine):
    camera = make(machine, fps=60, night_fps=10)
    await take(film(camera))
    controls = machine.cameras[0].config["controls"]
    assert controls == {"FrameDurationLimits": (16_666, 100_000), "AeExposureMode": 2}
    camera.stop()


async def test_the_hardware_encoder_is_asked_for_what_browsers_need():
    machine = Machine()
    camera = make(machine, bitrate_bps=700_000)
    await take(film(camera))
    (encoder,) = machine.cameras[0].encoders
    assert (encoder.bitrate, encoder.repeat, encoder.profile) == (
        700_000,
        True,
        "constrained baseline",
    )
    camera.stop()


def test_the_control_is_laid_out_as_linux_wants_it():
    """struct v4l2_control is two integers of 32 bits; its size is part of the request's number."""
    assert 3 << 30 | struct.calcsize("=Ii") << 16 | ord("V") << 8 | 28 == picamera.VIDIOC_S_CTRL


def test_without_picamera2_the_operator_is_told_what_to_install():
    with pytest.raises(OperatorError, match=r"^camera\.source: .*`apt install python3-picamera2`"):
        picamera.load()


@pytest.mark.parametrize("hardware", [True, False])
def test_the_encoder_is_what_picamera2_says_the_board_has(
    monkeypatch: pytest.MonkeyPatch, hardware: bool
):
    libav = object()
    h264 = object() if hardware else libav
    encoders = SimpleNamespace(H264Encoder=h264, LibavH264Encoder=libav, Encoder=Encoder)
    modes = SimpleNamespace(AeExposureModeEnum=SimpleNamespace(Long=2))
    modules = {
        "libcamera": SimpleNamespace(Transform=Transform, controls=modes),
        "picamera2": SimpleNamespace(MappedArray=MappedArray, Picamera2=None, encoders=encoders),
        "picamera2.outputs": SimpleNamespace(Output=Output),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    assert picamera.load().H264Encoder is (h264 if hardware else None)
