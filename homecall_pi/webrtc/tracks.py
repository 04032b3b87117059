"""The door's microphone as aiortc's track, which hands over what is encoded already.

An exception out of `recv()` would end the sender for the rest of the call while the connection
stays up, so the track waits rather than fail.
"""

from __future__ import annotations

import asyncio
from collections import deque
from fractions import Fraction
from typing import Any

import av
from aiortc import MediaStreamTrack

from ..core.ports import SAMPLE_RATE
from .opus import FRAME_SAMPLES, VoiceEncoder

MAX_BLOCKS_WAITING = 10
"""Blocks of sound (10 ms each) that may wait for the sender before the oldest is dropped."""


class MicrophoneTrack(MediaStreamTrack):
    """Sound from the microphone, in Opus packets."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._blocks: deque[bytes] = deque(maxlen=MAX_BLOCKS_WAITING)
        self._arrived = asyncio.Event()
        self._encoder: VoiceEncoder | None = None
        self._samples = 0

    def put(self, block: bytes) -> None:
        """Takes one block from the microphone; before the sender runs, it is dropped."""
        if self._encoder is not None:
            self._blocks.append(block)
            self._arrived.set()

    async def recv(self) -> av.Packet[Any]:
        """The next packet. aiortc asks for the first one when the connection stands."""
        self._encoder = self._encoder or VoiceEncoder()
        sound = b""
        while len(sound) < 2 * FRAME_SAMPLES:
            sound += await self._next_block()
        packet = av.Packet(self._encoder.encode(sound))
        packet.time_base = Fraction(1, SAMPLE_RATE)
        packet.pts = self._samples
        self._samples += FRAME_SAMPLES
        return packet

    async def _next_block(self) -> bytes:
        while not self._blocks:
            self._arrived.clear()
            await self._arrived.wait()
        return self._blocks.popleft()
