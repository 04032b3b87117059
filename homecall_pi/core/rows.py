"""The table's rows, apart from those of `reconnecting`: each is one cell, or a few equal cells.

What rows have in common are functions here as well; `reconnecting` builds on them, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from . import sdp
from .actions import (
    AcceptAnswer,
    Action,
    AddCandidate,
    ClosePeer,
    Join,
    Leave,
    OpenPeer,
    ReleaseDoor,
    SendOffer,
    Show,
    Sweep,
)
from .events import (
    Accepted,
    AnswerReceived,
    CandidateReceived,
    Connected,
    DeadlinePassed,
    Event,
    JoinRefused,
    LineDown,
    LineUp,
    MediaLost,
    OfferReady,
    PeerClosed,
    PeerFailed,
    Pressed,
    ReleaseWanted,
    Stop,
)
from .seal import Verdict
from .state import Call, Limits, Reason, State

MAX_OFFERS = 30
"""Connections that one ring may try when pages come and go before anybody answers, and a call that
is lost until it goes on."""
DECIDE_S = 15.0
"""Seconds that a person has to answer, however late in the ring the page was opened."""

Outcome: TypeAlias = tuple[Call, tuple[Action, ...]]
_change = msgspec.structs.replace


def press(call: Call, _: Pressed, now: float, limits: Limits) -> Outcome:
    """A ring begins, and lasts until `ring_s` are over."""
    until = now + limits.ring_s
    call = _change(call, number=call.number + 1, offers=0, refused=False, give_up_at=until)
    return _open(call)


def _open(call: Call) -> Outcome:
    call = _change(
        call,
        state=State.OFFERING,
        peer=call.peer + 1,
        offers=call.offers + 1,
        offer=None,
        preview=False,
        deadline=call.give_up_at,
    )
    return call, (OpenPeer(call.peer, again=call.offers > 1), Show(State.OFFERING))


def press_again(call: Call, _: Pressed, now: float, limits: Limits) -> Outcome:
    """The offer stands already; only the visitor is told again."""
    return call, (Show(call.state),)


def offer_ready(call: Call, event: OfferReady, now: float, limits: Limits) -> Outcome:
    """The room is rung, or will be when there is a line."""
    call = _change(call, state=State.RINGING, offer=event.sdp)
    call, sending = send_offer(call)
    return call, (*sending, Show(State.RINGING))


def send_offer(call: Call) -> Outcome:
    """Joins first, since some servers forget a participant when its older socket closes."""
    if not call.line or call.offer is None:
        return call, ()
    return _change(call, standing=True), (Join(), SendOffer(call.offer))


def answer(call: Call, event: AnswerReceived, now: float, limits: Limits) -> Outcome:
    """A page takes the offer."""
    if not is_answered_by(call, event):
        return call, ()
    if not is_trusted(call, event):
        return _change(call, refused=True), ()
    call, accepting = accept(call, event)
    call = _change(call, state=State.CONNECTING, deadline=now + limits.connect_s)
    return call, (accepting, Show(State.CONNECTING))


def is_answered_by(call: Call, event: AnswerReceived) -> bool:
    """Whether the answer is to the offer in force, which nobody has answered yet."""
    return call.offer is not None and call.standing and sdp.answers(call.offer, event.sdp)


def is_trusted(call: Call, event: AnswerReceived) -> bool:
    """Not less than those before: else a cut would be enough to take over a verified call."""
    if call.verified:
        return event.verdict is Verdict.VERIFIED
    return event.verdict is not Verdict.REFUSED


def accept(call: Call, event: AnswerReceived) -> tuple[Call, Action]:
    """Connects to the page that answered."""
    preview = sdp.has_control(event.sdp)
    call = _change(call, standing=False, preview=preview, verdict=event.verdict)
    return call, AcceptAnswer(call.peer, event.sdp, verified=call.verified)


def release(call: Call, _: ReleaseWanted, now: float, limits: Limits) -> Outcome:
    """Who only answers a ring, without proof, is not to open the door."""
    return call, ((ReleaseDoor(),) if call.verified else ())


def candidate(call: Call, event: CandidateReceived, now: float, limits: Limits) -> Outcome:
    """Goes to the connection that it belongs to."""
    candidate = event.candidate
    if call.offer is None or not candidate.candidate:
        return call, ()
    if candidate.sdpMid is not None and candidate.sdpMid not in sdp.mids(call.offer):
        return call, ()
    return call, (AddCandidate(call.peer, candidate),)


def connected(call: Call, _: Connected, now: float, limits: Limits) -> Outcome:
    """A page of ours previews; at any other, a person has answered by that."""
    if not call.preview:
        return _talk(call, now, limits)
    until = max(call.give_up_at, now + DECIDE_S)
    return _change(call, state=State.RINGING, deadline=until), (Show(State.RINGING),)


def accepted(call: Call, _: Accepted, now: float, limits: Limits) -> Outcome:
    """A person answered."""
    return _talk(call, now, limits)


def _talk(call: Call, now: float, limits: Limits) -> Outcome:
    return talk_on(_change(call, talk_until=now + limits.talk_s))


def talk_on(call: Call) -> Outcome:
    """The conversation begins, or goes on with what is left of its time."""
    return _change(call, state=State.TALKING, deadline=call.talk_until), (Show(State.TALKING),)


def preview_lost(call: Call, event: MediaLost, now: float, limits: Limits) -> Outcome:
    """A preview that falls silent is lost. Before it, there is no media to lose."""
    return lost_early(call, event, now, limits) if call.preview else (call, ())


def lost_early(
    call: Call, _: MediaLost | PeerClosed | PeerFailed | DeadlinePassed, now: float, limits: Limits
) -> Outcome:
    """The page went away before a person answered. The visitor is still there: ring on."""
    if now >= call.give_up_at or call.offers >= MAX_OFFERS:
        return end(call, Reason.NO_ANSWER if call.preview else Reason.FAILED)
    closing = ClosePeer(call.peer, Reason.FAILED)
    sweeping = sweep(call) if call.standing else ()
    call, opening = _open(_change(call, standing=False))
    return call, (closing, *sweeping, *opening)


def sweep(call: Call) -> tuple[Action, ...]:
    """Nothing may stand at the server before another offer is sent; ours sees to that itself."""
    return (Sweep(),) if call.line and not call.replaces_offers else ()


def offering_deadline(call: Call, _: DeadlinePassed, now: float, limits: Limits) -> Outcome:
    """No offer was made in all the time; or nobody answered those that were made before."""
    return end(call, Reason.NO_ANSWER if call.offers > 1 else Reason.FAILED)


def ring_deadline(call: Call, _: DeadlinePassed, now: float, limits: Limits) -> Outcome:
    """Nobody answered, or nobody could be asked."""
    sent = call.offer is None or call.standing or call.preview
    return end(call, Reason.NO_ANSWER if sent else Reason.OFFLINE)


def ends(reason: Reason) -> Callable[[Call, Event, float, Limits], Outcome]:
    """A row that ends the call for `reason`."""

    def row(call: Call, event: Event, now: float, limits: Limits) -> Outcome:
        return end(call, reason)

    return row


def end(call: Call, reason: Reason) -> Outcome:
    """Closes the connection, leaves the room and joins again for the next call.

    A page that comes too late is thus not given an offer that is good for nothing any more.
    """
    closing = ClosePeer(call.peer, reason)
    leaving: tuple[Action, ...] = ()
    if call.line:
        leaving = (Leave(), *(sweep(call) if call.standing else ()), Join())
        call = _change(call, standing=False)
    state = State.IDLE if call.line else State.OFFLINE
    call = _change(
        call, state=state, offer=None, preview=False, verdict=Verdict.KEYLESS, deadline=None
    )
    return call, (closing, *leaving, Show(state, reason))


def stop(call: Call, _: Stop, now: float, limits: Limits) -> Outcome:
    """Leaves as if nothing had been, so that the next run starts clean."""
    closing = () if call.deadline is None else (ClosePeer(call.peer, Reason.STOPPED),)
    leaving = (Leave(),) if call.line else ()
    call = _change(
        call,
        state=State.OFFLINE,
        line=False,
        offer=None,
        standing=False,
        preview=False,
        verdict=Verdict.KEYLESS,
        deadline=None,
    )
    return call, (*closing, *leaving, Show(State.OFFLINE))


def line_up(call: Call, event: LineUp, now: float, limits: Limits) -> Outcome:
    """Between calls: start clean. The server may hold an offer from before, even of another run.

    Ours drops it when the door leaves, which it has to have joined for.
    """
    call = _change(line_is_up(call, event), state=State.IDLE, standing=False)
    clearing = (Join(), Leave()) if call.replaces_offers else (Sweep(),)
    return call, (*clearing, Join(), Show(State.IDLE))


def line_up_in_call(call: Call, event: LineUp, now: float, limits: Limits) -> Outcome:
    """The server may have lost the offer, or hold it still: a ring is offered again.

    Joining comes first, since the server may hold an answer, too.
    """
    call = line_is_up(call, event)
    rings = call.state in {State.OFFERING, State.RINGING} and not call.preview
    if not (rings or call.standing):
        return call, (Join(),)
    sweeping = sweep(call)
    call, sending = send_offer(call)
    return call, (Join(), *sweeping, *sending)


def line_is_up(call: Call, event: LineUp) -> Call:
    """The same call with a line."""
    return _change(call, line=True, refusal="", replaces_offers=event.replaces_offers)


def line_down(call: Call, event: LineDown | JoinRefused, now: float, limits: Limits) -> Outcome:
    """Between calls: nobody can be rung."""
    call, _ = line_down_in_call(call, event, now, limits)
    return _change(call, state=State.OFFLINE), (Show(State.OFFLINE),)


def line_down_in_call(
    call: Call, event: LineDown | JoinRefused, now: float, limits: Limits
) -> Outcome:
    """Media does not need the line."""
    refusal = event.why if isinstance(event, JoinRefused) else ""
    return _change(call, line=False, refusal=refusal), ()
