"""How much a client may ask of the server: one token bucket for each connection."""

from __future__ import annotations


class TokenBucket:
    """Lets bursts pass and holds a steady rate.

    Args:
        burst: tokens it holds when full, as it is at first.
        rate_per_s: tokens that come back in a second.
        now: seconds on any clock that never runs backwards.
    """

    def __init__(self, *, burst: float, rate_per_s: float, now: float) -> None:
        self._burst = burst
        self._rate_per_s = rate_per_s
        self._level = burst
        self._filled_at = now

    def take(self, tokens: float, now: float) -> bool:
        """Takes that many tokens, or none at all when there are too few."""
        refill = (now - self._filled_at) * self._rate_per_s
        self._level = min(self._burst, self._level + refill)
        self._filled_at = now
        if tokens > self._level:
            return False
        self._level -= tokens
        return True
