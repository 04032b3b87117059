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
lost later does not end a call, since media is peer to peer. Media that falls silent does not end it
either: either it comes back by itself, or, as soon as the line is known to be good, a connection of
its own is offered to the page, which takes up the call with it.

Of the server, the table knows whether a newer offer replaces the older one there (ours), or both
are queued and break the page that finally gets them (others). There, whatever may still stand is
swept out of the queue before another offer is sent.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TypeAlias, TypeVar

import msgspec

from . import sdp
from .messages import IceCandidate
from .seal import Verdict

MAX_OFFERS = 5
"""Connections that one ring may try when pages come and go before anybody answers."""
DECIDE_S = 15.0
"""Seconds that a person has to answer, however late in the ring the page was opened."""

RESUME_S = 60.0
"""Seconds that a call waits for its media to come back."""
REPEAT_S = 5.0
"""Seconds after which an offer in a call is sent again: the page's line may have been dead."""


class State(enum.Enum):
    """Where the call is."""

    OFFLINE = "offline"
    IDLE = "idle"
    OFFERING = "offering"
    RINGING = "ringing"
    CONNECTING = "connecting"
    TALKING = "talking"
    RECONNECTING = "reconnecting"


class Reason(enum.Enum):
    """Why a call ended."""

    HUNG_UP = "hung-up"
    DECLINED = "declined"
    NO_ANSWER = "no-answer"
    OFFLINE = "offline"
    PAGE_GONE = "page-gone"
    TOO_LONG = "too-long"
    FAILED = "failed"
    STOPPED = "stopped"


class Limits(msgspec.Struct, frozen=True):
    """The deadlines of a call, in seconds."""

    ring_s: float = 45.0
    connect_s: float = 15.0
    talk_s: float = 600.0


# --- Events: what happened. Those with a `peer` belong to that connection; strangers are dropped.


class Pressed(msgspec.Struct, frozen=True):
    """The visitor pressed the button."""


class HangUp(msgspec.Struct, frozen=True):
    """Somebody at the door ends the call."""


class Stop(msgspec.Struct, frozen=True):
    """The daemon is about to end."""


class LineUp(msgspec.Struct, frozen=True):
    """The signaling server is reached."""

    replaces_offers: bool = False
    """Whether it promises that a newer offer replaces the one that it holds."""


class LineDown(msgspec.Struct, frozen=True):
    """The signaling server is lost."""


class AnswerReceived(msgspec.Struct, frozen=True):
    """An SDP answer arrived, to whatever offer."""

    sdp: str
    sender: str = ""
    """The name that the page gave."""
    verdict: Verdict = Verdict.KEYLESS


class CandidateReceived(msgspec.Struct, frozen=True):
    """An ICE candidate arrived, for whatever connection."""

    candidate: IceCandidate


class OfferReady(msgspec.Struct, frozen=True):
    """The connection can be offered."""

    peer: int
    sdp: str


class Connected(msgspec.Struct, frozen=True):
    """Media flows."""

    peer: int


class Accepted(msgspec.Struct, frozen=True):
    """A person answered, and the page said so."""

    peer: int


class Declined(msgspec.Struct, frozen=True):
    """A person declined."""

    peer: int


class HungUp(msgspec.Struct, frozen=True):
    """The page ended the call, and said so."""

    peer: int


class ReleaseWanted(msgspec.Struct, frozen=True):
    """A person at the page wants to let the visitor in."""

    peer: int


class MediaLost(msgspec.Struct, frozen=True):
    """Nothing is heard of the other side any more."""

    peer: int


class MediaBack(msgspec.Struct, frozen=True):
    """The other side is heard again."""

    peer: int


class LineProven(msgspec.Struct, frozen=True):
    """The signaling server has just answered."""


class PeerClosed(msgspec.Struct, frozen=True):
    """The other side closed the connection or vanished."""

    peer: int


class PeerFailed(msgspec.Struct, frozen=True):
    """The connection could not be made, or broke."""

    peer: int


class DeadlinePassed(msgspec.Struct, frozen=True):
    """`Call.deadline` has come."""


Event: TypeAlias = (
    Pressed
    | HangUp
    | Stop
    | LineUp
    | LineDown
    | AnswerReceived
    | CandidateReceived
    | OfferReady
    | Connected
    | Accepted
    | Declined
    | HungUp
    | ReleaseWanted
    | MediaLost
    | MediaBack
    | LineProven
    | PeerClosed
    | PeerFailed
    | DeadlinePassed
)


