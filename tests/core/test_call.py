"""The call's table: each row by example, and what no sequence of events may ever bring about."""

from __future__ import annotations

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from homecall_pi.core import call as table
from homecall_pi.core.call import (
    AcceptAnswer,
    Accepted,
    Action,
    AddCandidate,
    AnswerReceived,
    Call,
    CandidateReceived,
    CheckLine,
    ClosePeer,
    Connected,
    DeadlinePassed,
    Declined,
    Event,
    HangUp,
    HungUp,
    Join,
    Leave,
    Limits,
    LineDown,
    LineProven,
    LineUp,
    MediaBack,
    MediaLost,
    OfferReady,
    OpenPeer,
    PeerClosed,
    PeerFailed,
    Pressed,
    Reason,
    ReleaseDoor,
    ReleaseWanted,
    SendOffer,
    Show,
    State,
    Stop,
    Sweep,
)
from homecall_pi.core.messages import IceCandidate
from homecall_pi.core.seal import Verdict

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


@pytest.fixture
def door() -> Door:
    door = Door()
    door.on(OURS)
    return door


@pytest.fixture
def others_door() -> Door:
    """A door on a server that queues every offer."""
    door = Door()
    door.on(OTHERS)
    return door


def of(kind: type, actions: list[Action]) -> list[Action]:
    return [action for action in actions if isinstance(action, kind)]


def test_a_line_that_comes_up_joins_the_room() -> None:
    door = Door()
    assert door.on(OURS) == [Join(), Show(State.IDLE)]
    assert door.call.state is State.IDLE


def test_a_press_opens_a_connection_and_its_offer_is_sent_after_a_join(door: Door) -> None:
    assert door.on(Pressed()) == [OpenPeer(1), Show(State.OFFERING)]
    offer = an_offer(1)
    assert door.on(OfferReady(1, offer)) == [Join(), SendOffer(offer), Show(State.RINGING)]


def test_a_page_that_knows_only_the_protocol_has_answered_when_connected(door: Door) -> None:
    door.ring()
    answer = an_answer(an_offer(1), control=False)
    assert door.on(AnswerReceived(answer))[0] == table.AcceptAnswer(1, answer)
    assert door.call.state is State.CONNECTING
    door.on(Connected(1))
    assert door.call.state is State.TALKING
    assert door.call.deadline == door.now + LIMITS.talk_s


def test_a_page_of_ours_previews_until_a_person_answers(door: Door) -> None:
    door.ring()
    door.answered_by(control=True)
    assert door.call.state is State.RINGING
    door.on(Accepted(1))
    assert door.call.state is State.TALKING


def test_a_person_may_answer_before_the_connection_is_known_to_stand(door: Door) -> None:
    door.ring()
    door.on(AnswerReceived(an_answer(an_offer(1), control=True)), Accepted(1), Connected(1))
    assert door.call.state is State.TALKING


def test_a_ring_that_nobody_answers_ends_and_frees_the_room(door: Door) -> None:
    door.ring()
    assert door.wait_for_deadline() == [
        ClosePeer(1, Reason.NO_ANSWER),
        Leave(),
        Join(),
        Show(State.IDLE, Reason.NO_ANSWER),
    ]


def test_a_page_opened_late_in_the_ring_gets_time_to_decide(door: Door) -> None:
    door.ring()
    door.now += LIMITS.ring_s - 1
    door.answered_by(control=True)
    assert door.call.deadline == door.now + table.DECIDE_S
    assert door.wait_for_deadline()[0] == ClosePeer(1, Reason.NO_ANSWER)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (HungUp(1), Reason.HUNG_UP),
        (HangUp(), Reason.HUNG_UP),
        (PeerClosed(1), Reason.PAGE_GONE),
    ],
)
def test_a_conversation_ends_for_its_reason(door: Door, event: Event, reason: Reason) -> None:
    door.ring()
    door.answered_by(control=False)
    assert door.on(event) == [
        ClosePeer(1, reason),
        Leave(),
        Join(),
        Show(State.IDLE, reason),
    ]


def test_a_conversation_has_a_maximum_length(door: Door) -> None:
    door.ring()
    door.answered_by(control=False)
    assert door.wait_for_deadline()[0] == ClosePeer(1, Reason.TOO_LONG)


