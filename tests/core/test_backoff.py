"""Delays between attempts to reach the server."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from homecall_pi.core.backoff import FIRST_S, LAST_S, delays


def latest(low: float, high: float) -> float:
    return high


def earliest(low: float, high: float) -> float:
    return low


def test_delays_double_up_to_a_bound_and_stay_there():
    assert list(islice(delays(latest), 8)) == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


def test_even_the_earliest_draw_waits_half_the_bound():
    assert list(islice(delays(earliest), 8)) == [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 7.5, 7.5]


def test_a_fresh_sequence_starts_at_the_first_delay():
    list(islice(delays(latest), 5))
    assert next(delays(latest)) == FIRST_S


def test_an_outage_of_days_does_not_end_or_overflow_the_sequence():
    assert next(islice(delays(latest), 100_000, None)) == LAST_S


@given(st.randoms(use_true_random=False))
def test_every_delay_lies_in_the_upper_half_of_its_bound(random):
    for bound, delay in zip(delays(latest), islice(delays(random.uniform), 20), strict=False):
        assert bound / 2 <= delay <= bound