# --- Actions: what to do. All return at once; what comes of them comes back as events.


class Join(msgspec.Struct, frozen=True):
    """Register in the room. It is idempotent."""


class Leave(msgspec.Struct, frozen=True):
    """Free the slot in the room, and whatever the server holds of ours."""


class Sweep(msgspec.Struct, frozen=True):
    """Empty the server's queue of what was sent there for the other participant."""


class CheckLine(msgspec.Struct, frozen=True):
    """Find out whether the server still answers, and drop the line if it does not."""


class OpenPeer(msgspec.Struct, frozen=True):
    """Make a connection ready to be offered, and switch the camera and microphone on."""

    peer: int
    again: bool = False
    """The page has, or had, an earlier connection of the same call."""


class SendOffer(msgspec.Struct, frozen=True):
    """Send the offer to the room."""

    sdp: str


class AcceptAnswer(msgspec.Struct, frozen=True):
    """Connect."""

    peer: int
    sdp: str
    verified: bool = False
    """Whether the page may know of more than the call, and do it."""


class AddCandidate(msgspec.Struct, frozen=True):
    """Try one more address of the other side."""

    peer: int
    candidate: IceCandidate


class ClosePeer(msgspec.Struct, frozen=True):
    """End the connection, telling the page why; camera and microphone go off.

    Without a reason it is lost, and another follows at once: nothing is told, the parts stay on.
    """

    peer: int
    reason: Reason | None


class ReleaseDoor(msgspec.Struct, frozen=True):
    """Let the visitor in."""


class Show(msgspec.Struct, frozen=True):
    """Let the visitor know."""

    state: State
    reason: Reason | None = None
    """Why the call ended, when it just did."""


Action: TypeAlias = (
    Join
    | Leave
    | Sweep
    | CheckLine
    | OpenPeer
    | SendOffer
    | AcceptAnswer
    | AddCandidate
    | ClosePeer
    | ReleaseDoor
    | Show
)


class Call(msgspec.Struct, frozen=True):
    """All that is known at one moment. A new value takes its place at each event."""

    state: State = State.OFFLINE
    line: bool = False
    replaces_offers: bool = False
    number: int = 0
    """Counts the calls; of the present or the last one."""
    peer: int = 0
    """Counts the connections; of the present or the last one."""
    offers: int = 0
    """Connections that the present call has tried."""
    offer: str | None = None
    """The offer in force."""
    standing: bool = False
    """Whether an offer was sent that nobody has answered, so that the server may hold it."""
    preview: bool = False
    """Whether the page in force tells over the control channel when a person answers."""
    verdict: Verdict = Verdict.KEYLESS
    """On the latest answer that was accepted in the present call."""
    refused: bool = False
    """Whether an answer to an offer of the present call was refused."""
    give_up_at: float = 0.0
    """When ringing, or reconnecting, has lasted long enough."""
    talk_until: float = 0.0
    deadline: float | None = None

    @property
    def verified(self) -> bool:
        """Whether the call is with somebody who has proven to have the link's key.

        Once it is, it stays so until its end: nobody else may take it up.
        """
        return self.verdict is Verdict.VERIFIED


Outcome: TypeAlias = tuple[Call, tuple[Action, ...]]
_change = msgspec.structs.replace


# --- Rows. Each is one cell, or a few equal cells, of the table at the end.


def _press(call: Call, _: Pressed, now: float, limits: Limits) -> Outcome:
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


def _press_again(call: Call, _: Pressed, now: float, limits: Limits) -> Outcome:
    """The offer stands already; only the visitor is told again."""
    return call, (Show(call.state),)


def _offer_ready(call: Call, event: OfferReady, now: float, limits: Limits) -> Outcome:
    call = _change(call, state=State.RINGING, offer=event.sdp)
    call, sending = _send_offer(call)
    return call, (*sending, Show(State.RINGING))


def _send_offer(call: Call) -> Outcome:
    """Joins first, since some servers forget a participant when its older socket closes."""
    if not call.line or call.offer is None:
        return call, ()
    return _change(call, standing=True), (Join(), SendOffer(call.offer))


