"""A door without hardware, for the demo, the tests and laptops.

The parts behave like the real ones: each works in a thread of its own, at its own pace, and takes
a moment to start.
"""

from __future__ import annotations

import logging
import threading
import time
import wave
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av

from ..core.ports import BLOCK_SAMPLES, SAMPLE_RATE, VIDEO_CLOCK_HZ, AccessUnit
from ..errors import OperatorError
from . import clip, clock
from .mailbox import Mailbox

log = logging.getLogger(__name__)

BLOCK_S = BLOCK_SAMPLES / SAMPLE_RATE
SILENCE = bytes(2 * BLOCK_SAMPLES)


class Worker:
    """A thread that a part runs while it is on. It is told to stop, and not waited for."""

    def __init__(self, name: str, run: Callable[[threading.Event], None]) -> None:
        self._run = run
        self._stopping = threading.Event()
        threading.Thread(target=self._guard, name=name, daemon=True).start()

    def _guard(self) -> None:
        try:
            self._run(self._stopping)
        except Exception as error:
            log.warning("the %s stopped: %s", threading.current_thread().name, error)
            log.debug("where it stopped", exc_info=True)

    def stop(self) -> None:
        """Asks the thread to end at its next pause."""
        self._stopping.set()


def ticks(period_s: float, stopping: threading.Event) -> Iterator[int]:
    """Counts periods in real time until `stopping`; a late period is skipped, not made up for."""
    start = time.monotonic()
    count = 0
    while not stopping.wait(max(0.0, start + count * period_s - time.monotonic())):
        yield count
        count = max(count + 1, int((time.monotonic() - start) / period_s))


class FakeCamera:
    """A camera that films a clip, with the time of day on it, through a real H.264 encoder."""

    def __init__(
        self, path: Path | None, *, width: int, height: int, fps: int, bitrate_bps: int
    ) -> None:
        self._path = _clip(path, "porch.mp4", "video")
        self._size = width, height
        self._fps = fps
        self._bitrate_bps = bitrate_bps
        self._key_frame = threading.Event()
        self._worker: Worker | None = None
        self._mailbox: Mailbox[AccessUnit] | None = None

    def start(self, sink: Callable[[AccessUnit], None]) -> None:
        """Switches the camera on."""
        self.stop()
        mailbox = self._mailbox = Mailbox(sink, capacity=self._fps)
        self._worker = Worker("fake-camera", lambda stopping: self._film(stopping, mailbox))

    def force_key_frame(self) -> None:
        """Makes the next picture a key frame."""
        self._key_frame.set()

    def stop(self) -> None:
        """Switches the camera off."""
        if self._worker is not None and self._mailbox is not None:
            self._worker.stop()
            self._mailbox.close()
        self._worker = self._mailbox = None

    def _film(self, stopping: threading.Event, mailbox: Mailbox[AccessUnit]) -> None:
        encoder = _encoder(*self._size, self._fps, self._bitrate_bps)
        pictures = clip.pictures(self._path, *self._size, self._fps)
        self._key_frame.clear()
        for tick in ticks(1 / self._fps, stopping):
            frame = next(pictures)
            clock.draw(frame, _time_of_day())
            frame.pts = tick
            frame.time_base = Fraction(1, self._fps)
            frame.pict_type = self._next_picture_type()
            for packet in encoder.encode(frame):
                pts = tick * VIDEO_CLOCK_HZ // self._fps
                mailbox.post(AccessUnit(bytes(packet), pts, bool(packet.is_keyframe)))

    def _next_picture_type(self) -> av.video.frame.PictureType:
        if not self._key_frame.is_set():
            return av.video.frame.PictureType.NONE
        self._key_frame.clear()
        return av.video.frame.PictureType.I


def _encoder(width: int, height: int, fps: int, bitrate_bps: int) -> av.VideoCodecContext:
    """x264 as a stand-in for the Pi's encoder: constrained baseline, no delay, SPS/PPS in band."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)  # noqa: S101 - narrows the type
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(fps)
    encoder.time_base = Fraction(1, fps)
    encoder.bit_rate = bitrate_bps
    encoder.gop_size = 10 * fps
    encoder.thread_count = 1
    encoder.profile = "Baseline"
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"}
    return encoder


def _time_of_day() -> str:
    now = time.time()
    return time.strftime("%H:%M:%S", time.localtime(now)) + f".{int(now % 1 * 10)}"


class FakeMicrophone:
    """A microphone that hears a recording, over and over."""

    def __init__(self, path: Path | None) -> None:
        self._path = _clip(path, "speech.ogg", "audio")
        self._worker: Worker | None = None
        self._mailbox: Mailbox[bytes] | None = None

    def start(self, sink: Callable[[bytes], None]) -> None:
        """Starts capture."""
        self.stop()
        mailbox = self._mailbox = Mailbox(sink, capacity=10)
        self._worker = Worker("fake-microphone", lambda stopping: self._hear(stopping, mailbox))

    def stop(self) -> None:
        """Stops capture."""
        if self._worker is not None and self._mailbox is not None:
            self._worker.stop()
            self._mailbox.close()
        self._worker = self._mailbox = None

    def _hear(self, stopping: threading.Event, mailbox: Mailbox[bytes]) -> None:
        blocks = clip.blocks(self._path)
        for _ in ticks(BLOCK_S, stopping):
            mailbox.post(next(blocks))


class FakeSpeaker:
    """A loudspeaker that plays in real time, to nobody, and can record what it played."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            _check_writable(path)
        self._queue: deque[bytes] = deque(maxlen=10)
        self._recording = threading.Lock()
        self._worker: Worker | None = None

    def start(self) -> None:
        """Opens the loudspeaker. A recording starts anew with each call."""
        self.stop()
        queue: deque[bytes] = deque(maxlen=10)
        self._queue = queue
        self._worker = Worker("fake-speaker", lambda stopping: self._sound(stopping, queue))

    def play(self, block: bytes) -> None:
        """Queues one block."""
        self._queue.append(block)

    def stop(self) -> None:
        """Closes the loudspeaker."""
        if self._worker is not None:
            self._worker.stop()
        self._worker = None

    def _sound(self, stopping: threading.Event, queue: deque[bytes]) -> None:
        if self._path is None:
            for _ in ticks(BLOCK_S, stopping):
                _next_block(queue)
            return
        # The thread of the call before may still be writing the end of its recording.
        with self._recording, wave.open(str(self._path), "wb") as recording:
            recording.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
            for _ in ticks(BLOCK_S, stopping):
                recording.writeframes(_next_block(queue))


def _clip(path: Path | None, shipped: str, kind: str) -> Path:
    """The clip at `path`, checked, or else the shipped one."""
    if path is None:
        return clip.MEDIA / shipped
    clip.check(path, kind)
    return path


def _check_writable(path: Path) -> None:
    """Makes sure that a recording can be written to `path`.

    Raises:
        OperatorError: it cannot; the message says what to do.
    """
    try:
        path.open("ab").close()
    except OSError as error:
        raise OperatorError(
            f"{path} cannot be written: {error.strerror}; give a file in a folder of your own"
        ) from None


def _next_block(queue: deque[bytes]) -> bytes:
    """What waits, or silence, as a sound card plays when nothing comes."""
    return queue.popleft() if queue else SILENCE
