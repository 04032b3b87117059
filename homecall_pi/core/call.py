"""One call, as a table: (state, event) -> (state, actions, deadline).

    OFFLINE ---- line up ----> IDLE ---- press ----> OFFERING -- offer ready --> RINGING
       ^                        |  ^                     ^                        |   ^
       +------ line down -------+  |                     | the page went away,    |   | connected,
                                   |                     | it may come back       |   | a preview
                                   |                     +---------- CONNECTING <-+---+
                                   |                                     | connected, answered
                                   +---- the end, for some reason ---- TALKING <--> RECONNECTING
                                                                          media lost, and back

RINGING lasts until a *person* answers. A page of ours sends its SDP answer at once and previews:
the door is seen and heard there while it still rings, and the person's answer is told over the
control channel. A page that knows only the protocol has no such channel: for it, connected means
answered.

A press is worth keeping: without a line it waits for one, as long as the ring would last. A line
lost later does not end a call, since media is peer to peer. A server that is reached, but refuses
the door's room, is as good as none until it lets the door in. Media that falls silent does not end
a call either: either it comes back by itself, or, as soon as the line is known to be good, a
connection of its own is offered to the page, which takes up the call with it.

Of the server, the table knows whether a newer offer replaces the older one there (ours), or both
are queued and break the page that finally gets them (others). There, whatever may still stand is
swept out of the queue before another offer is sent.

The table is below. What it is asked with stands in `events`, what it answers in `actions`, all that
it knows of a call in `state`; what each of its cells does, in `rows` and `reconnecting`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from . import reconnecting, rows
from .events import (
    Accepted,
    AnswerReceived,
    CandidateReceived,
    Connected,
    DeadlinePassed,
    Declined,
    Event,
    HangUp,
    HungUp,
    JoinRefused,
    LineDown,
    LineProven,
    LineUp,
    MediaBack,
    MediaLost,
    OfferReady,
    PeerClosed,
    PeerFailed,
    Pressed,
    ReleaseWanted,
    Stop,
)
from .rows import Outcome
from .state import Call, Limits, Reason, State

Row: TypeAlias = Callable[[Call, Event, float, Limits], Outcome]
_E = TypeVar("_E")


def _on(
    event: type[_E], **cells: Callable[[Call, _E, float, Limits], Outcome]
) -> dict[tuple[State, type], Row]:
    """The rows of one event; states are written in lower case, and those left out ignore it."""
    return {(State[name.upper()], event): row for name, row in cells.items()}  # type: ignore[misc]


_hung_up, _gone, _failed = (
    rows.ends(reason) for reason in (Reason.HUNG_UP, Reason.PAGE_GONE, Reason.FAILED)
)
_declined, _too_long = rows.ends(Reason.DECLINED), rows.ends(Reason.TOO_LONG)

# fmt: off
TABLE: dict[tuple[State, type], Row] = {
    **_on(Pressed, offline=rows.press, idle=rows.press, offering=rows.press_again,
          ringing=rows.press_again, connecting=rows.press_again, talking=rows.press_again,
          reconnecting=rows.press_again),
    **_on(OfferReady, offering=rows.offer_ready, reconnecting=reconnecting.offer_ready),
    **_on(AnswerReceived, ringing=rows.answer, reconnecting=reconnecting.answer),
    **_on(CandidateReceived, ringing=rows.candidate, connecting=rows.candidate,
          talking=rows.candidate, reconnecting=rows.candidate),
    **_on(Connected, connecting=rows.connected, reconnecting=reconnecting.connected),
    **_on(Accepted, ringing=rows.accepted, connecting=rows.accepted,
          reconnecting=reconnecting.accepted),
    **_on(Declined, ringing=_declined, connecting=_declined, talking=_hung_up,
          reconnecting=_hung_up),
    **_on(HungUp, ringing=_declined, connecting=_declined, talking=_hung_up, reconnecting=_hung_up),
    **_on(ReleaseWanted, ringing=rows.release, connecting=rows.release, talking=rows.release,
          reconnecting=rows.release),
    **_on(MediaLost, ringing=rows.preview_lost, talking=reconnecting.media_lost,
          reconnecting=reconnecting.lost),
    **_on(MediaBack, reconnecting=reconnecting.media_back),
    **_on(LineProven, reconnecting=reconnecting.line_proven),
    **_on(PeerClosed, offering=_failed, ringing=rows.lost_early, connecting=rows.lost_early,
          talking=_gone, reconnecting=reconnecting.lost),
    **_on(PeerFailed, offering=_failed, ringing=rows.lost_early, connecting=rows.lost_early,
          talking=reconnecting.media_lost, reconnecting=reconnecting.lost),
    **_on(DeadlinePassed, offering=rows.offering_deadline, ringing=rows.ring_deadline,
          connecting=rows.lost_early, talking=_too_long, reconnecting=reconnecting.deadline),
    **_on(HangUp, offering=_hung_up, ringing=_hung_up, connecting=_hung_up, talking=_hung_up,
          reconnecting=_hung_up),
    **_on(LineUp, offline=rows.line_up, idle=rows.line_up, offering=rows.line_up_in_call,
          ringing=rows.line_up_in_call, connecting=rows.line_up_in_call,
          talking=rows.line_up_in_call, reconnecting=reconnecting.line_up),
    **_on(LineDown, offline=rows.line_down, idle=rows.line_down, offering=rows.line_down_in_call,
          ringing=rows.line_down_in_call, connecting=rows.line_down_in_call,
          talking=rows.line_down_in_call, reconnecting=rows.line_down_in_call),
    **_on(JoinRefused, offline=rows.line_down_in_call, idle=rows.line_down,
          offering=rows.line_down_in_call, ringing=rows.line_down_in_call,
          connecting=rows.line_down_in_call, talking=rows.line_down_in_call,
          reconnecting=rows.line_down_in_call),
    **_on(Stop, offline=rows.stop, idle=rows.stop, offering=rows.stop, ringing=rows.stop,
          connecting=rows.stop, talking=rows.stop, reconnecting=rows.stop),
}
# fmt: on


def step(call: Call, event: Event, now: float, limits: Limits) -> Outcome:
    """One event at `now` (seconds on any steady clock): the next value and what to do.

    `Call.deadline` says when to come back with `DeadlinePassed`.
    """
    if getattr(event, "peer", call.peer) != call.peer:
        return call, ()
    row = TABLE.get((call.state, type(event)))
    return (call, ()) if row is None else row(call, event, now, limits)
