"""What the loudspeaker plays next."""

from __future__ import annotations

import weakref

import pytest

from homecall_pi.core.playout import BLOCK_BYTES, MAX_BLOCKS_WAITING, SILENCE, Playout


@pytest.fixture
def playout() -> Playout:
    return Playout()


def block(value: int) -> bytes:
    return value.to_bytes(2, "little") * (BLOCK_BYTES // 2)


def test_nothing_is_silence(playout: Playout):
    assert not playout.sounding
    assert playout.next() == SILENCE
    assert not playout.sounding


def test_the_voice_comes_out_in_order(playout: Playout):
    playout.play(block(1))
    playout.play(block(2))
    assert playout.waiting == 2
    assert [playout.next() for _ in range(3)] == [block(1), block(2), SILENCE]


def test_of_too_much_voice_the_oldest_is_dropped(playout: Playout):
    for value in range(MAX_BLOCKS_WAITING + 3):
        playout.play(block(value))
    assert playout.waiting == MAX_BLOCKS_WAITING
    assert playout.next() == block(3)
    playout.clear()
    assert playout.next() == SILENCE


def test_a_sound_plays_once_and_ends(playout: Playout):
    playout.sound(block(5) + block(6))
    assert playout.sounding
    assert [playout.next() for _ in range(3)] == [block(5), block(6), SILENCE]
    assert not playout.sounding


def test_a_sound_that_is_no_whole_block_ends_in_silence(playout: Playout):
    playout.sound(block(5)[:10])
    assert playout.next() == block(5)[:10].ljust(BLOCK_BYTES, b"\0")


def test_the_second_part_of_a_sound_plays_over_and_over(playout: Playout):
    playout.sound(block(1), block(2) + block(3))
    assert [playout.next() for _ in range(5)] == [block(1), *[block(2), block(3)] * 2]
    assert playout.sounding


def test_a_new_sound_takes_the_place_of_the_old_one(playout: Playout):
    playout.sound(b"", block(2))
    playout.next()
    playout.sound(block(7))
    assert [playout.next() for _ in range(2)] == [block(7), SILENCE]
    playout.sound(b"", block(2))
    playout.sound(b"")
    assert playout.next() == SILENCE
    assert not playout.sounding


def test_voice_and_sound_are_heard_together(playout: Playout):
    playout.play(block(100))
    playout.sound(block(11) + block(12))
    assert [playout.next() for _ in range(2)] == [block(111), block(12)]


def test_a_sound_that_was_replaced_is_given_up_at_once(playout: Playout):
    """Not when Python looks for cycles next: its samples may take half a megabyte."""
    playout.sound(block(1), block(2))
    assert playout.next() == block(1)
    replaced = weakref.ref(playout._sound)
    playout.sound(block(3))
    assert replaced() is None
