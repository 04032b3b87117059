"""What the panel's light tells the visitor, as a rhythm for each state of the call.

Ready is steady, so that the button is found in the dark; the further a call gets, the calmer the
light. Trouble is three flashes, told for a while before the light goes on with the state.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TypeAlias

from .actions import Show
from .state import Reason, State

Blink: TypeAlias = tuple[float, float]
"""Seconds on and then seconds off."""
Rhythm: TypeAlias = tuple[Blink, ...]
"""Blinks that are repeated for ever."""

OFFLINE: Rhythm = ((0.1, 1.9),)
READY: Rhythm = ((math.inf, 0.0),)
RINGING: Rhythm = ((0.25, 0.25),)
CONNECTING: Rhythm = ((0.1, 0.1),)
TALKING: Rhythm = ((1.8, 0.2),)
ERROR: Rhythm = ((0.1, 0.1), (0.1, 0.1), (0.1, 0.6))
ERROR_TIMES = 3
"""How often trouble is told."""

RHYTHMS: dict[State, Rhythm] = {
    State.OFFLINE: OFFLINE,
    State.IDLE: READY,
    State.OFFERING: RINGING,
    State.RINGING: RINGING,
    State.CONNECTING: CONNECTING,
    State.TALKING: TALKING,
    State.RECONNECTING: CONNECTING,
}
TROUBLES = frozenset({Reason.FAILED, Reason.OFFLINE})
"""Ends of a call that are nobody's decision."""


def changes(show: Show) -> Iterator[tuple[bool, float]]:
    """What the light does for `show`: on or off, and for how many seconds, without end."""
    first = ERROR * ERROR_TIMES if show.reason in TROUBLES else ()
    for on_s, off_s in itertools.chain(first, itertools.cycle(RHYTHMS[show.state])):
        yield True, on_s
        if off_s:
            yield False, off_s
