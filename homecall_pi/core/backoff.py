"""How long to wait before the next attempt to reach the signaling server.

A doorbell has to be back soon after its network is, and nothing may tell it when that is. So the
wait never grows beyond seconds, and what keeps many doors from hammering one server is this:

- A door makes one attempt at a time, and gives it up after a while (`OPEN_S` of the line).
- From the beginning of one to that of the next there are LAST_S at most, three quarters of that at
  random: doors that lost the same server at the same instant come back one by one. In the long
  run each makes an attempt every two seconds, which is a few packets.
- After an attempt that took longer, as with a server that is silent, there is LEAST_S of rest.
- Only what happened to this door alone, a network that changed or a line that fell silent, is
  answered at once.

A server that is reached and does not let the door into its room waits for a person, who takes
longer than that: joins grow apart to half a minute.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

FIRST_S = 1.0
LAST_S = 3.0
LEAST_S = 0.25
REFUSED_FIRST_S = 2.0
REFUSED_LAST_S = 30.0


def delays(uniform: Callable[[float, float], float]) -> Iterator[float]:
    """Endless delays in seconds, from the beginning of one attempt to that of the next.

    The bound doubles from FIRST_S to LAST_S, and each delay is drawn from its upper three quarters
    by `uniform(low, high)`. Start anew after a line that held.
    """
    return _doubling(FIRST_S, LAST_S, uniform)


def rejoins(uniform: Callable[[float, float], float]) -> Iterator[float]:
    """The same from a join that was refused to the next, from REFUSED_FIRST_S to REFUSED_LAST_S."""
    return _doubling(REFUSED_FIRST_S, REFUSED_LAST_S, uniform)


def _doubling(
    first_s: float, last_s: float, uniform: Callable[[float, float], float]
) -> Iterator[float]:
    for attempt in itertools.count():
        bound = min(last_s, first_s * 2 ** min(attempt, 16))
        yield uniform(bound / 4, bound)


def rest(delay_s: float, took_s: float) -> float:
    """What is left of a delay after an attempt that took so long."""
    return max(LEAST_S, delay_s - took_s)
