"""The bitrate that the network is worth. Time is an argument, so nothing here takes any."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecall_pi.core.bitrate import HEADROOM, TRUST_S, Bitrate, Bounds

BOUNDS = Bounds(start_bps=1_500_000, min_bps=250_000, max_bps=2_500_000)


@pytest.fixture
def bitrate() -> Bitrate:
    return Bitrate(BOUNDS, 0.0)


def without_loss(bitrate: Bitrate, start_s: int, end_s: int) -> None:
    for now in range(start_s, end_s):
        bitrate.lost(0.0, float(now))


def test_it_starts_as_configured(bitrate: Bitrate):
    assert bitrate.target_bps == 1_500_000


@pytest.mark.parametrize(("start_bps", "target_bps"), [(1, 250_000), (9_000_000, 2_500_000)])
def test_a_start_out_of_bounds_is_moved_into_them(start_bps: int, target_bps: int):
    assert Bitrate(Bounds(start_bps, 250_000, 2_500_000), 0.0).target_bps == target_bps


def test_it_follows_the_estimate_down_and_back(bitrate: Bitrate):
    assert bitrate.estimated(500_000) == HEADROOM * 500_000
    assert bitrate.estimated(5_000_000) == 1_500_000


def test_without_loss_it_grows_to_the_upper_bound_in_seconds(bitrate: Bitrate):
    without_loss(bitrate, 1, 4)
    assert 1_500_000 < bitrate.target_bps < 2_000_000
    without_loss(bitrate, 4, 12)
    assert bitrate.target_bps == 2_500_000


def test_much_loss_cuts_it_to_what_came_through(bitrate: Bitrate):
    assert bitrate.lost(0.2, 1.0) == 1_200_000


def test_loss_is_answered_once_until_the_answer_can_be_felt(bitrate: Bitrate):
    bitrate.lost(0.2, 1.0)
    assert bitrate.lost(0.4, 1.5) is None
    assert bitrate.target_bps == 1_200_000


def test_a_cut_that_helped_stays(bitrate: Bitrate):
    bitrate.lost(0.2, 1.0)
    assert bitrate.lost(0.05, 3.0) is None
    assert bitrate.target_bps == 1_200_000
    without_loss(bitrate, 4, 9)
    assert bitrate.target_bps > 1_500_000


def test_a_cut_that_did_not_help_is_taken_back(bitrate: Bitrate):
    bitrate.lost(0.2, 1.0)
    assert bitrate.lost(0.18, 3.0) == 1_500_000
    assert [bitrate.lost(0.22, float(now)) for now in range(4, 50)] == [None] * 46


def test_more_loss_than_the_network_s_own_is_answered(bitrate: Bitrate):
    bitrate.lost(0.2, 1.0)
    bitrate.lost(0.2, 3.0)
    assert bitrate.lost(0.4, 4.0) == 900_000


def test_it_is_tried_again_now_and_then_whether_the_loss_is_the_network_s_own(bitrate: Bitrate):
    bitrate.lost(0.2, 1.0)
    bitrate.lost(0.2, 3.0)
    assert bitrate.lost(0.2, 4.0 + TRUST_S) == 1_200_000


@pytest.mark.parametrize("own", [0.0, 0.05, 0.2])
def test_a_network_without_a_queue_is_filled_and_not_flooded(bitrate: Bitrate, own: float):
    """It drops what it cannot carry at once, so that no estimate tells of it."""
    width_bps = 600_000
    aims = []
    for second in range(120):
        aims.append(bitrate.target_bps)
        bitrate.lost(1 - (1 - own) * min(1, width_bps / bitrate.target_bps), 1.0 + second)
    assert statistics.mean(aims[20:]) == pytest.approx(width_bps, rel=0.25)
    assert max(aims[20:]) < 1.4 * width_bps


def test_some_loss_holds_it(bitrate: Bitrate):
    assert [bitrate.lost(0.05, float(now)) for now in range(1, 10)] == [None] * 9


def test_an_estimate_that_grows_does_not_undo_what_loss_did(bitrate: Bitrate):
    bitrate.lost(0.3, 1.0)
    assert bitrate.estimated(3_000_000) is None
    assert bitrate.target_bps == 1_050_000


def test_small_changes_are_not_passed_on(bitrate: Bitrate):
    bitrate.estimated(1_000_000)
    assert bitrate.estimated(1_020_000) is None
    assert bitrate.target_bps == 900_000
    assert bitrate.estimated(1_100_000) == 990_000


def test_a_long_silence_is_not_a_long_growth(bitrate: Bitrate):
    bitrate.lost(0.0, 1000.0)
    assert bitrate.target_bps < 1_800_000


Reports = st.lists(st.one_of(st.integers(0, 2**40), st.floats(0, 1)), max_size=40)


@given(Reports)
def test_it_never_leaves_its_bounds(reports: list[int | float]):
    bitrate = Bitrate(BOUNDS, 0.0)
    for second, report in enumerate(reports):
        if isinstance(report, int):
            bitrate.estimated(report)
        else:
            bitrate.lost(report, float(second))
        assert BOUNDS.min_bps <= bitrate.target_bps <= BOUNDS.max_bps
