"""The family's voice on its way to the loudspeaker: pace, levels, losses."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable

import pytest

from homecall_pi.core.ports import BLOCK_SAMPLES, CHUNK_BLOCKS
from homecall_pi.webrtc.opus import FRAME_SAMPLES, VoiceEncoder
from homecall_pi.webrtc.voice import AHEAD_BLOCKS, SILENT_DBFS, Level, Voice

SILENCE = bytes(2 * BLOCK_SAMPLES)
LOUD = b"\x00\x40" * FRAME_SAMPLES


class Card:
    """A loudspeaker that takes a block whenever the test says so."""

    def __init__(self) -> None:
        self.queue: deque[bytes] = deque()
        self._played = bytearray()

    @property
    def waiting(self) -> int:
        return len(self.queue)

    def start(self, on_room: Callable[[], None]) -> None:
        self._on_room = on_room

    def play(self, sound: bytes) -> None:
        size = 2 * BLOCK_SAMPLES
        blocks, rest = divmod(len(sound), size)
        assert rest == 0
        self.queue += (sound[index * size :][:size] for index in range(blocks))

    def take(self, blocks: int) -> bytes:
        """All blocks so far, with so many more."""
        for _ in range(blocks):
            self._played += self.queue.popleft()
            self._on_room()
        return bytes(self._played)


@pytest.fixture
async def card() -> Card:
    return Card()


@pytest.fixture
async def voice(card: Card) -> Voice:
    voice = Voice(card)  # type: ignore[arg-type]
    card.start(voice.supply)
    return voice


def tone(frames: int) -> list[bytes]:
    """Packets of a 400 Hz square wave at half of full scale."""
    wave = array("h", ([16384] * 60 + [-16384] * 60) * (FRAME_SAMPLES // 120)).tobytes()
    encoder = VoiceEncoder()
    return [encoder.encode(wave) for _ in range(frames)]


def deliver(voice: Voice, packets: list[bytes], lost: frozenset[int] = frozenset()) -> None:
    for index, packet in enumerate(packets):
        if index not in lost:
            voice.receive(index, index * FRAME_SAMPLES, packet)


async def test_before_the_first_packet_nothing_is_played(voice: Voice, card: Card):
    voice.supply()
    assert not card.queue


async def test_until_enough_has_come_there_is_silence_that_does_not_count(voice: Voice, card: Card):
    card.queue.extend([SILENCE] * AHEAD_BLOCKS)
    voice.receive(0, 0, tone(1)[0])
    voice._jitter.target_s = 1.0
    assert card.take(AHEAD_BLOCKS + 6) == SILENCE * (AHEAD_BLOCKS + 6)
    assert voice.samples == 0


async def test_the_loudspeaker_sets_the_pace(voice: Voice, card: Card):
    deliver(voice, tone(30))
    for taken in range(10):
        assert AHEAD_BLOCKS <= len(card.queue) < AHEAD_BLOCKS + CHUNK_BLOCKS, taken
        card.take(1)


async def test_a_loudspeaker_that_takes_nothing_is_given_nothing(voice: Voice, card: Card):
    card.queue.extend([SILENCE] * 10)
    deliver(voice, tone(30))
    assert len(card.queue) == 10


async def test_packets_are_heard(voice: Voice, card: Card):
    deliver(voice, tone(8))
    heard = card.take(14)
    level = Level()
    level.add(heard[-4 * BLOCK_SAMPLES :])
    assert level.dbfs > -10
    assert voice.samples == 8 * FRAME_SAMPLES
    assert voice.level.dbfs > -12


async def test_a_lost_packet_leaves_no_hole(voice: Voice, card: Card):
    deliver(voice, tone(12), lost=frozenset({6}))
    heard = card.take(20)
    size = 2 * BLOCK_SAMPLES
    for start in range(6 * size, len(heard), size):
        level = Level()
        level.add(heard[start : start + size])
        assert level.dbfs > -20


async def test_what_is_made_up_for_lost_packets_does_not_count_as_received(
    voice: Voice, card: Card
):
    deliver(voice, tone(12)[:4])
    card.take(40)
    assert voice.samples == 4 * FRAME_SAMPLES


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