def _answer(call: Call, event: AnswerReceived, now: float, limits: Limits) -> Outcome:
    if not _is_answered_by(call, event):
        return call, ()
    if not _is_trusted(call, event):
        return _change(call, refused=True), ()
    call, accepting = _accept(call, event)
    call = _change(call, state=State.CONNECTING, deadline=now + limits.connect_s)
    return call, (accepting, Show(State.CONNECTING))


def _is_answered_by(call: Call, event: AnswerReceived) -> bool:
    return call.offer is not None and call.standing and sdp.answers(call.offer, event.sdp)


def _is_trusted(call: Call, event: AnswerReceived) -> bool:
    """Not less than those before: else a cut would be enough to take over a verified call."""
    if call.verified:
        return event.verdict is Verdict.VERIFIED
    return event.verdict is not Verdict.REFUSED


def _accept(call: Call, event: AnswerReceived) -> tuple[Call, Action]:
    preview = sdp.has_control(event.sdp)
    call = _change(call, standing=False, preview=preview, verdict=event.verdict)
    return call, AcceptAnswer(call.peer, event.sdp, verified=call.verified)


def _release(call: Call, _: ReleaseWanted, now: float, limits: Limits) -> Outcome:
    """Who only answers a ring, without proof, is not to open the door."""
    return call, ((ReleaseDoor(),) if call.verified else ())


def _candidate(call: Call, event: CandidateReceived, now: float, limits: Limits) -> Outcome:
    candidate = event.candidate
    if call.offer is None or not candidate.candidate:
        return call, ()
    if candidate.sdpMid is not None and candidate.sdpMid not in sdp.mids(call.offer):
        return call, ()
    return call, (AddCandidate(call.peer, candidate),)


def _connected(call: Call, _: Connected, now: float, limits: Limits) -> Outcome:
    if not call.preview:
        return _talk(call, now, limits)
    until = max(call.give_up_at, now + DECIDE_S)
    return _change(call, state=State.RINGING, deadline=until), (Show(State.RINGING),)


def _accepted(call: Call, _: Accepted, now: float, limits: Limits) -> Outcome:
    return _talk(call, now, limits)


def _talk(call: Call, now: float, limits: Limits) -> Outcome:
    return _talk_on(_change(call, talk_until=now + limits.talk_s))


def _talk_on(call: Call) -> Outcome:
    return _change(call, state=State.TALKING, deadline=call.talk_until), (Show(State.TALKING),)


def _media_lost(call: Call, _: MediaLost | PeerFailed, now: float, limits: Limits) -> Outcome:
    """It may come back by itself. A new connection needs the line, which may be dead as well."""
    until = min(call.talk_until, now + RESUME_S)
    call = _change(call, state=State.RECONNECTING, offers=0, give_up_at=until, deadline=until)
    return call, (CheckLine(), Show(State.RECONNECTING))


def _media_back(call: Call, _: MediaBack, now: float, limits: Limits) -> Outcome:
    return (call, ()) if call.offers else _talk_on(call)


def _preview_lost(call: Call, event: MediaLost, now: float, limits: Limits) -> Outcome:
    return _lost_early(call, event, now, limits) if call.preview else (call, ())


def _line_proven(call: Call, _: LineProven, now: float, limits: Limits) -> Outcome:
    return (call, ()) if call.offers else _reopen(call)


def _reopen(call: Call) -> Outcome:
    """Offers the page another connection in the same call."""
    sweeping = _sweeping(call) if call.standing else ()
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


def _offer_ready_again(call: Call, event: OfferReady, now: float, limits: Limits) -> Outcome:
    if not call.line:
        return _wait_for_line(call)
    call, sending = _send_offer(_change(call, offer=event.sdp))
    return _change(call, deadline=min(call.give_up_at, now + REPEAT_S)), sending


def _wait_for_line(call: Call) -> Outcome:
    """The line that comes up, or proves good, makes another connection."""
    return _change(call, offers=0, deadline=call.give_up_at), ()


def _answer_again(call: Call, event: AnswerReceived, now: float, limits: Limits) -> Outcome:
    if not _is_answered_by(call, event):
        return call, ()
    if not _is_trusted(call, event):
        return _change(call, refused=True), ()
    call, accepting = _accept(call, event)
    return _change(call, deadline=min(call.give_up_at, now + limits.connect_s)), (accepting,)


