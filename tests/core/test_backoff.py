"""Delays between attempts to reach the server."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from homecall_pi.core.backoff import FIRST_S, LAST_S, delays


def latest(low: float, high: float) -> float:
    return high


def earliest(low: float, high: float) -> float:
    return low


def test_delays_double_up_to_a_bound_and_stay_there():
    assert list(islice(delays(latest), 8)) == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0]


def test_even_the_earliest_draw_waits_half_the_bound():
    assert list(islice(delays(earliest), 8)) == [0.125, 0.25, 0.5, 1.0, 1.5, 1.5, 1.5, 1.5]


def test_a_fresh_sequence_starts_at_the_first_delay():
    list(islice(delays(latest), 5))
    assert next(delays(latest)) == FIRST_S


def test_an_outage_of_days_does_not_end_or_overflow_the_sequence():
    assert next(islice(delays(latest), 100_000, None)) == LAST_S


@pytest.mark.parametrize("seed", range(5))
def test_every_delay_lies_in_the_upper_half_of_its_bound(seed: int):
    drawn = delays(random.Random(seed).uniform)  # noqa: S311
    for bound, delay in islice(zip(delays(latest), drawn, strict=False), 20):
        assert bound / 2 <= delay <= bound
