"""Delays between attempts to reach the server."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from homecall_pi.core.backoff import FIRST_S, LAST_S, LEAST_S, delays, rejoins, rest
from homecall_pi.signaling.client import CHECK_S, PING_S
from homecall_pi.signaling.dial import OPEN_S

BACK_S = 5.0
"""Seconds in which the line has to be back once it can be had, though nobody tells."""
HANDSHAKE_S = 0.5
"""Of these, for the attempt that succeeds."""


def latest(low: float, high: float) -> float:
    return high


def earliest(low: float, high: float) -> float:
    return low


def test_delays_double_up_to_a_bound_and_stay_there():
    assert list(islice(delays(latest), 6)) == [1.0, 2.0, 3.0, 3.0, 3.0, 3.0]


def test_doors_that_lose_one_server_together_come_back_one_by_one():
    assert list(islice(delays(earliest), 6)) == [0.25, 0.5, 0.75, 0.75, 0.75, 0.75]
    doors = sorted(
        next(islice(delays(random.Random(seed).uniform), 5, None))  # noqa: S311
        for seed in range(1000)
    )
    most = max(sum(at <= door < at + 0.1 for door in doors) for at in doors)
    assert most < 100  # in any tenth of a second; 44 if they were spread evenly


def test_a_fresh_sequence_starts_at_the_first_delay():
    list(islice(delays(latest), 5))
    assert next(delays(latest)) == FIRST_S


def test_an_outage_of_days_does_not_end_or_overflow_the_sequence():
    assert next(islice(delays(latest), 100_000, None)) == LAST_S


def test_a_door_that_is_refused_joins_less_and_less_often_and_never_stops():
    assert list(islice(rejoins(latest), 6)) == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert next(islice(rejoins(earliest), 100_000, None)) == 7.5


def test_an_attempt_counts_as_part_of_the_delay_but_for_a_rest():
    assert rest(3.0, took_s=0.0) == 3.0
    assert rest(3.0, took_s=2.0) == 1.0
    assert rest(3.0, took_s=3.0) == rest(0.0, took_s=0.0) == LEAST_S > 0


@pytest.mark.parametrize("took_s", [0.0, 1.0, LAST_S, OPEN_S])
def test_the_line_is_back_in_time_whenever_the_network_is(took_s: float):
    """At worst it returns just after an attempt has begun that is lost already."""
    lost = took_s + rest(LAST_S, took_s)
    assert lost + HANDSHAKE_S <= BACK_S


def test_a_line_that_is_dead_without_a_word_is_replaced_in_time():
    assert PING_S + CHECK_S + HANDSHAKE_S <= BACK_S