def _connected_again(call: Call, _: Connected, now: float, limits: Limits) -> Outcome:
    """A page of ours says by itself that it talks on; another one may have taken the offer."""
    if call.preview:
        return _change(call, deadline=call.give_up_at), ()
    return _talk_on(call)


def _accepted_again(call: Call, _: Accepted, now: float, limits: Limits) -> Outcome:
    return _talk_on(call)


def _lost_again(
    call: Call, _: MediaLost | PeerClosed | PeerFailed, now: float, limits: Limits
) -> Outcome:
    """Of the connection from before the silence there is nothing more to lose."""
    if not call.offers:
        return call, ()
    if call.offers >= MAX_OFFERS:
        return _end(call, Reason.FAILED)
    return _reopen(call) if call.line else _wait_for_line(call)


def _reconnect_deadline(call: Call, event: DeadlinePassed, now: float, limits: Limits) -> Outcome:
    if now >= call.talk_until:
        return _end(call, Reason.TOO_LONG)
    if now >= call.give_up_at:
        return _end(call, Reason.PAGE_GONE)
    if not call.standing:
        return _lost_again(call, PeerFailed(call.peer), now, limits)
    call = _change(call, deadline=min(call.give_up_at, now + REPEAT_S))
    return _send_offer(call) if call.replaces_offers else (call, ())


def _lost_early(
    call: Call, _: MediaLost | PeerClosed | PeerFailed | DeadlinePassed, now: float, limits: Limits
) -> Outcome:
    """The page went away before a person answered. The visitor is still there: ring on."""
    if now >= call.give_up_at or call.offers >= MAX_OFFERS:
        return _end(call, Reason.NO_ANSWER if call.preview else Reason.FAILED)
    closing = ClosePeer(call.peer, Reason.FAILED)
    sweeping = _sweeping(call) if call.standing else ()
    call, opening = _open(_change(call, standing=False))
    return call, (closing, *sweeping, *opening)


def _sweeping(call: Call) -> tuple[Action, ...]:
    """Nothing may stand at the server before another offer is sent; ours sees to that itself."""
    return (Sweep(),) if call.line and not call.replaces_offers else ()


def _ring_deadline(call: Call, _: DeadlinePassed, now: float, limits: Limits) -> Outcome:
    sent = call.offer is None or call.standing or call.preview
    return _end(call, Reason.NO_ANSWER if sent else Reason.OFFLINE)


def _ends(reason: Reason) -> Callable[[Call, Event, float, Limits], Outcome]:
    """A row that ends the call for `reason`."""

    def row(call: Call, event: Event, now: float, limits: Limits) -> Outcome:
        return _end(call, reason)

    return row


def _end(call: Call, reason: Reason) -> Outcome:
    """Closes the connection, leaves the room and joins again for the next call.

    A page that comes too late is thus not given an offer that is good for nothing any more.
    """
    closing = ClosePeer(call.peer, reason)
    leaving: tuple[Action, ...] = ()
    if call.line:
        leaving = (Leave(), *(_sweeping(call) if call.standing else ()), Join())
        call = _change(call, standing=False)
    state = State.IDLE if call.line else State.OFFLINE
    call = _change(
        call, state=state, offer=None, preview=False, verdict=Verdict.KEYLESS, deadline=None
    )
    return call, (closing, *leaving, Show(state, reason))


def _stop(call: Call, _: Stop, now: float, limits: Limits) -> Outcome:
    closing = () if call.deadline is None else (ClosePeer(call.peer, Reason.STOPPED),)
    leaving = (Leave(),) if call.line else ()
    call = _change(call, state=State.OFFLINE, line=False, offer=None, standing=False, deadline=None)
    return call, (*closing, *leaving, Show(State.OFFLINE))


def _line_up(call: Call, event: LineUp, now: float, limits: Limits) -> Outcome:
    """Between calls: start clean. The server may hold an offer from before, even of another run."""
    leaving = (Leave(),) if call.standing else ()
    call = _change(
        call,
        state=State.IDLE,
        line=True,
        replaces_offers=event.replaces_offers,
        standing=False,
    )
    return call, (*leaving, *_sweeping(call), Join(), Show(State.IDLE))


