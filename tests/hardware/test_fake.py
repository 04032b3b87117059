"""The door without hardware, with its real threads and its real encoder."""

from __future__ import annotations

import asyncio
import logging
import threading
import wave
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import av
import pytest

from homecall_pi.core.ports import BLOCK_SAMPLES, SAMPLE_RATE, AccessUnit
from homecall_pi.errors import OperatorError
from homecall_pi.hardware import fake
from homecall_pi.hardware.fake import FakeCamera, FakeMicrophone, FakeSpeaker

from ..conftest import PATIENCE_S
from ..doubles import idly
from .clips import write_audio

SPS, PPS, IDR, SLICE = 7, 8, 5, 1


def threads() -> set[str]:
    names = {thread.name for thread in threading.enumerate()}
    return {name for name in names if name.startswith(("fake-", "camera"))}


async def all_ended() -> None:
    """Returns when the parts' threads are gone."""
    async with asyncio.timeout(PATIENCE_S):
        while threads():
            await asyncio.sleep(0.001)


def nal_units(data: bytes) -> list[bytes]:
    """The NAL units of an access unit in Annex B (H.264, annex B)."""
    parts = data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    assert parts[0] == b""
    return parts[1:]


def kinds(unit: AccessUnit) -> set[int]:
    return {nal[0] & 0x1F for nal in nal_units(unit.data)}


@pytest.fixture
def camera(video: Path) -> Iterator[FakeCamera]:
    camera = FakeCamera(video, width=160, height=120, fps=60, bitrate_bps=200_000)
    yield camera
    camera.stop()


@pytest.fixture
async def film(camera: FakeCamera) -> AsyncIterator[asyncio.Queue[AccessUnit]]:
    """What the camera films."""
    units: asyncio.Queue[AccessUnit] = asyncio.Queue()
    camera.start(units.put_nowait)
    yield units
    camera.stop()


async def take(queue: asyncio.Queue[AccessUnit], count: int) -> list[AccessUnit]:
    async with asyncio.timeout(PATIENCE_S):
        return [await queue.get() for _ in range(count)]


async def test_pictures_are_constrained_baseline(film: asyncio.Queue[AccessUnit]):
    (first,) = await take(film, 1)
    sps = next(nal for nal in nal_units(first.data) if nal[0] & 0x1F == SPS)
    profile_idc, constraints = sps[1], sps[2]
    assert profile_idc == 66
    assert constraints & 0x40  # constraint_set1_flag


async def test_key_frames_carry_their_parameter_sets_and_others_do_not(
    film: asyncio.Queue[AccessUnit],
):
    first, *others = await take(film, 4)
    assert first.key_frame
    assert {SPS, PPS, IDR} <= kinds(first)
    for unit in others:
        assert not unit.key_frame
        assert SLICE in kinds(unit)
        assert not {SPS, PPS, IDR} & kinds(unit)


async def test_the_time_of_the_pictures_runs_in_ticks_of_90_khz(film: asyncio.Queue[AccessUnit]):
    times = [unit.pts for unit in await take(film, 5)]
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert all(step > 0 and step % 1500 == 0 for step in steps)


async def test_any_decoder_can_show_the_pictures(film: asyncio.Queue[AccessUnit]):
    decoder = av.CodecContext.create("h264", "r")
    frames = []
    for unit in await take(film, 8):
        frames += decoder.decode(av.Packet(unit.data))
    assert {(frame.width, frame.height) for frame in frames} == {(160, 120)}


async def test_a_key_frame_comes_when_it_is_asked_for(
    camera: FakeCamera, film: asyncio.Queue[AccessUnit]
):
    await take(film, 3)
    camera.force_key_frame()
    async with asyncio.timeout(PATIENCE_S):
        while not (unit := await film.get()).key_frame:
            pass
    assert {SPS, PPS, IDR} <= kinds(unit)
    assert not (await take(film, 1))[0].key_frame


async def test_a_key_frame_that_was_asked_for_before_the_start_is_the_first_one(
    camera: FakeCamera,
):
    camera.force_key_frame()
    film: asyncio.Queue[AccessUnit] = asyncio.Queue()
    camera.start(film.put_nowait)
    assert [unit.key_frame for unit in await take(film, 3)] == [True, False, False]
    camera.stop()


async def test_a_camera_that_is_switched_off_delivers_nothing_and_ends_its_thread(
    camera: FakeCamera, film: asyncio.Queue[AccessUnit]
):
    await take(film, 1)
    camera.stop()
    while not film.empty():
        film.get_nowait()
    await all_ended()
    await asyncio.sleep(0)
    assert film.empty()


