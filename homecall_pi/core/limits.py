"""How much clients may ask of the server: token buckets, and the allowance of each address.

The figures leave a family room that it never fills: behind one NAT address there are a door, a
dozen pages that stay open, and each page fetches some thirty files when it is loaded. What is
beyond them is an attack or a fault.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

MAX_OPEN: Final = 64
"""Connections of one address at a time."""
ARRIVALS_BURST: Final = 500.0
ARRIVALS_PER_S: Final = 10.0
"""New connections and joins of one address, one token each."""
ADDRESS_BURST: Final = 2000.0
ADDRESS_TOKENS_PER_S: Final = 100.0
"""What all connections of one address may send, in the tokens of a connection."""
MAX_ADDRESSES: Final = 4096
"""Addresses that are remembered; those in use always are."""


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


class Allowance:
    """What the connections of one address may do, all together."""

    def __init__(self, now: float) -> None:
        self.open = 0
        self.arrivals = TokenBucket(burst=ARRIVALS_BURST, rate_per_s=ARRIVALS_PER_S, now=now)
        self.tokens = TokenBucket(burst=ADDRESS_BURST, rate_per_s=ADDRESS_TOKENS_PER_S, now=now)

    def enter(self, now: float) -> bool:
        """Counts one more connection, if it may be; `leave` must follow."""
        if self.open >= MAX_OPEN or not self.arrivals.take(1, now):
            return False
        self.open += 1
        return True

    def leave(self) -> None:
        """One connection less."""
        self.open -= 1


class Allowances:
    """The allowances of all addresses, as many as are worth remembering."""

    def __init__(self) -> None:
        self._known: dict[str, Allowance] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, address: str, now: float) -> Allowance:
        """The allowance of an address; to be asked for anew at each connection.

        Raises:
            ValueError: this is no IP address.
        """
        key = household(address)
        allowance = self._known.pop(key, None) or Allowance(now)
        self._known[key] = allowance  # the one asked for last is forgotten last
        if len(self._known) > MAX_ADDRESSES:
            del self._known[next(key for key, known in self._known.items() if not known.open)]
        return allowance


def household(address: str) -> str:
    """What stands for one customer of a provider: an IPv4 address, or an IPv6 network of 64 bits.

    Within such a network a host takes as many addresses as it likes (RFC 4862, RFC 8981).

    Raises:
        ValueError: this is no IP address.
    """
    ip: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(ip, IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(IPv6Network((int(ip), 64), strict=False))
