"""The family's voice on its way to the loudspeaker: pace, levels, losses."""

from __future__ import annotations

import asyncio
from array import array
from collections import deque

import pytest

from homecall_pi.core.ports import BLOCK_SAMPLES
from homecall_pi.webrtc.opus import FRAME_SAMPLES, VoiceEncoder
from homecall_pi.webrtc.voice import SILENT_DBFS, Level, Voice, blend

from ..conftest import PATIENCE_S
from ..doubles import in_background

LOUD = b"\x00\x40" * FRAME_SAMPLES


class Card:
    """A loudspeaker that takes a block whenever the test says so."""

    def __init__(self) -> None:
        self.queue: deque[bytes] = deque()
        self.played = bytearray()
        self._asked = asyncio.Event()

    @property
    def waiting(self) -> int:
        self._asked.set()
        return len(self.queue)

    def start(self) -> None:
        """Is open."""

    def stop(self) -> None:
        """Is never closed."""

    def play(self, block: bytes) -> None:
        assert len(block) == 2 * BLOCK_SAMPLES
        self.queue.append(block)

    async def take(self, blocks: int) -> bytes:
        """The next blocks, each taken when there is one."""
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(blocks):
                while not self.queue:
                    self._asked.clear()
                    await self._asked.wait()
                self.played += self.queue.popleft()
        return bytes(self.played)


def tone(frames: int) -> list[bytes]:
    """Packets of a 400 Hz square wave at half of full scale."""
    wave = array("h", ([16384] * 60 + [-16384] * 60) * (FRAME_SAMPLES // 120)).tobytes()
    encoder = VoiceEncoder()
    return [encoder.encode(wave) for _ in range(frames)]


def deliver(voice: Voice, packets: list[bytes], lost: frozenset[int] = frozenset()) -> None:
    for index, packet in enumerate(packets):
        if index not in lost:
            voice.receive(index, index * FRAME_SAMPLES, packet)


async def test_before_the_first_packet_nothing_is_played():
    card = Card()
    voice = Voice(card)
    async with in_background(voice.run()):
        await asyncio.sleep(0)
    assert not card.queue


async def test_until_enough_has_come_there_is_silence_that_does_not_count():
    card = Card()
    voice = Voice(card)
    voice.receive(0, 0, tone(1)[0])
    voice._jitter.target_s = 1.0
    async with in_background(voice.run()):
        assert await card.take(6) == bytes(6 * 2 * BLOCK_SAMPLES)
    assert voice.level.samples == 0


async def test_the_loudspeaker_sets_the_pace():
    card = Card()
    voice = Voice(card)
    deliver(voice, tone(30))
    async with in_background(voice.run()):
        await card.take(1)
        ahead = len(card.queue)
    assert ahead <= 3


async def test_packets_are_heard():
    card = Card()
    voice = Voice(card)
    deliver(voice, tone(8))
    async with in_background(voice.run()):
        heard = await card.take(14)
    level = Level()
    level.add(heard[-4 * BLOCK_SAMPLES :])
    assert level.dbfs > -10
    assert voice.level.samples >= 7 * FRAME_SAMPLES
    assert voice.level.dbfs > -12


async def test_a_lost_packet_leaves_no_hole():
    card = Card()
    voice = Voice(card)
    deliver(voice, tone(12), lost=frozenset({6}))
    async with in_background(voice.run()):
        heard = await card.take(20)
    size = 2 * BLOCK_SAMPLES
    for start in range(6 * size, len(heard), size):
        level = Level()
        level.add(heard[start : start + size])
        assert level.dbfs > -20


def test_blending_begins_as_the_one_and_ends_as_the_other():
    blended = array("h", blend(LOUD, bytes(len(LOUD))))
    assert len(blended) == FRAME_SAMPLES
    assert (blended[0], blended[FRAME_SAMPLES // 2], blended[-1]) == (16384, 8192, 17)


def test_frames_of_different_length_are_joined():
    assert blend(LOUD, b"\x01\x00") == LOUD + b"\x01\x00"


def test_silence_has_a_level_of_its_own():
    level = Level()
    assert level.dbfs == SILENT_DBFS
    level.add(bytes(2 * FRAME_SAMPLES))
    assert level.dbfs == SILENT_DBFS


def test_the_level_is_that_of_the_last_second():
    level = Level()
    for _ in range(50):
        level.add(b"\x00\x80" * FRAME_SAMPLES)
    assert level.dbfs == 0.0
    for _ in range(50):
        level.add(LOUD)
    assert level.dbfs == pytest.approx(-6.0, abs=0.1)
    assert level.samples == 100 * FRAME_SAMPLES