def _line_up_in_call(call: Call, event: LineUp, now: float, limits: Limits) -> Outcome:
    """The server may have lost the offer, or hold it still: a ring is offered again.

    Joining comes first, since the server may hold an answer, too.
    """
    call = _change(call, line=True, replaces_offers=event.replaces_offers)
    if call.state is State.RECONNECTING and not call.offers:
        call, reopening = _reopen(call)
        return call, (Join(), *reopening)
    rings = call.state in {State.OFFERING, State.RINGING} and not call.preview
    if not (rings or call.standing):
        return call, (Join(),)
    sweeping = _sweeping(call)
    call, sending = _send_offer(call)
    return call, (Join(), *sweeping, *sending)


def _line_down(call: Call, _: LineDown, now: float, limits: Limits) -> Outcome:
    return _change(call, state=State.OFFLINE, line=False), (Show(State.OFFLINE),)


def _line_down_in_call(call: Call, _: LineDown, now: float, limits: Limits) -> Outcome:
    return _change(call, line=False), ()


Row: TypeAlias = Callable[[Call, Event, float, Limits], Outcome]
_E = TypeVar("_E")


def _rows(
    event: type[_E], **rows: Callable[[Call, _E, float, Limits], Outcome]
) -> dict[tuple[State, type], Row]:
    """The rows of one event; states are written in lower case, and those left out ignore it."""
    return {(State[name.upper()], event): row for name, row in rows.items()}  # type: ignore[misc]


_hung_up, _gone, _failed = _ends(Reason.HUNG_UP), _ends(Reason.PAGE_GONE), _ends(Reason.FAILED)
_declined, _too_long = _ends(Reason.DECLINED), _ends(Reason.TOO_LONG)

# fmt: off
TABLE: dict[tuple[State, type], Row] = {
    **_rows(Pressed, offline=_press, idle=_press, offering=_press_again, ringing=_press_again,
            connecting=_press_again, talking=_press_again,
            reconnecting=_press_again),
    **_rows(OfferReady, offering=_offer_ready, reconnecting=_offer_ready_again),
    **_rows(AnswerReceived, ringing=_answer, reconnecting=_answer_again),
    **_rows(CandidateReceived, ringing=_candidate, connecting=_candidate, talking=_candidate,
            reconnecting=_candidate),
    **_rows(Connected, connecting=_connected, reconnecting=_connected_again),
    **_rows(Accepted, ringing=_accepted, connecting=_accepted, reconnecting=_accepted_again),
    **_rows(Declined, ringing=_declined, connecting=_declined, talking=_hung_up,
            reconnecting=_hung_up),
    **_rows(HungUp, ringing=_declined, connecting=_declined, talking=_hung_up,
            reconnecting=_hung_up),
    **_rows(ReleaseWanted, ringing=_release, connecting=_release, talking=_release,
            reconnecting=_release),
    **_rows(MediaLost, ringing=_preview_lost, talking=_media_lost, reconnecting=_lost_again),
    **_rows(MediaBack, reconnecting=_media_back),
    **_rows(LineProven, reconnecting=_line_proven),
    **_rows(PeerClosed, offering=_failed, ringing=_lost_early, connecting=_lost_early,
            talking=_gone, reconnecting=_lost_again),
    **_rows(PeerFailed, offering=_failed, ringing=_lost_early, connecting=_lost_early,
            talking=_media_lost, reconnecting=_lost_again),
    **_rows(DeadlinePassed, offering=_failed, ringing=_ring_deadline, connecting=_lost_early,
            talking=_too_long, reconnecting=_reconnect_deadline),
    **_rows(HangUp, offering=_hung_up, ringing=_hung_up, connecting=_hung_up, talking=_hung_up,
            reconnecting=_hung_up),
    **_rows(LineUp, offline=_line_up, idle=_line_up, offering=_line_up_in_call,
            ringing=_line_up_in_call, connecting=_line_up_in_call, talking=_line_up_in_call,
            reconnecting=_line_up_in_call),
    **_rows(LineDown, offline=_line_down, idle=_line_down, offering=_line_down_in_call,
            ringing=_line_down_in_call, connecting=_line_down_in_call,
            talking=_line_down_in_call, reconnecting=_line_down_in_call),
    **_rows(Stop, offline=_stop, idle=_stop, offering=_stop, ringing=_stop, connecting=_stop,
            talking=_stop, reconnecting=_stop),
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
