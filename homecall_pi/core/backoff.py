"""How long to wait before the next attempt to reach the signaling server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

FIRST_S = 0.25
LAST_S = 3.0
"""A doorbell has to be back soon after its network is, and one attempt is a few packets."""


def delays(uniform: Callable[[float, float], float]) -> Iterator[float]:
    """Endless delays in seconds: the bound doubles from FIRST_S to LAST_S, with "equal jitter".

    Each delay lies in the upper half of its bound, drawn by `uniform(low, high)`, so that devices
    that lost the same server do not come back at the same instant, and none comes back at once.
    Start anew after a connection that held.
    """
    for attempt in itertools.count():
        bound = min(LAST_S, FIRST_S * 2 ** min(attempt, 16))
        yield uniform(bound / 2, bound)
