"""JPEGs out of the video."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from homecall_pi.errors import HardwareError
from homecall_pi.hardware import still
from homecall_pi.hardware.fake import FakeCamera, TestPictureCamera
from homecall_pi.hardware.null import NullCamera

SIZE = {"width": 160, "height": 120, "fps": 30, "bitrate_bps": 300_000}


async def test_every_camera_gives_one(video: Path):
    for camera in (FakeCamera(video, **SIZE), TestPictureCamera(**SIZE)):
        assert (await camera.still()).startswith(b"\xff\xd8\xff")


async def test_no_camera_gives_none():
    with pytest.raises(HardwareError, match="there is no camera"):
        await NullCamera().still()


async def test_two_may_want_one_at_the_same_time(video: Path):
    camera = FakeCamera(video, **SIZE)
    first, second = await asyncio.gather(camera.still(), camera.still())
    assert first
    assert second


async def test_a_call_that_begins_meanwhile_keeps_the_camera(video: Path):
    camera = FakeCamera(video, **SIZE)
    waiting = asyncio.create_task(camera.still())
    await asyncio.sleep(0)
    came = asyncio.Event()
    camera.start(lambda unit: came.set())
    assert await waiting
    came.clear()
    await came.wait()
    camera.stop()


async def test_a_call_that_ends_meanwhile_leaves_the_camera_on_for_it(video: Path):
    camera = FakeCamera(video, **SIZE)
    camera.start(lambda _: None)
    waiting = asyncio.create_task(camera.still())
    await asyncio.sleep(0)
    camera.stop()
    assert await waiting
    assert camera._session is None


async def test_who_waits_is_told_when_none_comes():
    with pytest.raises(HardwareError, match="no picture"):
        await still.Waiting().take(lambda: None, 0.0)


@pytest.mark.parametrize("data", [b"\0\0\0\1\x65garbage"])
def test_what_cannot_be_decoded_is_an_error_of_the_camera(data: bytes):
    with pytest.raises(HardwareError, match="cannot be decoded"):
        still.jpeg(data)
