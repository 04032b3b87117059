"""The bitrate that the network is worth. Time is an argument, so nothing here takes any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecall_pi.core.bitrate import HEADROOM, Bitrate, Bounds

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


def test_much_loss_takes_off_half_of_what_is_lost(bitrate: Bitrate):
    assert bitrate.lost(0.2, 1.0) == 1_350_000


def test_loss_is_answered_once_until_the_answer_can_be_felt(bitrate: Bitrate):
    bitrate.lost(0.2, 1.0)
    assert bitrate.lost(0.2, 1.1) is None
    assert bitrate.lost(0.2, 1.6) == 1_215_000


def test_some_loss_holds_it(bitrate: Bitrate):
    assert [bitrate.lost(0.05, float(now)) for now in range(1, 10)] == [None] * 9


def test_an_estimate_that_grows_does_not_undo_what_loss_did(bitrate: Bitrate):
    for second in range(1, 20):
        bitrate.lost(0.3, float(second))
        bitrate.estimated(3_000_000)
    assert bitrate.target_bps == BOUNDS.min_bps


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
