"""The share of lost packets. Time is an argument, so nothing here takes any."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homecall_pi.core.loss import LEAST_PACKETS, Loss


def shares(*reports: tuple[int, int, float]) -> list[float | None]:
    loss = Loss()
    return [loss.reported(*report) for report in reports]


def test_the_share_is_that_of_the_packets_since_the_last_one():
    assert shares((7, 1000, 0.0), (27, 1100, 1.0), (27, 1300, 2.0)) == [None, 0.2, 0.0]


def test_a_few_packets_mean_nothing():
    """Nine in ten of ten, and the rest without any."""
    assert shares((0, 0, 0.0), (9, 10, 0.6), (9, 50, 1.2), (9, 100, 1.8)) == [
        None,
        None,
        None,
        0.09,
    ]


def test_a_moment_means_nothing():
    """A burst that was cut off is over after a tenth of a second."""
    assert shares((0, 0, 0.0), (90, 100, 0.1), (90, 900, 0.6)) == [None, None, 0.1]


def test_sequence_numbers_begin_anew_after_the_last():
    start = 2**32 - 50
    assert shares((5, start, 0.0), (15, 50, 1.0)) == [None, 0.1]


def test_a_report_that_was_overtaken_is_passed_over():
    assert shares((0, 500, 0.0), (0, 400, 1.0), (20, 700, 2.0)) == [None, None, 0.1]


def test_a_retransmission_that_counts_as_received_makes_no_negative_share():
    assert shares((10, 0, 0.0), (0, LEAST_PACKETS, 1.0)) == [None, 0.0]


Reports = st.lists(st.tuples(st.integers(-(2**23), 2**23), st.integers(0, 2**32 - 1)), max_size=20)


@given(Reports)
def test_whatever_is_reported_a_share_is_a_share(reports: list[tuple[int, int]]):
    found = shares(*((*report, float(now)) for now, report in enumerate(reports)))
    assert all(share is None or 0 <= share <= 1 for share in found)