async def test_a_camera_can_be_switched_on_again_at_once(
    camera: FakeCamera, film: asyncio.Queue[AccessUnit]
):
    await take(film, 2)
    for _ in range(3):
        again: asyncio.Queue[AccessUnit] = asyncio.Queue()
        camera.start(again.put_nowait)
        # One more picture may be on its way from before.
        assert any(unit.key_frame for unit in await take(again, 2))
    camera.stop()
    await all_ended()


async def test_stopping_what_is_off_is_harmless(camera: FakeCamera, audio: Path):
    for part in (camera, FakeMicrophone(audio), FakeSpeaker(None)):
        part.stop()
        part.stop()
    camera.force_key_frame()
    assert threads() == set()


async def test_a_clip_that_disappears_costs_the_picture_alone(
    tmp_path: Path, video: Path, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "clip.mp4"
    path.write_bytes(video.read_bytes())
    camera = FakeCamera(path, width=160, height=120, fps=30, bitrate_bps=200_000)
    path.unlink()
    units: asyncio.Queue[AccessUnit] = asyncio.Queue()
    camera.start(units.put_nowait)
    (card,) = await take(units, 1)
    assert card.key_frame
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.startswith("the camera failed (FileNotFoundError(")
    camera.stop()
    await all_ended()


async def test_the_microphone_delivers_whole_blocks(audio: Path):
    blocks: asyncio.Queue[bytes] = asyncio.Queue()
    microphone = FakeMicrophone(audio)
    microphone.start(blocks.put_nowait)
    async with asyncio.timeout(PATIENCE_S):
        heard = [await blocks.get() for _ in range(5)]
    microphone.stop()
    assert {len(block) for block in heard} == {2 * BLOCK_SAMPLES}
    assert any(any(block) for block in heard)
    await all_ended()


async def test_the_loudspeaker_records_what_it_plays_as_a_wav_file(tmp_path: Path):
    path = tmp_path / "heard.wav"
    speaker = FakeSpeaker(path)
    speaker.start(idly)
    voice = [bytes([index, 1]) * BLOCK_SAMPLES for index in range(4)]
    for block in voice:
        speaker.play(block)
    async with asyncio.timeout(PATIENCE_S):
        while path.stat().st_size < 44 + 5 * 2 * BLOCK_SAMPLES:
            await asyncio.sleep(0.005)
    speaker.stop()
    await all_ended()
    with wave.open(str(path)) as recording:
        assert recording.getparams()[:3] == (1, 2, SAMPLE_RATE)
        heard = recording.readframes(recording.getnframes())
    assert b"".join(voice) in heard
    assert len(heard) % (2 * BLOCK_SAMPLES) == 0


async def test_a_recording_starts_anew_with_each_call(tmp_path: Path):
    path = tmp_path / "heard.wav"
    speaker = FakeSpeaker(path)
    for index in (1, 2):
        speaker.start(idly)
        speaker.play(bytes([index]) * 2 * BLOCK_SAMPLES)
        async with asyncio.timeout(PATIENCE_S):
            while bytes([index]) * 100 not in path.read_bytes():
                await asyncio.sleep(0.005)
    speaker.stop()
    await all_ended()
    assert b"\x01" * 100 not in path.read_bytes()


async def test_a_call_without_a_voice_makes_a_valid_recording(tmp_path: Path):
    path = tmp_path / "heard.wav"
    speaker = FakeSpeaker(path)
    speaker.start(idly)
    speaker.stop()
    await all_ended()
    with wave.open(str(path)) as recording:
        assert recording.getnframes() % BLOCK_SAMPLES == 0


async def test_of_what_waits_too_long_for_the_loudspeaker_the_oldest_is_dropped():
    speaker = FakeSpeaker(None)
    for _ in range(50):
        speaker.play(bytes(2 * BLOCK_SAMPLES))
    assert speaker.waiting == 10
    speaker.stop()
    assert speaker.waiting == 0


async def test_a_loudspeaker_without_a_file_plays_to_nobody():
    speaker = FakeSpeaker(None)
    taken = asyncio.Event()
    speaker.start(lambda: None if speaker.waiting else taken.set())
    speaker.play(b"\x01" * 2 * BLOCK_SAMPLES)
    async with asyncio.timeout(PATIENCE_S):
        await taken.wait()
    speaker.stop()
    await all_ended()


def test_files_of_no_use_are_told_at_once_with_a_cure(tmp_path: Path, video: Path, audio: Path):
    missing = tmp_path / "missing"
    size = {"width": 160, "height": 120, "fps": 30, "bitrate_bps": 200_000}
    with pytest.raises(OperatorError, match="give a readable clip"):
        FakeCamera(missing, **size)
    with pytest.raises(OperatorError, match="give a clip with a video track"):
        FakeCamera(audio, **size)
    with pytest.raises(OperatorError, match="give a readable clip"):
        FakeMicrophone(missing)
    with pytest.raises(OperatorError, match="give a clip with a audio track"):
        FakeMicrophone(video)
    for place in (missing / "heard.wav", tmp_path):
        with pytest.raises(OperatorError, match="cannot be written: .*give a file in a folder"):
            FakeSpeaker(place)


def test_a_late_period_is_skipped_and_not_made_up_for(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    waits: list[float] = []

    class Stopping:
        def wait(self, timeout: float) -> bool:
            waits.append(round(timeout, 6))
            now[0] += timeout
            return len(waits) > 5

    monkeypatch.setattr(fake.time, "monotonic", lambda: now[0])
    counts = []
    for count in fake.ticks(1.0, Stopping()):
        counts.append(count)
        now[0] += 3.5 if count == 1 else 0.25
    assert counts == [0, 1, 4, 5, 6]
    assert waits == [0.0, 0.75, 0.0, 0.25, 0.75, 0.75]


def test_the_shipped_clips_are_what_the_parts_use_by_default():
    FakeCamera(None, width=160, height=120, fps=30, bitrate_bps=200_000)
    FakeMicrophone(None)


async def test_a_recording_too_short_to_play_costs_the_sound_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    microphone = FakeMicrophone(write_audio(tmp_path / "nothing.wav", samples=1))
    microphone.start(lambda block: None)
    await all_ended()
    assert "the fake-microphone stopped: " in caplog.text
    microphone.stop()


async def test_a_disk_that_is_full_costs_the_recording_alone(caplog: pytest.LogCaptureFixture):
    speaker = FakeSpeaker(Path("/dev/full"))
    speaker.start(idly)
    async with asyncio.timeout(PATIENCE_S):
        while "/dev/full cannot be written: No space left on device" not in caplog.text:
            speaker.play(b"\x01" * 2 * BLOCK_SAMPLES)
            await asyncio.sleep(0.001)
        while speaker.waiting:
            await asyncio.sleep(0.005)
    speaker.stop()
    await all_ended()
    assert len(caplog.records) == 1


async def test_the_doors_own_sounds_play_without_a_call_and_end_their_thread():
    speaker = FakeSpeaker(None)
    speaker.sound(b"\x01" * 6 * BLOCK_SAMPLES)
    assert speaker._playout.sounding
    await all_ended()
    assert not speaker._playout.sounding


async def test_the_doors_own_sounds_in_a_call_are_recorded_and_go_on_after_it(tmp_path: Path):
    path = tmp_path / "heard.wav"
    speaker = FakeSpeaker(path)
    speaker.sound(b"", b"\x01" * 2 * BLOCK_SAMPLES)
    speaker.start(idly)
    async with asyncio.timeout(PATIENCE_S):
        while b"\x01" * 100 not in path.read_bytes():
            await asyncio.sleep(0.005)
    speaker.stop()
    assert threads() == {"fake-speaker"}
    speaker.sound(b"")
    await all_ended()


async def test_after_a_call_its_last_block_ends_before_the_next_begins(
    monkeypatch: pytest.MonkeyPatch,
):
    speaker = FakeSpeaker(None)
    entered, go_on, at_once = threading.Event(), threading.Event(), []
    play, playing = speaker._playout.next, threading.Lock()

    def play_slowly() -> bytes:
        at_once.append(not playing.acquire(blocking=False))
        entered.set()
        go_on.wait(PATIENCE_S)
        block = play()
        playing.release()
        return block

    monkeypatch.setattr(speaker._playout, "next", play_slowly)
    speaker.sound(b"", b"\x01" * 2 * BLOCK_SAMPLES)
    speaker.start(idly)
    await asyncio.to_thread(entered.wait)
    speaker.stop()  # another thread goes on with the sound
    await asyncio.sleep(3 * fake.BLOCK_S)
    go_on.set()
    speaker.sound(b"")
    await all_ended()
    assert not any(at_once)