@pytest.mark.parametrize("event", [Declined(1), HungUp(1)])
def test_a_preview_that_is_declined_ends_the_ring(door: Door, event: Event) -> None:
    door.ring()
    door.answered_by(control=True)
    assert door.on(event)[0] == ClosePeer(1, Reason.DECLINED)
    assert door.call.state is State.IDLE


@pytest.mark.parametrize("event", [PeerClosed(1), PeerFailed(1), MediaLost(1)])
def test_a_preview_that_vanishes_is_offered_anew_while_the_ring_lasts(
    door: Door, event: Event
) -> None:
    door.ring()
    until = door.call.give_up_at
    door.answered_by(control=True)
    assert door.on(event) == [
        ClosePeer(1, Reason.FAILED),
        OpenPeer(2, again=True),
        Show(State.OFFERING),
    ]
    assert door.on(OfferReady(2, an_offer(2)))[1] == SendOffer(an_offer(2))
    assert (door.call.number, door.call.deadline) == (1, until)


def test_connecting_that_takes_too_long_is_offered_anew(door: Door) -> None:
    door.ring()
    door.on(AnswerReceived(an_answer(an_offer(1), control=False)))
    assert of(OpenPeer, door.wait_for_deadline()) == [OpenPeer(2, again=True)]


def test_a_ring_tries_only_so_many_connections(door: Door) -> None:
    door.ring()
    while door.call.state is not State.IDLE:
        door.on(AnswerReceived(an_answer(door.call.offer or "", control=False)))
        door.on(PeerFailed(door.call.peer), OfferReady(door.call.peer + 1, ""))
        door.on(OfferReady(door.call.peer, an_offer(door.call.peer)))
    assert door.call.peer == table.MAX_OFFERS


def test_a_press_while_it_rings_uses_the_standing_offer_again(door: Door) -> None:
    door.ring()
    door.now += 1
    assert door.on(Pressed()) == [Show(State.RINGING)]


def test_an_impatient_visitor_rings_once(door: Door) -> None:
    door.on(Pressed())
    assert door.on(Pressed()) == [Show(State.OFFERING)]
    assert door.call.number == 1


def test_a_press_without_a_line_goes_out_when_the_line_comes_back() -> None:
    door = Door()
    door.ring()
    assert door.call.state is State.RINGING
    assert door.on(OURS) == [Join(), Join(), SendOffer(an_offer(1))]


def test_a_press_without_a_line_ends_as_offline_when_none_comes() -> None:
    door = Door()
    door.ring()
    assert door.wait_for_deadline() == [
        ClosePeer(1, Reason.OFFLINE),
        Show(State.OFFLINE, Reason.OFFLINE),
    ]


def test_a_lost_line_does_not_end_a_conversation(door: Door) -> None:
    door.ring()
    door.answered_by(control=False)
    assert door.on(LineDown()) == []
    assert door.on(OURS) == [Join()]
    assert door.call.state is State.TALKING


def test_a_ring_is_repeated_to_our_server_when_the_line_comes_back(door: Door) -> None:
    door.ring()
    door.on(LineDown())
    assert door.on(OURS) == [Join(), Join(), SendOffer(an_offer(1))]


def test_a_preview_is_not_offered_again_when_the_line_comes_back(door: Door) -> None:
    door.ring()
    door.answered_by(control=True)
    door.on(LineDown())
    assert door.on(OURS) == [Join()]


def test_a_call_that_ended_without_a_line_is_cleared_from_the_server_later(door: Door) -> None:
    door.ring()
    door.on(LineDown())
    door.wait_for_deadline()
    assert door.on(OURS) == [Leave(), Join(), Show(State.IDLE)]
    assert door.on(LineDown(), OURS) == [Show(State.OFFLINE), Join(), Show(State.IDLE)]


def talking(door: Door, *, control: bool) -> Door:
    door.ring()
    door.answered_by(control=control)
    door.on(Accepted(door.call.peer))
    assert door.call.state is State.TALKING
    return door


def resumed(door: Door, *, control: bool) -> None:
    """The page takes the connection that is offered anew."""
    peer = door.call.peer
    door.on(OfferReady(peer, an_offer(peer)))
    door.on(AnswerReceived(an_answer(an_offer(peer), control=control)), Connected(peer))


