"""Each row by example: a call from the press to its end."""

from __future__ import annotations

import msgspec
import pytest

from homecall_pi.core import rows
from homecall_pi.core.actions import (
    AcceptAnswer,
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
from homecall_pi.core.events import (
    Accepted,
    AnswerReceived,
    CandidateReceived,
    Connected,
    Declined,
    Event,
    HangUp,
    HungUp,
    JoinRefused,
    LineDown,
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
from homecall_pi.core.state import Reason, State

from .doors import LIMITS, OTHERS, OURS, REFUSED, VERIFIED, Door, an_answer, an_offer, of


def test_a_line_that_comes_up_joins_the_room() -> None:
    door = Door()
    assert door.on(OURS) == [Join(), Leave(), Join(), Show(State.IDLE)]
    assert door.call.state is State.IDLE


def test_a_door_that_is_refused_is_offline_until_it_is_let_in(door: Door) -> None:
    assert door.on(JoinRefused("full")) == [Show(State.OFFLINE)]
    assert (door.call.line, door.call.refusal) == (False, "full")
    assert door.on(JoinRefused("not served")) == []
    assert door.call.refusal == "not served"
    assert door.on(OURS) == [Join(), Leave(), Join(), Show(State.IDLE)]
    assert door.call.refusal == ""


def test_a_press_while_refused_waits_to_be_let_in(door: Door) -> None:
    door.on(JoinRefused("full"))
    assert door.ring() == [OpenPeer(1), Show(State.OFFERING), Show(State.RINGING)]
    assert door.on(OURS) == [Join(), Join(), SendOffer(an_offer(1))]
    door.on(HangUp(), JoinRefused("full"))
    door.ring(2)
    assert door.wait_for_deadline()[-1] == Show(State.OFFLINE, Reason.OFFLINE)


def test_a_refusal_does_not_end_a_call(door: Door) -> None:
    door.ring()
    door.answered_by(control=False)
    assert door.on(JoinRefused("full")) == []
    assert door.call.state is State.TALKING
    assert door.on(HangUp())[-1] == Show(State.OFFLINE, Reason.HUNG_UP)


def test_a_press_opens_a_connection_and_its_offer_is_sent_after_a_join(door: Door) -> None:
    assert door.on(Pressed()) == [OpenPeer(1), Show(State.OFFERING)]
    offer = an_offer(1)
    assert door.on(OfferReady(1, offer)) == [Join(), SendOffer(offer), Show(State.RINGING)]


def test_a_page_that_knows_only_the_protocol_has_answered_when_connected(door: Door) -> None:
    door.ring()
    answer = an_answer(an_offer(1), control=False)
    assert door.on(AnswerReceived(answer))[0] == AcceptAnswer(1, answer)
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
    assert door.call.deadline == door.now + rows.DECIDE_S
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


def test_an_offer_that_is_never_made_fails(door: Door) -> None:
    door.on(Pressed())
    assert Show(State.IDLE, Reason.FAILED) in door.wait_for_deadline()


def test_a_ring_that_ends_while_it_is_offered_anew_was_not_answered(door: Door) -> None:
    door.ring()
    door.answered_by(control=True)
    door.on(PeerClosed(1))
    assert door.call.state is State.OFFERING
    assert Show(State.IDLE, Reason.NO_ANSWER) in door.wait_for_deadline()


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
    assert door.call.peer == rows.MAX_OFFERS


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
    assert door.on(OURS) == [Join(), Leave(), Join(), Show(State.IDLE)]


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


def test_stopping_ends_the_call_and_leaves(door: Door) -> None:
    door.ring()
    assert door.on(Stop()) == [ClosePeer(1, Reason.STOPPED), Leave(), Show(State.OFFLINE)]


def test_stopping_while_idle_leaves(door: Door) -> None:
    assert door.on(Stop()) == [Leave(), Show(State.OFFLINE)]
