"""A push button: from the edges of a contact to presses.

A contact bounces when it closes and when it opens, and a long wire picks up spikes: a level counts
once it has been there for `debounce_s`. A visitor who hammers on the button presses once in every
`gap_s`. A contact that stays closed (a jammed button, water, a wire that is pinched) is told once
as stuck and rings no more before it has opened.

Feed `edge` with each change of the contact, and `settle` when `deadline` has come.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import msgspec

_change = msgspec.structs.replace


class Rules(msgspec.Struct, frozen=True):
    """What makes a press, in seconds."""

    debounce_s: float = 0.02
    gap_s: float = 1.0
    """A press this soon after the last one counts for nothing."""
    stuck_s: float = 30.0
    """A button pressed for so long is stuck."""


class Pressed(msgspec.Struct, frozen=True):
    """Somebody pressed the button."""


class Stuck(msgspec.Struct, frozen=True):
    """The button does not come back up."""


class Released(msgspec.Struct, frozen=True):
    """A stuck button came back up."""


Event: TypeAlias = Pressed | Stuck | Released


class Button(msgspec.Struct, frozen=True):
    """All that is known at one moment. A new value takes its place at each change."""

    closed: bool = False
    """The contact as last seen, bouncing or not."""
    since: float = -math.inf
    """When it was last seen to change."""
    down: bool = False
    """The button, with the bouncing taken out."""
    down_since: float = -math.inf
    pressed_at: float = -math.inf
    """When the last press that counted was."""
    stuck: bool = False


Outcome: TypeAlias = tuple[Button, tuple[Event, ...]]


def start(closed: bool, now: float) -> Button:
    """The button as it is found at `now`. One that is down already is no press."""
    return Button(closed=closed, since=now, down=closed, down_since=now)


def edge(button: Button, closed: bool, now: float, rules: Rules) -> Outcome:
    """The contact was seen `closed`, or open, at `now` (seconds on any steady clock)."""
    button, events = settle(button, now, rules)
    if closed != button.closed:
        button = _change(button, closed=closed, since=now)
    button, more = settle(button, now, rules)
    return button, (*events, *more)


def settle(button: Button, now: float, rules: Rules) -> Outcome:
    """What the time that has passed until `now` makes of the contact."""
    if button.closed != button.down:
        if now < button.since + rules.debounce_s:
            return button, ()
        return _goes_down(button, now, rules) if button.closed else _comes_up(button)
    if button.down and not button.stuck and now >= button.down_since + rules.stuck_s:
        return _change(button, stuck=True), (Stuck(),)
    return button, ()


def _goes_down(button: Button, now: float, rules: Rules) -> Outcome:
    button = _change(button, down=True, down_since=now)
    if now < button.pressed_at + rules.gap_s:
        return button, ()
    return _change(button, pressed_at=now), (Pressed(),)


def _comes_up(button: Button) -> Outcome:
    return _change(button, down=False, stuck=False), (Released(),) if button.stuck else ()


def deadline(button: Button, rules: Rules) -> float | None:
    """When `settle` has something to say, if no edge comes before."""
    if button.closed != button.down:
        return button.since + rules.debounce_s
    if button.down and not button.stuck:
        return button.down_since + rules.stuck_s
    return None
