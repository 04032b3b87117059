"""What the soak makes of its looks."""

from __future__ import annotations

from tests.bench.plan import WARM_CALLS
from tests.bench.trend import STEADY_CALLS, Trend


def trend(kb_per_call: float, **end: int) -> Trend:
    """Of a program whose memory rises so fast after it has warmed up, by much more."""
    trend = Trend({"threads": 2, "rss": 40_000_000})
    for calls in range(WARM_CALLS, 300, 5):
        steady = max(0, calls - STEADY_CALLS)
        rss = 60_000_000 - 1_000_000 * max(0, STEADY_CALLS - calls) + 1000 * kb_per_call * steady
        trend.add(calls, {"threads": 2, "rss": round(rss), **end})
    return trend


def test_memory_may_rise_while_a_program_warms_up_and_hardly_after():
    assert trend(9.0).troubles == []
    assert trend(11.0).troubles == ["memory rises by 11.0 kB per call"]
    assert trend(-5.0).troubles == []


def test_whatever_is_more_in_the_end_is_a_trouble():
    assert trend(0.0, threads=3).troubles == ["more threads than at the start"]
    assert trend(0.0, threads=1).troubles == []
