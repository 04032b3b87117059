"""A door that is nothing but its table, and what pages answer it."""

from __future__ import annotations

from homecall_pi.core import call as table
from homecall_pi.core.actions import Action
from homecall_pi.core.events import (
    AnswerReceived,
    Connected,
    DeadlinePassed,
    Event,
    LineUp,
    OfferReady,
    Pressed,
)
from homecall_pi.core.seal import Verdict
from homecall_pi.core.state import Call, Limits

LIMITS = Limits(ring_s=45, connect_s=15, talk_s=600)
OURS = LineUp(replaces_offers=True)
OTHERS = LineUp(replaces_offers=False)
VERIFIED, REFUSED = Verdict.VERIFIED, Verdict.REFUSED


def an_offer(serial: int) -> str:
    """An offer as the connections write it, reduced to what the table reads."""
    token = f"{serial:02d}"
    sections = "".join(
        f"m={kind} 9 X\r\na=mid:{token}{index}\r\n"
        for index, kind in enumerate(("audio", "video", "application"))
    )
    return f"v=0\r\na=x-homecall:1\r\n{sections}"


def an_answer(offer: str, *, control: bool) -> str:
    """An answer to `offer` by a page of ours, or by one that knows only the protocol."""
    return offer if control else offer.replace("a=x-homecall:1\r\n", "")


class Door:
    """Runs the table, with a clock that only tests move."""

    def __init__(self) -> None:
        self.call = Call()
        self.now = 1000.0

    def on(self, *events: Event) -> list[Action]:
        done: list[Action] = []
        for event in events:
            self.call, actions = table.step(self.call, event, self.now, LIMITS)
            done += actions
        return done

    def wait_for_deadline(self) -> list[Action]:
        assert self.call.deadline is not None
        self.now = self.call.deadline
        return self.on(DeadlinePassed())

    def ring(self, serial: int = 1) -> list[Action]:
        self.now += 1
        done = self.on(Pressed())
        return done + self.on(OfferReady(self.call.peer, an_offer(serial)))

    def answered_by(self, *, control: bool, verdict: Verdict = Verdict.KEYLESS) -> list[Action]:
        assert self.call.offer is not None
        answer = an_answer(self.call.offer, control=control)
        done = self.on(AnswerReceived(answer, "", verdict))
        return done + self.on(Connected(self.call.peer))


def of(kind: type, actions: list[Action]) -> list[Action]:
    return [action for action in actions if isinstance(action, kind)]