@pytest.mark.parametrize("event", [MediaLost(1), PeerFailed(1)])
def test_media_that_falls_silent_does_not_end_a_conversation(door: Door, event: Event) -> None:
    talking(door, control=True)
    assert door.on(event) == [CheckLine(), Show(State.RECONNECTING)]
    assert door.call.deadline == door.now + table.RESUME_S


def test_media_that_comes_back_by_itself_needs_no_other_connection(door: Door) -> None:
    until = talking(door, control=True).call.deadline
    assert door.on(MediaLost(1), MediaBack(1))[-1] == Show(State.TALKING)
    assert door.call.deadline == until
    assert door.on(LineProven()) == []


def test_a_good_line_offers_another_connection_at_once(door: Door) -> None:
    talking(door, control=True).on(MediaLost(1))
    assert door.on(LineProven()) == [ClosePeer(1, None), OpenPeer(2, again=True)]
    assert door.on(LineProven()) == []
    assert door.on(OfferReady(2, an_offer(2))) == [Join(), SendOffer(an_offer(2))]
    assert door.call.state is State.RECONNECTING


def test_a_line_that_was_lost_as_well_offers_another_connection_when_it_is_back(
    door: Door,
) -> None:
    talking(door, control=True).on(MediaLost(1))
    assert door.on(LineDown()) == []
    assert door.on(PeerClosed(1)) == []
    assert door.on(OURS) == [Join(), ClosePeer(1, None), OpenPeer(2, again=True)]


@pytest.mark.parametrize("control", [True, False])
def test_a_conversation_goes_on_over_another_connection(door: Door, control: bool) -> None:
    until = talking(door, control=control).call.deadline
    door.now += 10
    door.on(MediaLost(1), LineProven())
    resumed(door, control=control)
    assert door.call.state is (State.RECONNECTING if control else State.TALKING)
    door.on(Accepted(2))
    assert (door.call.state, door.call.deadline) == (State.TALKING, until)


def test_an_offer_that_may_have_met_a_dead_line_is_sent_again(door: Door) -> None:
    talking(door, control=True).on(MediaLost(1), LineProven(), OfferReady(2, an_offer(2)))
    for _ in range(3):
        assert door.wait_for_deadline() == [Join(), SendOffer(an_offer(2))]


def test_an_offer_in_a_queue_is_not_sent_again(others_door: Door) -> None:
    talking(others_door, control=False).on(MediaLost(1), LineProven(), OfferReady(2, an_offer(2)))
    assert others_door.wait_for_deadline() == []
    assert others_door.on(LineDown(), OTHERS) == [Join(), Sweep(), Join(), SendOffer(an_offer(2))]


def test_another_connection_that_comes_to_nothing_is_followed_by_a_third(door: Door) -> None:
    talking(door, control=True).on(MediaLost(1), LineProven())
    resumed(door, control=True)
    assert door.on(PeerFailed(2)) == [ClosePeer(2, None), OpenPeer(3, again=True)]
    resumed(door, control=True)
    assert of(OpenPeer, door.wait_for_deadline()) == []
    assert door.call.state is State.IDLE


def test_an_answer_that_leads_nowhere_is_followed_by_another_offer(door: Door) -> None:
    talking(door, control=True).on(MediaLost(1), LineProven(), OfferReady(2, an_offer(2)))
    door.on(AnswerReceived(an_answer(an_offer(2), control=True)))
    assert door.wait_for_deadline() == [ClosePeer(2, None), OpenPeer(3, again=True)]


def test_connections_that_come_to_nothing_without_a_line_wait_for_it(door: Door) -> None:
    talking(door, control=True).on(MediaLost(1), LineProven())
    resumed(door, control=True)
    assert door.on(LineDown(), PeerFailed(2)) == []
    assert door.on(OURS)[1:] == [ClosePeer(2, None), OpenPeer(3, again=True)]
    door.on(LineDown(), OfferReady(3, an_offer(3)))
    assert door.on(OURS)[1:] == [ClosePeer(3, None), OpenPeer(4, again=True)]


def test_reconnecting_tries_only_so_many_connections(door: Door) -> None:
    talking(door, control=True).on(MediaLost(1), LineProven())
    for _ in range(table.MAX_OFFERS):
        assert door.call.state is State.RECONNECTING
        resumed(door, control=True)
        done = door.on(PeerFailed(door.call.peer))
    assert done[-1] == Show(State.IDLE, Reason.FAILED)


