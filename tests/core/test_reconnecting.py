"""Each row by example: a call whose media falls silent."""

from __future__ import annotations

import pytest

from homecall_pi.core import reconnecting, rows
from homecall_pi.core.actions import (
    AcceptAnswer,
    CheckLine,
    ClosePeer,
    Join,
    OpenPeer,
    SendOffer,
    Show,
    Sweep,
)
from homecall_pi.core.events import (
    Accepted,
    AnswerReceived,
    Connected,
    Event,
    HangUp,
    HungUp,
    LineDown,
    LineProven,
    MediaBack,
    MediaLost,
    OfferReady,
    PeerClosed,
    PeerFailed,
)
from homecall_pi.core.seal import Verdict
from homecall_pi.core.state import Reason, State

from .doors import OTHERS, OURS, REFUSED, VERIFIED, Door, an_answer, an_offer, of


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
    assert door.call.deadline == door.now + reconnecting.RESUME_S


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
    for _ in range(rows.MAX_OFFERS):
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
