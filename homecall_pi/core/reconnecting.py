"""The table's rows of a call whose media fell silent, from there until it talks on or is given up.

As soon as the line is known to be good, the page is offered another connection in the same call;
`Call.offers` counts those, so that none means that the silent one may still come back.
"""

from __future__ import annotations

import msgspec

from .actions import CheckLine, ClosePeer, Join, OpenPeer, Show
from .events import (
    Accepted,
    AnswerReceived,
    Connected,
    DeadlinePassed,
    LineProven,
    LineUp,
    MediaBack,
    MediaLost,
    OfferReady,
    PeerClosed,
    PeerFailed,
)
from .rows import (
    MAX_OFFERS,
    Outcome,
    accept,
    end,
    is_answered_by,
    is_trusted,
    line_is_up,
    line_up_in_call,
    send_offer,
    sweep,
    talk_on,
)
from .state import Call, Limits, Reason, State

RESUME_S = 60.0
"""Seconds that a call waits for its media to come back."""
REPEAT_S = 5.0
"""Seconds after which an offer in a call is sent again: the page's line may have been dead."""

_change = msgspec.structs.replace


def media_lost(call: Call, _: MediaLost | PeerFailed, now: float, limits: Limits) -> Outcome:
    """It may come back by itself. A new connection needs the line, which may be dead as well."""
    until = min(call.talk_until, now + RESUME_S)
    call = _change(call, state=State.RECONNECTING, offers=0, give_up_at=until, deadline=until)
    return call, (CheckLine(), Show(State.RECONNECTING))


def media_back(call: Call, _: MediaBack, now: float, limits: Limits) -> Outcome:
    """The silent connection is heard again, unless another has taken its place."""
    return (call, ()) if call.offers else talk_on(call)


def line_proven(call: Call, _: LineProven, now: float, limits: Limits) -> Outcome:
    """The server answers: it is time to offer the page another connection."""
    return (call, ()) if call.offers else _reopen(call)


def line_up(call: Call, event: LineUp, now: float, limits: Limits) -> Outcome:
    """The same, over a line that was made anew."""
    if call.offers:
        return line_up_in_call(call, event, now, limits)
    call, reopening = _reopen(line_is_up(call, event))
    return call, (Join(), *reopening)


def _reopen(call: Call) -> Outcome:
    """Offers the page another connection in the same call."""
    sweeping = sweep(call) if call.standing else ()
    call = _change(
        call,
        peer=call.peer + 1,
        offers=call.offers + 1,
        offer=None,
        standing=False,
        preview=False,
        deadline=call.give_up_at,
    )
    return call, (ClosePeer(call.peer - 1, None), *sweeping, OpenPeer(call.peer, again=True))


def offer_ready(call: Call, event: OfferReady, now: float, limits: Limits) -> Outcome:
    """The page is offered the connection, for some seconds at first."""
    if not call.line:
        return _wait_for_line(call)
    call, sending = send_offer(_change(call, offer=event.sdp))
    return _change(call, deadline=min(call.give_up_at, now + REPEAT_S)), sending


def _wait_for_line(call: Call) -> Outcome:
    """The line that comes up, or proves good, makes another connection."""
    return _change(call, offers=0, deadline=call.give_up_at), ()


def answer(call: Call, event: AnswerReceived, now: float, limits: Limits) -> Outcome:
    """A page takes the connection."""
    if not is_answered_by(call, event):
        return call, ()
    if not is_trusted(call, event):
        return _change(call, refused=True), ()
    call, accepting = accept(call, event)
    return _change(call, deadline=min(call.give_up_at, now + limits.connect_s)), (accepting,)


def connected(call: Call, _: Connected, now: float, limits: Limits) -> Outcome:
    """A page of ours says by itself that it talks on; another one may have taken the offer."""
    if call.preview:
        return _change(call, deadline=call.give_up_at), ()
    return talk_on(call)


def accepted(call: Call, _: Accepted, now: float, limits: Limits) -> Outcome:
    """A page of ours talks on."""
    return talk_on(call)


def lost(call: Call, _: MediaLost | PeerClosed | PeerFailed, now: float, limits: Limits) -> Outcome:
    """Of the connection from before the silence there is nothing more to lose."""
    if not call.offers:
        return call, ()
    if call.offers >= MAX_OFFERS:
        return end(call, Reason.FAILED)
    return _reopen(call) if call.line else _wait_for_line(call)


def deadline(call: Call, event: DeadlinePassed, now: float, limits: Limits) -> Outcome:
    """Whichever has come: the end of the conversation, of waiting, or of one attempt."""
    if now >= call.talk_until:
        return end(call, Reason.TOO_LONG)
    if now >= call.give_up_at:
        return end(call, Reason.PAGE_GONE)
    if not call.standing:
        return lost(call, PeerFailed(call.peer), now, limits)
    call = _change(call, deadline=min(call.give_up_at, now + REPEAT_S))
    return send_offer(call) if call.replaces_offers else (call, ())
