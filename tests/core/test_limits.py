"""The token bucket: bursts pass, floods do not, and only the time passed in counts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from homecall_pi.core.limits import TokenBucket


def test_a_burst_passes_and_what_is_beyond_does_not():
    bucket = TokenBucket(burst=3, rate_per_s=1, now=0.0)
    assert [bucket.take(1, 0.0) for _ in range(4)] == [True, True, True, False]


def test_tokens_come_back_at_the_rate_and_not_beyond_the_burst():
    bucket = TokenBucket(burst=3, rate_per_s=1, now=0.0)
    assert bucket.take(3, 0.0)
    assert not bucket.take(1, 0.5)
    assert bucket.take(1, 1.0)
    assert bucket.take(3, 100.0)
    assert not bucket.take(1, 100.0)


def test_a_refused_request_costs_nothing():
    bucket = TokenBucket(burst=3, rate_per_s=0, now=0.0)
    assert not bucket.take(4, 0.0)
    assert bucket.take(3, 0.0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 20)), max_size=50))
def test_never_grants_more_than_burst_and_rate(requests: list[tuple[float, float]]):
    bucket, now, granted = TokenBucket(burst=10, rate_per_s=2, now=0.0), 0.0, 0.0
    for pause, tokens in requests:
        now += pause
        granted += tokens if bucket.take(tokens, now) else 0.0
        assert granted <= 10 + 2 * now + 1e-6
