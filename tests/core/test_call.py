"""The call's table as a whole: what no sequence of events may ever bring about."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from homecall_pi.core import call as table
from homecall_pi.core.actions import (
    AcceptAnswer,
    Action,
    ClosePeer,
    Join,
    Leave,
    OpenPeer,
    ReleaseDoor,
    SendOffer,
    Sweep,
)
from homecall_pi.core.events import (
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
from homecall_pi.core.messages import IceCandidate
from homecall_pi.core.seal import Verdict
from homecall_pi.core.state import Call, State

from .doors import LIMITS, Door, an_answer, an_offer


def test_events_of_a_connection_that_is_no_more_are_dropped(door: Door) -> None:
    door.ring(1)
    door.on(HangUp())
    door.ring(2)
    for stranger in (Connected(1), Accepted(1), Declined(1), PeerClosed(1), OfferReady(1, "")):
        assert door.on(stranger) == []
    assert door.call.state is State.RINGING


def test_every_row_belongs_to_an_event_of_the_union() -> None:
    assert {event for _, event in table.TABLE} == set(Event.__args__)  # type: ignore[attr-defined]


class Anything(RuleBasedStateMachine):
    """A door, its connections, and a server of either kind, under any sequence of events.

    The connections behave like the real ones: each offer is ready once. The server is the room's:
    what stands in it is what a page would be given.
    """

    def __init__(self) -> None:
        super().__init__()
        self.call = Call()
        self.now = 0.0
        self.ours = True
        self.open: list[int] = []
        self.offers: dict[int, str] = {}
        self.queue: list[str] = []
        self.in_room = False
        self.page_joined = False
        self.verified = False

    def feed(self, event: Event) -> None:
        self.call, actions = table.step(self.call, event, self.now, LIMITS)
        for action in actions:
            self.perform(action)
        self.verified = self.verified and self.call.deadline is not None

    def perform(self, action: Action) -> None:
        match action:
            case OpenPeer(peer=peer):
                self.open.append(peer)
                self.offers[peer] = an_offer(peer)
            case ClosePeer(peer=peer):
                self.open.remove(peer)
            case SendOffer(sdp=sdp):
                assert self.call.line, "an offer was sent without a line"
                if self.page_joined:
                    self.queue.clear()
                elif self.ours:
                    self.queue = [sdp]
                else:
                    self.queue.append(sdp)
            case Join() | Leave():
                self.comes_or_goes(action)
            case Sweep():
                assert self.call.line, "a guest was sent without a line"
                self.queue.clear()
            case AcceptAnswer(verified=verified):
                assert verified or not self.verified, "a verified call was taken over"
                self.verified = verified
            case ReleaseDoor():
                assert self.verified, "the door was released for a stranger"

    def comes_or_goes(self, action: Join | Leave) -> None:
        if isinstance(action, Leave) and self.ours and self.in_room:
            self.queue.clear()
        self.in_room = isinstance(action, Join) and self.call.line

    @rule(ours=st.booleans())
    @precondition(lambda self: not self.call.line)
    def line_up(self, ours: bool) -> None:
        if ours != self.ours:
            self.queue.clear()
        self.ours, self.in_room = ours, False
        self.feed(LineUp(replaces_offers=ours))

    @rule()
    @precondition(lambda self: self.call.line)
    def line_down(self) -> None:
        self.feed(LineDown())

    @rule()
    def join_refused(self) -> None:
        self.feed(JoinRefused("the room is full"))

    @rule()
    def killed_and_started_anew(self) -> None:
        self.call = Call(peer=self.call.peer)  # the next run's offers are others, too
        self.open.clear()
        self.verified = False

    @rule(event=st.sampled_from([Pressed(), HangUp(), Stop()]), seconds=st.floats(0, 700))
    def at_the_door(self, event: Event, seconds: float) -> None:
        self.now += seconds
        if self.call.deadline is not None and self.now >= self.call.deadline:
            self.feed(DeadlinePassed())
        self.feed(event)

    @rule()
    @precondition(lambda self: self.call.deadline is not None)
    def deadline(self) -> None:
        self.now = max(self.now, self.call.deadline or 0)
        self.feed(DeadlinePassed())

    @rule()
    @precondition(lambda self: self.call.offer is None and self.open)
    def offer_ready(self) -> None:
        self.feed(OfferReady(self.call.peer, self.offers[self.call.peer]))

    @rule()
    @precondition(lambda self: self.call.line)
    def line_proven(self) -> None:
        self.feed(LineProven())

    @rule(
        kind=st.sampled_from([Connected, Accepted, Declined, HungUp, ReleaseWanted]),
        back=st.integers(0, 2),
    )
    def page_says(self, kind: type, back: int) -> None:
        self.feed(kind(max(0, self.call.peer - back)))

    @rule(
        kind=st.sampled_from([MediaLost, MediaBack, PeerClosed, PeerFailed]),
        back=st.integers(0, 2),
    )
    def connection_ends(self, kind: type, back: int) -> None:
        self.feed(kind(max(0, self.call.peer - back)))

    @rule(control=st.booleans(), verdict=st.sampled_from(Verdict))
    @precondition(lambda self: self.queue and self.call.line)
    def page_joins_and_answers(self, control: bool, verdict: Verdict) -> None:
        newest = self.queue[-1]
        self.queue.clear()
        self.feed(AnswerReceived(an_answer(newest, control=control), "", verdict))

    @rule(serial=st.integers(0, 5), control=st.booleans())
    def stray_answer(self, serial: int, control: bool) -> None:
        offer = an_offer(1295 - serial)
        self.feed(AnswerReceived(an_answer(offer, control=control)))

    @rule()
    def stray_candidate(self) -> None:
        self.feed(CandidateReceived(IceCandidate("candidate:1 1 udp 1 192.0.2.1 9 typ host")))

    @rule()
    @precondition(lambda self: self.call.line and not self.queue)
    def page_comes_or_goes(self) -> None:
        self.page_joined = not self.page_joined

    @invariant()
    def never_two_connections(self) -> None:
        assert len(self.open) <= 1

    @invariant()
    def a_connection_just_during_a_call(self) -> None:
        in_call = self.call.state not in {State.OFFLINE, State.IDLE}
        assert bool(self.open) == in_call
        assert (self.call.deadline is not None) == in_call

    @invariant()
    def verified_as_long_as_the_call_lasts(self) -> None:
        assert self.call.verified == self.verified

    @invariant()
    def idle_means_joined(self) -> None:
        assert self.call.line or self.call.state is not State.IDLE

    @invariant()
    def refused_means_without_a_line(self) -> None:
        assert not (self.call.line and self.call.refusal)

    @invariant()
    def idle_means_that_no_offer_stands(self) -> None:
        assert not self.queue or self.call.state is not State.IDLE

    @invariant()
    def never_two_offers_standing(self) -> None:
        assert len(self.queue) <= 1


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
