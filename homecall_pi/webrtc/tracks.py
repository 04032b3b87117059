"""The door's camera and microphone as aiortc's tracks; both hand over what is encoded already.

An exception out of `recv()` would end a sender for the rest of the call while the connection
stays up, so these tracks wait rather than fail.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Generic, TypeVar

import av
from aiortc import MediaStreamTrack

from ..core.ports import SAMPLE_RATE, VIDEO_CLOCK_HZ, AccessUnit
from .opus import FRAME_SAMPLES, VoiceEncoder

log = logging.getLogger(__name__)

MAX_BLOCKS_WAITING = 10
"""Blocks of sound (10 ms each) that may wait for the sender before the oldest is dropped."""
MAX_UNITS_WAITING = 15

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
    """Sound from the microphone, in Opus packets."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._blocks: _Waiting[bytes] = _Waiting(MAX_BLOCKS_WAITING)
        self._encoder: VoiceEncoder | None = None
        self._samples = 0

    def put(self, block: bytes) -> None:
        """Takes one block from the microphone; before the sender runs, it is dropped."""
        if self._encoder is not None:
            self._blocks.put(block)

    async def recv(self) -> av.Packet[Any]:
        """The next packet. aiortc asks for the first one when the connection stands."""
        self._encoder = self._encoder or VoiceEncoder()
        sound = b""
        while len(sound) < 2 * FRAME_SAMPLES:
            sound += await self._blocks.take()
        packet = av.Packet(self._encoder.encode(sound))
        packet.time_base = Fraction(1, SAMPLE_RATE)
        packet.pts = self._samples
        self._samples += FRAME_SAMPLES
        return packet
