"""The family's voice, from packets to the loudspeaker, at the loudspeaker's pace."""

from __future__ import annotations

import asyncio
import math
from collections import deque

from ..core.jitter import Conceal, JitterBuffer, Merge, Play, Repair, Silence, Step
from ..core.ports import CHUNK_SAMPLES, SAMPLE_RATE, Speaker
from ..core.samples import blend
from .opus import FRAME_SAMPLES, VoiceDecoder

AHEAD_BLOCKS = 2
"""Blocks that wait at the loudspeaker (20 ms), so that it never runs dry until it calls again."""
SILENT_DBFS = -100.0
_CHUNK_BYTES = 2 * CHUNK_SAMPLES


class Level:
    """How loud the last second of sound was. It is seldom asked for, and measured only then."""

    FRAMES = SAMPLE_RATE // FRAME_SAMPLES

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque(maxlen=self.FRAMES)

    def add(self, sound: bytes) -> None:
        """Takes one frame (20 ms)."""
        self._frames.append(sound)

    @property
    def dbfs(self) -> float:
        """Root mean square in dB below full scale; SILENT_DBFS when there is nothing to hear."""
        samples = memoryview(b"".join(self._frames)).cast("h")[::4].tolist()  # as good as all
        power = sum(sample * sample for sample in samples) / max(1, len(samples))
        if power < 1:
            return SILENT_DBFS
        return round(10 * math.log10(power / 32768**2), 1)


class Voice:
    """Takes packets and keeps the loudspeaker supplied."""

    def __init__(self, speaker: Speaker) -> None:
        self.level = Level()
        self.samples = 0
        """Samples received in all, without what was made up for those that were not."""
        self._speaker = speaker
        self._jitter = JitterBuffer()
        self._decoder: VoiceDecoder | None = None
        self._sound = bytearray()
        """Decoded, and not yet a whole chunk."""

    def receive(self, sequence: int, timestamp: int, payload: bytes) -> None:
        """A packet arrived: its RTP sequence number, timestamp, and Opus packet."""
        now = asyncio.get_running_loop().time()
        self._jitter.put(sequence, timestamp, payload, now)
        if self._decoder is None:
            self._decoder = VoiceDecoder()
            self.supply()

    def supply(self) -> None:
        """Keeps the loudspeaker supplied, from the first packet on. It calls for that itself."""
        while self._decoder is not None and self._speaker.waiting < AHEAD_BLOCKS:
            self._speaker.play(self._next_chunk(self._decoder))

    def _next_chunk(self, decoder: VoiceDecoder) -> bytes:
        while len(self._sound) < _CHUNK_BYTES:
            self._sound += self._decode(decoder, self._jitter.pull())
        chunk = bytes(self._sound[:_CHUNK_BYTES])
        del self._sound[:_CHUNK_BYTES]
        return chunk

    def _decode(self, decoder: VoiceDecoder, step: Step) -> bytes:
        match step:
            case Play(payload):
                sound = decoder.decode(payload)
            case Repair(successor):
                sound = decoder.repair(successor)
            case Merge(payload, next_payload):
                sound = blend(decoder.decode(payload), decoder.decode(next_payload))
            case Conceal():
                sound = decoder.conceal()
            case Silence():
                return bytes(2 * FRAME_SAMPLES)
        if not isinstance(step, Conceal):
            self.samples += len(sound) // 2
        self.level.add(sound)
        return sound
