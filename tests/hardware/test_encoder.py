"""x264 as a camera's encoder."""

from __future__ import annotations

from itertools import islice

import pytest

from homecall_pi.core.ports import AccessUnit
from homecall_pi.hardware import annexb, clip
from homecall_pi.hardware.encoder import BURST_S, GOP_S, SoftwareEncoder

from .h264 import decode, is_whole_key_frame

SIZE = 320, 240


def encoded(
    encoder: SoftwareEncoder, count: int, key_frames: set[int] = frozenset()
) -> list[AccessUnit]:
    pictures = islice(clip.test_pictures(*SIZE, 10), count)
    return [
        AccessUnit(data, index, key_frame)
        for index, picture in enumerate(pictures)
        for data, key_frame in [encoder.encode(picture, key_frame=index in key_frames)]
    ]


def test_each_picture_comes_out_at_once_and_the_first_is_a_key_frame():
    units = encoded(SoftwareEncoder(*SIZE, 10, 300_000), 10)
    assert all(unit.data for unit in units)
    assert [unit.key_frame for unit in units] == [True] + [False] * 9
    assert is_whole_key_frame(units[0])
    assert len(decode(*units)) == 10


def test_a_key_frame_comes_when_it_is_asked_for_and_otherwise_seldom():
    units = encoded(SoftwareEncoder(*SIZE, 10, 300_000), 10 * GOP_S + 9, {4})
    keys = [index for index, unit in enumerate(units) if unit.key_frame]
    assert keys == [0, 4, 4 + 10 * GOP_S]
    assert all(is_whole_key_frame(units[index]) for index in keys)


@pytest.mark.parametrize("opened_bps", [600_000, 200_000], ids=["from it", "from below it"])
def test_the_bitrate_can_be_lowered_and_raised_again(opened_bps: int):
    encoder = SoftwareEncoder(*SIZE, 10, opened_bps)
    encoder.set_bitrate(600_000)

    def bits_of_second_half() -> int:
        return sum(8 * len(unit.data) for unit in encoded(encoder, 60)[30:]) // 3

    high = bits_of_second_half()
    encoder.set_bitrate(150_000)
    low = bits_of_second_half()
    encoder.set_bitrate(600_000)
    assert low < 0.5 * high
    assert bits_of_second_half() > 2 * low


def test_a_key_frame_is_no_larger_than_the_bitrate_of_the_moment_allows():
    encoder = SoftwareEncoder(*SIZE, 10, 1_500_000)
    large = encoded(encoder, 30, {29})[29]
    encoder.set_bitrate(250_000)
    small = encoded(encoder, 30, {20})[20]
    assert is_whole_key_frame(small)
    assert 8 * len(small.data) <= BURST_S * 250_000 < 8 * len(large.data)


def test_a_bitrate_far_above_is_a_new_beginning_and_one_below_waits_for_a_request():
    encoder = SoftwareEncoder(*SIZE, 10, 400_000)
    for bps, key_frames in ((400_000, [0]), (150_000, []), (700_000, []), (900_000, [0])):
        encoder.set_bitrate(bps)
        units = encoded(encoder, 5)
        assert [index for index, unit in enumerate(units) if unit.key_frame] == key_frames


def test_key_frames_are_told_from_others_by_their_bytes():
    units = encoded(SoftwareEncoder(*SIZE, 10, 300_000), 3, {2})
    assert [annexb.is_key_frame(unit.data) for unit in units] == [True, False, True]
    assert annexb.is_baseline(units[0].data)
    assert not annexb.is_key_frame(b"")
    assert not annexb.is_key_frame(b"\0\0\1")


def test_parameter_sets_that_are_missing_are_put_in_front_in_their_order():
    sets = annexb.ParameterSets()
    whole = encoded(SoftwareEncoder(*SIZE, 10, 300_000), 1)[0].data
    assert sets.complete(whole) == whole
    bare = next(unit for kind, unit in annexb.units(whole) if kind == annexb.IDR)
    completed = sets.complete(bare)
    assert [kind for kind, _ in annexb.units(completed)] == [annexb.SPS, annexb.PPS, annexb.IDR]
    assert len(decode(AccessUnit(completed, 0, True))) == 1