def test_a_page_that_does_not_come_back_is_given_up(door: Door) -> None:
    talking(door, control=True).on(MediaLost(1))
    assert door.wait_for_deadline()[0] == ClosePeer(1, Reason.PAGE_GONE)


def test_reconnecting_does_not_make_a_conversation_longer(door: Door) -> None:
    until = talking(door, control=True).call.deadline or 0
    door.now = until - 1
    door.on(MediaLost(1))
    assert door.call.deadline == until
    assert door.wait_for_deadline()[0] == ClosePeer(1, Reason.TOO_LONG)


@pytest.mark.parametrize("event", [HangUp(), HungUp(1)])
def test_either_side_may_hang_up_while_reconnecting(door: Door, event: Event) -> None:
    talking(door, control=True).on(MediaLost(1))
    assert door.on(event)[0] == ClosePeer(1, Reason.HUNG_UP)


def test_an_answer_before_any_offer_is_ignored(door: Door) -> None:
    assert door.on(AnswerReceived(an_answer(an_offer(1), control=False))) == []
    door.on(Pressed())
    assert door.on(AnswerReceived(an_answer(an_offer(1), control=False))) == []


def test_an_answer_to_an_earlier_offer_is_ignored(door: Door) -> None:
    door.ring(1)
    door.on(HangUp())
    door.ring(2)
    assert door.on(AnswerReceived(an_answer(an_offer(1), control=False))) == []
    assert door.call.state is State.RINGING


def test_a_second_answer_is_ignored(door: Door) -> None:
    door.ring()
    door.answered_by(control=True)
    assert door.on(AnswerReceived(an_answer(an_offer(1), control=False))) == []


def test_candidates_go_to_the_connection_that_they_name(door: Door) -> None:
    fits, foreign = (IceCandidate("candidate:1", sdpMid=mid) for mid in ("010", "990"))
    nameless = IceCandidate("candidate:2", sdpMLineIndex=0)
    end = IceCandidate("", sdpMid="010")
    events = [CandidateReceived(each) for each in (fits, foreign, nameless, end)]
    assert door.on(*events) == []
    door.ring()
    assert door.on(*events) == [AddCandidate(1, fits), AddCandidate(1, nameless)]


def test_events_of_a_connection_that_is_no_more_are_dropped(door: Door) -> None:
    door.ring(1)
    door.on(HangUp())
    door.ring(2)
    for stranger in (Connected(1), Accepted(1), Declined(1), PeerClosed(1), OfferReady(1, "")):
        assert door.on(stranger) == []
    assert door.call.state is State.RINGING


def test_a_queue_of_unknown_contents_is_swept_before_the_first_offer() -> None:
    assert Door().on(OTHERS) == [Sweep(), Join(), Show(State.IDLE)]


def test_an_offer_that_nobody_answered_is_swept_from_a_queue(others_door: Door) -> None:
    others_door.ring()
    assert others_door.wait_for_deadline() == [
        ClosePeer(1, Reason.NO_ANSWER),
        Leave(),
        Sweep(),
        Join(),
        Show(State.IDLE, Reason.NO_ANSWER),
    ]
    assert of(SendOffer, others_door.ring(2)) == [SendOffer(an_offer(2))]


def test_an_offer_that_was_answered_stands_in_no_queue(others_door: Door) -> None:
    others_door.ring()
    others_door.answered_by(control=False)
    assert of(Sweep, others_door.on(HangUp())) == []


def test_a_connection_that_breaks_while_it_rings_takes_its_offer_along(others_door: Door) -> None:
    others_door.ring()
    assert of(Sweep, others_door.on(PeerFailed(1))) == [Sweep()]


def test_a_ring_is_repeated_to_a_server_that_queues_when_its_queue_is_empty(
    others_door: Door,
) -> None:
    others_door.ring()
    others_door.on(LineDown())
    assert others_door.on(OTHERS) == [Join(), Sweep(), Join(), SendOffer(an_offer(1))]


def test_a_call_that_is_answered_needs_no_sweeping_when_the_line_comes_back(
    others_door: Door,
) -> None:
    others_door.ring()
    others_door.answered_by(control=False)
    others_door.on(LineDown())
    assert others_door.on(OTHERS) == [Join()]


