"""A door without hardware, for the demo, the tests and laptops.

The parts behave like the real ones: each works in a thread of its own, at its own pace, and takes
a moment to start.
"""

from __future__ import annotations

import logging
import threading
import time
import wave
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av

from ..core.playout import Playout
from ..core.ports import BLOCK_SAMPLES, SAMPLE_RATE, VIDEO_CLOCK_HZ
from ..errors import OperatorError, may_pass
from . import clip, clock
from .camera import WatchedCamera
from .encoder import SoftwareEncoder
from .mailbox import Mailbox
from .watch import Deliver

log = logging.getLogger(__name__)

BLOCK_S = BLOCK_SAMPLES / SAMPLE_RATE
CARD_BUFFER_S = 0.2


class Worker:
    """A thread that a part runs while it is on. It is told to stop, and not waited for."""

    def __init__(self, name: str, run: Callable[[threading.Event], None]) -> None:
        self._run = run
        self._stopping = threading.Event()
        try:
            threading.Thread(target=self._guard, name=name, daemon=True).start()
        except RuntimeError as error:  # there is none to be had
            log.warning("the %s does not start: %s", name, error)

    def _guard(self) -> None:
        try:
            self._run(self._stopping)
        except Exception as error:
            log.warning("the %s stopped: %s", threading.current_thread().name, error)
            log.debug("where it stopped", exc_info=True)

    def stop(self) -> None:
        """Asks the thread to end at its next pause."""
        self._stopping.set()


def ticks(period_s: float, stopping: threading.Event, *, buffer_s: float = 0.0) -> Iterator[int]:
    """Counts periods in real time until `stopping`.

    A thread that is late makes up for what a buffer of `buffer_s` would have kept, as that of a
    sound card does; what is older is skipped, as a camera does.
    """
    start = time.monotonic()
    count = 0
    while not stopping.wait(max(0.0, start + count * period_s - time.monotonic())):
        yield count
        oldest = int((time.monotonic() - start - buffer_s) / period_s)
        count = max(count + 1, oldest)


class FakeCamera(WatchedCamera):
    """A camera that films a clip, with the time of day on it, through a real H.264 encoder."""

    def __init__(
        self, path: Path | None, *, width: int, height: int, fps: int, bitrate_bps: int
    ) -> None:
        path = _clip(path, "porch.mp4", "video", "camera.file")
        pictures = partial(clip.pictures, path, width, height, fps)
        encoder = partial(SoftwareEncoder, width, height, fps, bitrate_bps)
        super().__init__(lambda: Film(pictures, encoder, fps), size=(width, height))


class TestPictureCamera(WatchedCamera):
    """A camera that films FFmpeg's moving test picture, with the time of day on it."""

    __test__ = False  # pytest takes it for a test

    def __init__(self, *, width: int, height: int, fps: int, bitrate_bps: int) -> None:
        pictures = partial(clip.test_pictures, width, height, fps)
        encoder = partial(SoftwareEncoder, width, height, fps, bitrate_bps)
        super().__init__(lambda: Film(pictures, encoder, fps), size=(width, height))


