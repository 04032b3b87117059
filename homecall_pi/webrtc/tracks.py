"""The door's parts as aiortc's tracks, and aiortc's track as the loudspeaker's sound.

An exception out of `recv()` would end a sender for the rest of the call while the connection
stays up, so these tracks wait rather than fail.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Generic, TypeVar

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from ..core.ports import BLOCK_SAMPLES, SAMPLE_RATE, VIDEO_CLOCK_HZ, AccessUnit, Speaker

log = logging.getLogger(__name__)

MAX_BLOCKS_WAITING = 5
"""Blocks of sound (20 ms each) that may wait for the sender before the oldest is dropped."""
MAX_UNITS_WAITING = 15
SILENT_DBFS = -100.0

_T = TypeVar("_T")


class _Waiting(Generic[_T]):
    """What a part delivered and the sender has not taken yet. Used on the loop's thread alone."""

    def __init__(self, capacity: int) -> None:
        self.items: deque[_T] = deque(maxlen=capacity)
        self._arrived = asyncio.Event()

    def put(self, item: _T) -> None:
        self.items.append(item)
        self._arrived.set()

    async def take(self) -> _T:
        while not self.items:
            self._arrived.clear()
            await self._arrived.wait()
        return self.items.popleft()


class CameraTrack(MediaStreamTrack):
    """Access units from the camera, sent as they are. The first one sent is a key frame."""

    kind = "video"

    def __init__(self, force_key_frame: Callable[[], None]) -> None:
        super().__init__()
        self.frames_sent = 0
        self._force_key_frame = force_key_frame
        self._units: _Waiting[AccessUnit] = _Waiting(MAX_UNITS_WAITING)
        self._taken = False
        self._need_key_frame = True

    def put(self, unit: AccessUnit) -> None:
        """Takes one access unit from the camera; before the sender runs, it is dropped."""
        if not self._taken:
            return
        if len(self._units.items) == MAX_UNITS_WAITING:
            self._start_over()
        if self._need_key_frame and not unit.key_frame:
            return
        self._need_key_frame = False
        self._units.put(unit)

    def _start_over(self) -> None:
        """The sender was held up: what waits is old, and a gap needs a key frame after it."""
        self._units.items.clear()
        self._need_key_frame = True
        self._force_key_frame()

    async def recv(self) -> av.Packet[Any]:
        """The next access unit. aiortc asks for the first one when the connection stands."""
        if not self._taken:
            self._taken = True
            self._force_key_frame()
        unit = await self._units.take()
        self.frames_sent += 1
        packet = av.Packet(unit.data)
        packet.pts = unit.pts
        packet.time_base = Fraction(1, VIDEO_CLOCK_HZ)
        return packet


class MicrophoneTrack(MediaStreamTrack):
    """Sound from the microphone."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._blocks: _Waiting[bytes] = _Waiting(MAX_BLOCKS_WAITING)
        self._taken = False
        self._samples = 0

    def put(self, block: bytes) -> None:
        """Takes one block from the microphone; before the sender runs, it is dropped."""
        if self._taken:
            self._blocks.put(block)

    async def recv(self) -> av.AudioFrame:
        """The next block, as a frame."""
        self._taken = True
        block = await self._blocks.take()
        frame = av.AudioFrame(format="s16", layout="mono", samples=BLOCK_SAMPLES)
        frame.planes[0].update(block)
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = Fraction(1, SAMPLE_RATE)
        frame.pts = self._samples
        self._samples += BLOCK_SAMPLES
        return frame


class Level:
    """How loud the last second of sound was."""

    BLOCKS = SAMPLE_RATE // BLOCK_SAMPLES

    def __init__(self) -> None:
        self.samples = 0
        """Samples measured in all."""
        self._powers: deque[float] = deque(maxlen=self.BLOCKS)

    def add(self, block: bytes) -> None:
        """Measures one block. Every fourth sample says enough, at a quarter of the cost."""
        sparse = memoryview(block).cast("h")[::4].tolist()
        self._powers.append(sum(sample * sample for sample in sparse) / max(1, len(sparse)))
        self.samples += len(block) // 2

    @property
    def dbfs(self) -> float:
        """Root mean square in dB below full scale; SILENT_DBFS when there is nothing to hear."""
        power = sum(self._powers) / max(1, len(self._powers))
        if power < 1:
            return SILENT_DBFS
        return round(10 * math.log10(power / 32768**2), 1)


async def play(track: MediaStreamTrack, speaker: Speaker, level: Level) -> None:
    """Plays the other side's sound on the loudspeaker until the track ends."""
    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE, frame_size=BLOCK_SAMPLES)
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        assert isinstance(frame, av.AudioFrame)  # noqa: S101 - narrows the type
        for part in resampler.resample(frame):
            block = bytes(part.planes[0])[: 2 * BLOCK_SAMPLES]
            level.add(block)
            speaker.play(block)
