"""Limits: bursts pass, floods do not, and only the time passed in counts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecall_pi.core import limits
from homecall_pi.core.limits import (
    ARRIVALS_BURST,
    MAX_OPEN,
    Allowance,
    Allowances,
    TokenBucket,
    household,
)


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


class TestHousehold:
    """Who counts as one."""

    @pytest.mark.parametrize(
        ("address", "other", "same"),
        [
            ("192.0.2.1", "192.0.2.1", True),
            ("192.0.2.1", "192.0.2.2", False),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
            ("::ffff:192.0.2.1", "192.0.2.1", True),
            ("fe80::1%eth0", "fe80::2%eth0", True),
            ("::1", "127.0.0.1", False),
        ],
    )
    def test_pairs(self, address: str, other: str, same: bool):
        assert (household(address) == household(other)) == same

    @pytest.mark.parametrize("address", ["", "unknown", "192.0.2.1:80", "[::1]", "1.2.3", "é"])
    def test_what_is_no_address(self, address: str):
        with pytest.raises(ValueError, match="address"):
            household(address)


class TestAllowances:
    """What all connections of an address may do together."""

    def test_so_many_connections_at_a_time(self):
        allowance = Allowance(0.0)
        assert all(allowance.enter(0.0) for _ in range(MAX_OPEN))
        assert not allowance.enter(0.0)
        allowance.leave()
        assert allowance.enter(0.0)

    def test_so_many_arrivals_in_a_time(self):
        allowance = Allowance(0.0)
        arrived = 0
        while allowance.enter(0.0):
            allowance.leave()
            arrived += 1
        assert arrived == ARRIVALS_BURST
        assert allowance.open == 0
        assert allowance.enter(1.0)

    def test_an_address_keeps_its_own_while_it_is_in_use(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(limits, "MAX_ADDRESSES", 3)
        allowances = Allowances()
        used = allowances.of("192.0.2.1", 0.0)
        used.enter(0.0)
        for last in range(50):
            allowances.of(f"2001:db8:{last:x}::1", 0.0)
        assert len(allowances) == 3
        assert allowances.of("192.0.2.1", 0.0) is used

    def test_the_one_forgotten_is_the_longest_unasked(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(limits, "MAX_ADDRESSES", 2)
        allowances = Allowances()
        first, second = (allowances.of(f"192.0.2.{last}", 0.0) for last in (1, 2))
        assert allowances.of("192.0.2.1", 0.0) is first
        allowances.of("192.0.2.3", 0.0)
        assert allowances.of("192.0.2.1", 0.0) is first
        assert allowances.of("192.0.2.2", 0.0) is not second
