"""Arithmetic on sound."""

from __future__ import annotations

from array import array

from homecall_pi.core.samples import amplify, blend, mix


def pcm(*samples: int) -> bytes:
    return array("h", samples).tobytes()


def test_mixing_adds_and_clips():
    assert mix(pcm(1, -2, 30000, -30000), pcm(10, 20, 30000, -30000)) == pcm(11, 18, 32767, -32767)


def test_a_gain_of_6_db_doubles_and_one_of_minus_6_db_halves():
    assert amplify(pcm(100, -100, 32000), 6.02) == pcm(199, -199, 32767)
    assert amplify(pcm(100, -100), -6.02) == pcm(50, -50)


def test_no_gain_leaves_the_block_as_it_is():
    block = pcm(1, -32768)
    assert amplify(block, 0) is block


def test_blending_begins_as_the_one_and_ends_as_the_other():
    assert blend(pcm(*[16384] * 4), pcm(*[0] * 4)) == pcm(16384, 12288, 8192, 4096)


def test_pieces_of_different_length_are_joined():
    assert blend(pcm(1, 2), pcm(3)) == pcm(1, 2, 3)
