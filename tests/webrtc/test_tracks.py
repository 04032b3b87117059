"""The door's camera and microphone as tracks: what is sent when, and what is dropped."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import av
import pytest

from homecall_pi.core.ports import BLOCK_SAMPLES, AccessUnit
from homecall_pi.webrtc.opus import VoiceDecoder
from homecall_pi.webrtc.tracks import (
    MAX_BLOCKS_WAITING,
    MAX_UNITS_WAITING,
    CameraTrack,
    MicrophoneTrack,
)
from homecall_pi.webrtc.voice import Level

BLOCK = b"\x00\x40" * BLOCK_SAMPLES


class Camera:
    """Counts the key frames that it is asked for."""

    def __init__(self) -> None:
        self.key_frames = 0
        self.track = CameraTrack(self.force_key_frame)
        self._pts = 0

    def force_key_frame(self) -> None:
        self.key_frames += 1

    def film(self, *pictures: str) -> None:
        """Delivers pictures; those that begin with K are key frames."""
        for picture in pictures:
            self._pts += 3000
            self.track.put(AccessUnit(picture.encode(), self._pts, picture.startswith("K")))


async def started() -> tuple[Camera, asyncio.Task[av.Packet]]:
    """A camera whose sender waits for the first picture."""
    camera = Camera()
    first = asyncio.create_task(camera.track.recv())
    await asyncio.sleep(0)
    return camera, first


async def received(camera: Camera) -> str:
    return bytes(await camera.track.recv()).decode()


async def test_pictures_before_the_connection_stands_are_dropped():
    camera = Camera()
    camera.film("K1", "d2")
    first = asyncio.create_task(camera.track.recv())
    await asyncio.sleep(0)
    assert not first.done()
    camera.film("K3")
    assert bytes(await first) == b"K3"


async def test_the_first_picture_is_a_key_frame_that_was_asked_for():
    camera, first = await started()
    assert camera.key_frames == 1
    camera.film("d1", "d2", "K3", "d4")
    assert bytes(await first) == b"K3"
    assert await received(camera) == "d4"
    assert camera.key_frames == 1


async def test_a_picture_keeps_its_time():
    camera, first = await started()
    camera.film("K1")
    packet = await first
    assert (packet.pts, packet.time_base) == (3000, Fraction(1, 90_000))


async def test_pictures_are_counted_as_they_are_sent():
    camera, first = await started()
    camera.film("K1", "d2")
    await first
    assert camera.track.frames_sent == 1
    await received(camera)
    assert camera.track.frames_sent == 2


async def test_a_sender_that_was_held_up_starts_over_with_a_key_frame():
    camera, first = await started()
    camera.film("K0")
    await first
    camera.film(*(f"d{index}" for index in range(MAX_UNITS_WAITING)))
    assert camera.key_frames == 1
    camera.film("d-late", "d-later", "K-new", "d-newer")
    assert camera.key_frames == 2
    assert await received(camera) == "K-new"
    assert await received(camera) == "d-newer"


def loudness(packet: av.Packet) -> float:
    """Of the packet's sound, in dB below full scale."""
    level = Level()
    level.add(VoiceDecoder().decode(bytes(packet)))
    return level.dbfs


async def test_sound_before_the_connection_stands_is_dropped_and_time_starts_at_nought():
    track = MicrophoneTrack()
    for _ in range(8):
        track.put(BLOCK)
    first = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    for _ in range(4):
        track.put(bytes(2 * BLOCK_SAMPLES))
    packets = [await first, await track.recv()]
    assert [packet.pts for packet in packets] == [0, 960]
    assert packets[0].time_base == Fraction(1, 48_000)
    assert loudness(packets[0]) < -90


async def test_of_sound_that_waits_too_long_the_oldest_is_dropped():
    track = MicrophoneTrack()
    first = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    for _ in range(3):
        track.put(BLOCK)
    for _ in range(MAX_BLOCKS_WAITING):
        track.put(bytes(2 * BLOCK_SAMPLES))
    assert loudness(await first) < -90


@pytest.mark.parametrize("track", [MicrophoneTrack, lambda: CameraTrack(lambda: None)])
async def test_a_part_that_delivers_nothing_keeps_the_sender_waiting(track: type):
    waiting = asyncio.create_task(track().recv())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
