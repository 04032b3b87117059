"""The door's parts as tracks: what is sent when, what is dropped, and how loud the family is."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import av
import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from homecall_pi.core.ports import BLOCK_SAMPLES, AccessUnit
from homecall_pi.webrtc.tracks import (
    MAX_BLOCKS_WAITING,
    MAX_UNITS_WAITING,
    SILENT_DBFS,
    CameraTrack,
    Level,
    MicrophoneTrack,
    play,
)

from .doubles import Parts

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


async def test_sound_before_the_connection_stands_is_dropped_and_time_starts_at_nought():
    track = MicrophoneTrack()
    track.put(b"\x01\x00" * BLOCK_SAMPLES)
    first = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    track.put(BLOCK)
    track.put(BLOCK)
    frames = [await first, await track.recv()]
    assert [frame.pts for frame in frames] == [0, BLOCK_SAMPLES]
    assert bytes(frames[0].planes[0]) == BLOCK
    assert (frames[0].sample_rate, frames[0].layout.name) == (48_000, "mono")


async def test_of_sound_that_waits_too_long_the_oldest_is_dropped():
    track = MicrophoneTrack()
    first = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    for index in range(MAX_BLOCKS_WAITING + 3):
        track.put(index.to_bytes(2, "little") * BLOCK_SAMPLES)
    assert bytes((await first).planes[0])[:2] == (3).to_bytes(2, "little")


@pytest.mark.parametrize("track", [MicrophoneTrack, lambda: CameraTrack(lambda: None)])
async def test_a_part_that_delivers_nothing_keeps_the_sender_waiting(track: type):
    waiting = asyncio.create_task(track().recv())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


class Voice(MediaStreamTrack):
    """The family's voice, as aiortc hands it out: 20 ms of stereo at a time."""

    kind = "audio"

    def __init__(self, *frames: av.AudioFrame) -> None:
        super().__init__()
        self._frames = list(frames)

    async def recv(self) -> av.AudioFrame:
        if not self._frames:
            raise MediaStreamError
        return self._frames.pop(0)


def stereo(sample: int, pts: int, rate: int = 48_000) -> av.AudioFrame:
    samples = rate // 50
    frame = av.AudioFrame(format="s16", layout="stereo", samples=samples)
    frame.planes[0].update(sample.to_bytes(2, "little", signed=True) * 2 * samples)
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), pts
    return frame


async def test_the_voice_is_played_in_mono_blocks_until_the_track_ends(parts: Parts):
    level = Level()
    await play(Voice(stereo(16384, 0), stereo(16384, 960)), parts.door.speaker, level)
    assert parts.played.qsize() == 2
    block = parts.played.get_nowait()
    assert len(block) == 2 * BLOCK_SAMPLES
    assert abs(int.from_bytes(block[:2], "little", signed=True) - 16384) < 200
    assert level.samples == 2 * BLOCK_SAMPLES
    assert level.dbfs == pytest.approx(-6.0, abs=0.2)


async def test_a_voice_at_another_rate_is_resampled(parts: Parts):
    frames = [stereo(100, 320 * index, rate=16_000) for index in range(10)]
    await play(Voice(*frames), parts.door.speaker, Level())
    assert parts.played.qsize() >= 9


def test_silence_has_a_level_of_its_own():
    level = Level()
    assert level.dbfs == SILENT_DBFS
    level.add(bytes(2 * BLOCK_SAMPLES))
    assert level.dbfs == SILENT_DBFS
    level.add(b"")
    assert level.dbfs == SILENT_DBFS


def test_the_level_of_full_scale_is_nought():
    level = Level()
    level.add(b"\x00\x80" * BLOCK_SAMPLES)
    assert level.dbfs == 0.0


def test_the_level_is_that_of_the_last_second():
    level = Level()
    for _ in range(50):
        level.add(b"\x00\x80" * BLOCK_SAMPLES)
    for _ in range(50):
        level.add(BLOCK)
    assert level.dbfs == -6.0
    assert level.samples == 100 * BLOCK_SAMPLES