class Film:
    """Pictures, with the time of day on them, as the source of a camera."""

    def __init__(
        self,
        pictures: Callable[[], Iterator[av.VideoFrame]],
        make_encoder: Callable[[], SoftwareEncoder],
        fps: int,
    ) -> None:
        self._pictures = pictures
        self._encoder = make_encoder()
        self._fps = fps
        self._key_frame = False

    def run(self, deliver: Deliver, stopping: threading.Event) -> None:
        """Films until `stopping`."""
        pictures = self._pictures()
        for tick in ticks(1 / self._fps, stopping):
            frame = next(pictures)
            clock.draw(frame, _time_of_day())
            key_frame, self._key_frame = self._key_frame, False
            data, is_key_frame = self._encoder.encode(frame, key_frame=key_frame)
            deliver(data, is_key_frame, tick * VIDEO_CLOCK_HZ // self._fps)

    def force_key_frame(self) -> None:
        """Makes the next picture a key frame."""
        self._key_frame = True

    def set_bitrate(self, bps: int) -> None:
        """Aims at another bitrate."""
        self._encoder.set_bitrate(bps)


def _time_of_day() -> str:
    now = time.time()  # noqa: TID251 - people read it
    return time.strftime("%H:%M:%S", time.localtime(now)) + f".{int(now % 1 * 10)}"


class FakeMicrophone:
    """A microphone that hears a recording, over and over."""

    def __init__(self, path: Path | None) -> None:
        self._path = _clip(path, "speech.ogg", "audio", "microphone.file")
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
        for _ in ticks(BLOCK_S, stopping, buffer_s=CARD_BUFFER_S):
            mailbox.post(next(blocks))


class FakeSpeaker:
    """A loudspeaker that plays in real time, to nobody, and can record what it played."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            _check_writable(path)
        self._playout = Playout()
        self._playing = threading.Lock()
        """Held by the thread that plays. The one before it may still be at its last block, or at
        the end of its recording."""
        self._worker: Worker | None = None
        self._room: Mailbox[None] | None = None
        self._sounder: Worker | None = None
        """Plays a sound while the loudspeaker is closed to the voice."""

    def start(self, on_room: Callable[[], None]) -> None:
        """Opens the loudspeaker. A recording starts anew with each call."""
        self.stop()
        if self._sounder is not None:
            self._sounder.stop()
            self._sounder = None
        room = self._room = Mailbox(lambda _: on_room(), capacity=1)
        play = self._play if self._path is None else self._record
        self._worker = Worker("fake-speaker", lambda stopping: play(stopping, room))

    @property
    def waiting(self) -> int:
        """Blocks of the voice that are queued."""
        return self._playout.waiting

    def sound(self, once: bytes, then: bytes = b"") -> None:
        """Plays a sound of the door's own. It is recorded if the loudspeaker is on for the call."""
        self._playout.sound(once, then)
        if self._worker is None:
            self._finish_the_sound()

    def play(self, sound: bytes) -> None:
        """Queues blocks of the voice."""
        self._playout.play(sound)

    def stop(self) -> None:
        """Closes the loudspeaker to the voice."""
        if self._worker is not None and self._room is not None:
            self._worker.stop()
            self._room.close()
        self._worker = self._room = None
        self._playout.clear()
        self._finish_the_sound()

    def _finish_the_sound(self) -> None:
        if self._sounder is not None:
            self._sounder.stop()
        on = self._playout.sounding
        self._sounder = Worker("fake-speaker", self._play_the_sound) if on else None

    def _play(self, stopping: threading.Event, room: Mailbox[None]) -> None:
        with self._playing:
            for _ in ticks(BLOCK_S, stopping, buffer_s=CARD_BUFFER_S):
                self._playout.next()
                room.post(None)

    def _play_the_sound(self, stopping: threading.Event) -> None:
        with self._playing:
            for _ in ticks(BLOCK_S, stopping, buffer_s=CARD_BUFFER_S):
                if not self._playout.sounding:
                    return
                self._playout.next()

    def _record(self, stopping: threading.Event, room: Mailbox[None]) -> None:
        with self._playing:
            try:
                self._write(stopping, room)
            except OSError as error:
                log.warning("%s cannot be written: %s; playing on", self._path, error.strerror)
        self._play(stopping, room)

    def _write(self, stopping: threading.Event, room: Mailbox[None]) -> None:
        with wave.open(str(self._path), "wb") as recording:
            recording.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
            for _ in ticks(BLOCK_S, stopping, buffer_s=CARD_BUFFER_S):
                recording.writeframes(self._playout.next())
                room.post(None)


def _clip(path: Path | None, shipped: str, kind: str, key: str) -> Path:
    """The clip at `path`, checked, or else the shipped one."""
    if path is None:
        return clip.MEDIA / shipped
    clip.check(path, kind, key)
    return path


def _check_writable(path: Path) -> None:
    """Makes sure that a recording can be written to `path`, now or later.

    Raises:
        OperatorError: it cannot; the message says what to do.
    """
    try:
        path.open("ab").close()
    except OSError as error:
        if may_pass(error):
            return
        raise OperatorError(
            f"{path} cannot be written: {error.strerror}; give a file in a folder of your own"
        ) from None