def test_an_answer_that_is_refused_gets_no_connection_and_the_ring_goes_on(door: Door) -> None:
    door.ring()
    before = door.call
    assert door.on(AnswerReceived(an_answer(an_offer(1), control=True), "", REFUSED)) == []
    assert door.call == msgspec.structs.replace(before, refused=True)
    door.answered_by(control=True, verdict=VERIFIED)
    assert door.call.verified
    door.on(HangUp(), Pressed())
    assert (door.call.verified, door.call.refused) == (False, False)


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("answered", [False, True], ids=["preview", "talking"])
def test_the_door_is_released_for_a_verified_page_alone(
    door: Door, verdict: Verdict, answered: bool
) -> None:
    door.ring()
    door.answered_by(control=True, verdict=verdict)
    if answered:
        door.on(Accepted(1))
    released = door.on(ReleaseWanted(1))
    assert released == ([ReleaseDoor()] if verdict is VERIFIED else [])
    assert door.on(ReleaseWanted(2)) == []


def test_the_door_is_released_in_a_call_alone(door: Door) -> None:
    assert door.on(ReleaseWanted(0)) == []
    door.ring()
    assert door.on(ReleaseWanted(1)) == []
    door.answered_by(control=True, verdict=VERIFIED)
    door.on(HangUp())
    assert door.on(ReleaseWanted(1)) == []


def test_a_connection_is_told_whether_its_page_is_verified(door: Door) -> None:
    door.ring()
    accepting = of(AcceptAnswer, door.answered_by(control=True, verdict=VERIFIED))
    assert accepting == [AcceptAnswer(1, an_answer(an_offer(1), control=True), verified=True)]


@pytest.mark.parametrize("verdict", [Verdict.UNVERIFIED, Verdict.KEYLESS, REFUSED])
def test_nobody_takes_over_a_verified_call_without_proof(door: Door, verdict: Verdict) -> None:
    door.ring()
    door.answered_by(control=True, verdict=VERIFIED)
    door.on(Accepted(1), MediaLost(1), LineProven(), OfferReady(2, an_offer(2)))
    assert door.on(AnswerReceived(an_answer(an_offer(2), control=True), "", verdict)) == []
    assert door.call.verified
    assert of(AcceptAnswer, door.answered_by(control=True, verdict=VERIFIED)) != []


def test_a_call_that_was_not_verified_goes_on_as_it_was(door: Door) -> None:
    door.ring()
    door.answered_by(control=True, verdict=Verdict.UNVERIFIED)
    door.on(Accepted(1), MediaLost(1), LineProven(), OfferReady(2, an_offer(2)))
    assert of(AcceptAnswer, door.answered_by(control=True, verdict=Verdict.UNVERIFIED)) != []
    assert not door.call.verified


def test_stopping_ends_the_call_and_leaves(door: Door) -> None:
    door.ring()
    assert door.on(Stop()) == [ClosePeer(1, Reason.STOPPED), Leave(), Show(State.OFFLINE)]


def test_stopping_while_idle_leaves(door: Door) -> None:
    assert door.on(Stop()) == [Leave(), Show(State.OFFLINE)]


def test_every_row_belongs_to_an_event_of_the_union() -> None:
    assert {event for _, event in table.TABLE} == set(table.Event.__args__)  # type: ignore[attr-defined]


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
            case Leave() if self.ours:
                self.queue.clear()
            case Sweep():
                assert self.call.line, "a guest was sent without a line"
                self.queue.clear()
            case AcceptAnswer(verified=verified):
                assert verified or not self.verified, "a verified call was taken over"
                self.verified = verified
            case ReleaseDoor():
                assert self.verified, "the door was released for a stranger"

    @rule(ours=st.booleans())
    @precondition(lambda self: not self.call.line)
    def line_up(self, ours: bool) -> None:
        if ours != self.ours:
            self.queue.clear()
        self.ours = ours
        self.feed(LineUp(replaces_offers=ours))

    @rule()
    @precondition(lambda self: self.call.line)
    def line_down(self) -> None:
        self.feed(LineDown())

    @rule(event=st.sampled_from([Pressed(), HangUp()]), seconds=st.floats(0, 700))
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
    def never_two_offers_standing(self) -> None:
        assert len(self.queue) <= 1


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
