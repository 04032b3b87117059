"""Streams of PyAudio, beyond what the whole card's tests show."""

from __future__ import annotations

import itertools
from array import array

from homecall_pi.core.ports import BLOCK_SAMPLES, CHUNK_SAMPLES
from homecall_pi.hardware.portaudio import CUSHION, MAX_CHUNKS_HEARD, SETTLED_CHUNKS, Input, Output


class Stream:
    """A card that kept all it heard while nobody asked."""

    def __init__(self, chunks: int) -> None:
        numbers = range(chunks)
        self._sound = b"".join(n.to_bytes(2, "big") * CHUNK_SAMPLES for n in numbers)

    def get_read_available(self) -> int:
        return len(self._sound) // 2

    def read(self, frames: int, *, exception_on_overflow: bool) -> bytes:
        sound, self._sound = self._sound[: 2 * frames], self._sound[2 * frames :]
        return sound


def test_of_what_was_heard_long_ago_the_newest_is_kept():
    microphone = Input(Stream(3 * MAX_CHUNKS_HEARD))
    heard = [microphone.read() for _ in range(MAX_CHUNKS_HEARD)]
    numbers = [int.from_bytes(chunk[:2], "big") for chunk in heard]
    assert numbers == list(range(2 * MAX_CHUNKS_HEARD, 3 * MAX_CHUNKS_HEARD))


def test_what_came_at_once_waits_to_be_read():
    microphone = Input(Stream(3))
    assert microphone.waiting == 0
    microphone.read()
    assert microphone.waiting == 2


SPEECH = b"\x00\x10" * CHUNK_SAMPLES


class Loudspeaker:
    """A card with room for 60 ms, which plays when the test says so."""

    SIZE = 6 * BLOCK_SAMPLES

    def __init__(self) -> None:
        self.played = b""
        self.missed = 0
        """Samples that it had to play, and did not have."""
        self._store = b""

    def get_write_available(self) -> int:
        return self.SIZE - len(self._store) // 2

    def write(self, sound: bytes, *, exception_on_underflow: bool) -> None:
        assert len(sound) // 2 <= self.get_write_available()
        self._store += sound

    def play(self, samples: int) -> None:
        """Time passes."""
        self.missed += max(0, samples - self.in_store)
        self.played += self._store[: 2 * samples]
        self._store = self._store[2 * samples :]

    @property
    def in_store(self) -> int:
        return len(self._store) // 2


class Pace:
    """Chunks come at the microphone's pace."""

    def __init__(self) -> None:
        self.card = Loudspeaker()
        self.output = Output(self.card)

    def talk(self, chunks: int, sound: bytes = SPEECH) -> None:
        for _ in range(chunks):
            self.output.write(sound)
            self.output.flush()
            self.card.play(CHUNK_SAMPLES)

    def burst(self, chunks: int) -> None:
        """A thread that was late has many at once."""
        for _ in range(chunks):
            self.output.write(SPEECH)


def test_there_is_something_in_store_from_the_start_and_it_stays():
    pace = Pace()
    pace.talk(3 * SETTLED_CHUNKS)
    assert pace.card.in_store == CUSHION - CHUNK_SAMPLES
    assert pace.card.missed == 0


def test_a_card_that_ran_dry_has_something_in_store_again():
    pace = Pace()
    pace.talk(5)
    pace.card.play(2 * CHUNK_SAMPLES)
    pace.talk(1)
    assert pace.card.in_store == CUSHION - CHUNK_SAMPLES


def test_delay_that_a_burst_left_goes_again_without_a_click():
    pace = Pace()
    pace.talk(5)
    pace.burst(3)
    assert pace.card.in_store == Loudspeaker.SIZE
    # It rises by 10 with each sample, and by twice that where a chunk is shortened to half.
    ramp = array("h", range(1000, 1000 + 10 * CHUNK_SAMPLES, 10)).tobytes()
    pace.talk(5 * SETTLED_CHUNKS, ramp)
    assert pace.card.in_store == CUSHION
    assert pace.card.missed == 0
    heard = array("h", pace.card.played[-4 * SETTLED_CHUNKS * 2 * CHUNK_SAMPLES :])
    assert max(other - one for one, other in itertools.pairwise(heard)) <= 20


def test_a_card_that_needs_more_in_store_keeps_more():
    pace = Pace()
    for _ in range(4):  # as often as it was shortened too far
        pace.talk(5)
        pace.card.play(Loudspeaker.SIZE)
    pace.talk(1)
    pace.burst(3)
    before = pace.card.in_store
    pace.talk(3 * SETTLED_CHUNKS)
    assert pace.card.in_store == before - CHUNK_SAMPLES


def test_at_the_pace_of_the_card_itself_nothing_is_shortened():
    pace = Pace()
    for _ in range(3 * SETTLED_CHUNKS):
        pace.output.wait()
        pace.output.write(SPEECH)
        pace.card.play(CHUNK_SAMPLES)
    assert pace.card.played.count(SPEECH) >= 3 * SETTLED_CHUNKS - 3


def test_what_waits_for_the_next_chunk_is_no_reason_for_haste():
    pace = Pace()
    pace.burst(3)
    assert not pace.output.flush()
    pace.burst(2)
    assert pace.output.flush()
