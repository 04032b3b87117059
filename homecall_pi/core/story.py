"""What is told of a call: notes for the log, and the state in words for the service manager.

Names come from whoever opens the page, so they are made printable and cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from .actions import AcceptAnswer, Action, ClosePeer, ReleaseDoor, SendOffer
from .events import Accepted, AnswerReceived, Event, OfferReady, Pressed, ReleaseWanted
from .seal import Verdict
from .state import Call, Reason, State
from .text import printable

MAX_NAME_CHARS = 64

WHY: dict[Reason, str] = {
    Reason.HUNG_UP: "somebody hung up",
    Reason.DECLINED: "it was declined",
    Reason.NO_ANSWER: "nobody answered",
    Reason.OFFLINE: "there was no line to the server",
    Reason.PAGE_GONE: "the page vanished",
    Reason.TOO_LONG: "its time was over",
    Reason.FAILED: "the connection failed",
    Reason.STOPPED: "the program stops",
}
TROUBLES = frozenset({Reason.OFFLINE, Reason.FAILED})
"""Ends of a call that somebody should look into."""
REFUSED = (
    "refused an answer without proof that it has the link's key: "
    "a page with an old link, or a server that meddles"
)


class Note(msgspec.Struct, frozen=True):
    """One step of a call."""

    event: str
    """What happened, for programs: one of a few words with hyphens."""
    text: str
    """The same for people."""
    duration_s: float | None = None
    """Since when stands where the note is made."""
    reason: Reason | None = None
    """Why the call ended."""
    page: str | None = None
    """The name that the page gave."""
    trouble: bool = False


class Story:
    """Follows the calls. It is shown every event with what the table made of it."""

    def __init__(self) -> None:
        self._pressed_at = 0.0
        self._answered_at = 0.0
        self._lost_at = 0.0
        self._offered = 0
        """The connection that was last offered."""
        self._page = self._who = self._lost_page = ""
        self._release_refused = 0
        """The call in which it was told."""

    def tell(
        self, event: Event, before: Call, call: Call, actions: Sequence[Action], now: float
    ) -> Iterator[Note]:
        """What is worth telling of one step of the table, at `now`."""
        if isinstance(event, Pressed):
            yield self._press(before, call, now)
        elif isinstance(event, AnswerReceived) and _has(actions, AcceptAnswer):
            yield from self._answer(event, call, now)
        elif before.deadline is not None and call.deadline is None:
            yield self._end(actions, now)
        elif call.state is not before.state:
            yield from self._move(event, before.state, call.state, now)
        yield from self._offer(event, call, actions, now)
        yield from self._guard(event, before, call, actions)

    def status(self, call: Call) -> str:
        """Where the call is, in a few words."""
        match call.state:
            case State.OFFLINE if call.refusal:
                return f"Offline: {call.refusal}; trying again"
            case State.OFFLINE:
                return "Offline: the signaling server is not reached; trying again"
            case State.IDLE:
                return "Ready: waiting for a press"
            case State.TALKING:
                return f"Call {call.number}: talking to {self._page}"
        line = "" if call.line else ", without a line to the signaling server"
        return f"Call {call.number}: {call.state.value}{line}"

    def _press(self, before: Call, call: Call, now: float) -> Note:
        if before.number == call.number:
            return Note("pressed-again", "pressed again")
        self._pressed_at = now
        return Note("pressed", "pressed")

    def _offer(
        self, event: Event, call: Call, actions: Sequence[Action], now: float
    ) -> Iterator[Note]:
        """The duration is from the press. What is sent once more is not told once more."""
        if _has(actions, SendOffer) and self._offered != call.peer:
            self._offered = call.peer
            since_s = now - self._pressed_at
            again = "" if call.offers == 1 and call.state is State.RINGING else " again"
            yield Note("offered", f"offered{again} after {since_s * 1000:.0f} ms", since_s)
        elif isinstance(event, OfferReady) and not call.line:
            yield Note("waiting", "waits for a line to the server", trouble=True)

    def _answer(self, event: AnswerReceived, call: Call, now: float) -> Iterator[Note]:
        """The duration is from the press."""
        self._answered_at = now
        self._page = printable(event.sender[:MAX_NAME_CHARS]) or "somebody"
        self._who = self._page
        if event.verdict is Verdict.UNVERIFIED:
            self._who += " (not verified)"
        if call.state is State.RECONNECTING:
            return
        if not call.preview:
            yield self._person(now)
            return
        since_s = now - self._pressed_at
        yield Note("shown", f"rings at the page of {self._who}", since_s, page=self._page)

    def _person(self, now: float) -> Note:
        """The duration is from the press."""
        since_s = now - self._pressed_at
        text = f"answered by {self._who} after {since_s:.1f} s"
        return Note("answered", text, since_s, page=self._page)

    def _move(self, event: Event, before: State, state: State, now: float) -> Iterator[Note]:
        """The duration of "media-up" is from the page's answer, that of "media-back" its absence.

        A person may be told to have answered before the connection is told to be up.
        """
        if before is State.CONNECTING and state in {State.RINGING, State.TALKING}:
            since_s = now - self._answered_at
            yield Note("media-up", f"media up after {since_s * 1000:.0f} ms", since_s)
        if isinstance(event, Accepted) and before is not State.RECONNECTING:
            yield self._person(now)
        elif state is State.RECONNECTING:
            self._lost_at, self._lost_page = now, self._page
            yield Note("media-lost", "media lost; reconnecting", trouble=True)
        elif before is State.RECONNECTING:
            since_s = now - self._lost_at
            whose = "" if self._page == self._lost_page else f", with {self._who}"
            text = f"media back after {since_s:.1f} s{whose}"
            yield Note("media-back", text, since_s, page=self._page)
        elif state is State.OFFERING:
            yield Note("lost", "the connection to the page is lost; ringing on")

    def _guard(
        self, event: Event, before: Call, call: Call, actions: Sequence[Action]
    ) -> Iterator[Note]:
        """What is refused is told once in a call: whoever is refused may try again and again."""
        if call.refused and not before.refused:
            yield Note("answer-refused", REFUSED, trouble=True)
        if _has(actions, ReleaseDoor):
            yield Note("released", f"{self._page} opens the door", page=self._page)
        elif isinstance(event, ReleaseWanted) and self._is_new_refusal(event, call):
            self._release_refused = call.number
            text = f"{self._page} is not verified and may not open the door"
            yield Note("release-refused", text, page=self._page, trouble=True)

    def _is_new_refusal(self, event: ReleaseWanted, call: Call) -> bool:
        mine = event.peer == call.peer and self._release_refused != call.number
        return mine and not call.verified

    def _end(self, actions: Sequence[Action], now: float) -> Note:
        """The duration is from the press."""
        ends = (action.reason for action in actions if isinstance(action, ClosePeer))
        reason = next(filter(None, ends))
        since_s = now - self._pressed_at
        return Note(
            "ended",
            f"ended after {since_s:.1f} s because {WHY[reason]}",
            since_s,
            reason=reason,
            trouble=reason in TROUBLES,
        )


def _has(actions: Sequence[Action], kind: type[Action]) -> bool:
    return any(isinstance(action, kind) for action in actions)
