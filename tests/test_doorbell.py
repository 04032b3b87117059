"""The one loop, between a line, connections and a panel that only remember."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from homecall_pi.core import actions, seal
from homecall_pi.core.actions import Show
from homecall_pi.core.events import (
    AnswerReceived,
    CandidateReceived,
    Connected,
    Event,
    HangUp,
    JoinRefused,
    LineDown,
    LineUp,
    OfferReady,
    Pressed,
    ReleaseWanted,
)
from homecall_pi.core.messages import IceCandidate, Join, Leave, Message, Offer
from homecall_pi.core.seal import Guard
from homecall_pi.core.state import Limits, Reason, State
from homecall_pi.doorbell import MAX_WAITING, Doorbell
from homecall_pi.log import current_call

from .conftest import PATIENCE_S
from .doubles import NAME, ROOM, in_background
from .manager import Manager

KEY = bytes(range(16))
OFFER = "v=0\r\nm=audio 9 X\r\na=mid:050\r\n"
JOIN, LEAVE = Join(ROOM, NAME), Leave(ROOM, NAME)
LIMITS = Limits(ring_s=45, connect_s=15, talk_s=600)


class Around:
    """Line, connections and panel in one: what the doorbell did, in order."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.shown: asyncio.Queue[Show] = asyncio.Queue()

    def take(self) -> list[object]:
        done, self.done = self.done, []
        return done

    # The line.
    def send(self, message: Message) -> None:
        self.done.append(message)

    def sweep(self) -> None:
        self.done.append("sweep")

    def check(self) -> None:
        self.done.append("check")

    # The connections.
    def open(self, number: int, *, again: bool) -> None:
        self.done.append(("open", number, again))

    def accept(self, number: int, answer: str, *, verified: bool) -> None:
        self.done.append(("verified" if verified else "accept", number, answer))

    def add_candidate(self, number: int, candidate: IceCandidate) -> None:
        self.done.append(("candidate", number, candidate))

    def close(self, reason: Reason | None) -> None:
        self.done.append(("close", reason))

    # The panel.
    def show(self, show: Show) -> None:
        self.shown.put_nowait(show)

    def release_door(self) -> None:
        self.done.append("release")

    async def until(self, state: State) -> Show:
        """Waits until the visitor is shown `state`."""
        async with asyncio.timeout(PATIENCE_S):
            while (show := await self.shown.get()).state is not state:
                pass
        return show


@pytest.fixture
def around() -> Around:
    return Around()


@pytest.fixture
def guard() -> Guard:
    return Guard(ROOM)


@pytest.fixture
def limits() -> Limits:
    return LIMITS


@pytest.fixture
async def doorbell(around: Around, guard: Guard, limits: Limits) -> AsyncIterator[Doorbell]:
    doorbell = Doorbell(guard, NAME, limits)
    doorbell.connect(around, around, around)
    async with in_background(doorbell.run()):
        yield doorbell


async def do(doorbell: Doorbell, *events: Event) -> None:
    """Posts the events, and waits until they are handled."""
    for event in events:
        doorbell.post(event)
    await doorbell.settle()


async def test_a_call_from_the_press_to_the_end(doorbell: Doorbell, around: Around):
    candidate = IceCandidate("x")
    await do(doorbell, LineUp(replaces_offers=True))
    assert around.take() == [JOIN, LEAVE, JOIN]
    await do(doorbell, Pressed())
    assert around.take() == [("open", 1, False)]
    await do(doorbell, OfferReady(1, OFFER))
    assert around.take() == [JOIN, Offer(ROOM, NAME, OFFER)]
    await do(doorbell, AnswerReceived(OFFER), CandidateReceived(candidate))
    assert around.take() == [("accept", 1, OFFER), ("candidate", 1, candidate)]
    await do(doorbell, Connected(1))
    await around.until(State.TALKING)
    await do(doorbell, HangUp())
    assert around.take() == [("close", Reason.HUNG_UP), LEAVE, JOIN]
    assert await around.until(State.IDLE) == Show(State.IDLE, Reason.HUNG_UP)
    assert doorbell.last_reason is Reason.HUNG_UP
    assert doorbell.call.state is State.IDLE


async def test_a_server_that_queues_is_swept_before_joining(doorbell: Doorbell, around: Around):
    await do(doorbell, LineUp(replaces_offers=False))
    assert around.take() == ["sweep", JOIN]


async def test_settle_returns_at_once_when_there_is_nothing_to_do(doorbell: Doorbell):
    await doorbell.settle()


async def test_events_posted_while_one_is_handled_keep_their_order(
    doorbell: Doorbell, around: Around, monkeypatch: pytest.MonkeyPatch
):
    def open_and_be_ready(number: int, *, again: bool) -> None:
        doorbell.post(OfferReady(number, OFFER))
        doorbell.post(HangUp())

    monkeypatch.setattr(around, "open", open_and_be_ready)
    await do(doorbell, LineUp(replaces_offers=True), Pressed())
    assert around.take() == [
        JOIN,
        LEAVE,
        JOIN,
        JOIN,
        Offer(ROOM, NAME, OFFER),
        ("close", Reason.HUNG_UP),
        LEAVE,
        JOIN,
    ]


async def test_of_a_flood_of_words_a_few_are_heard_and_the_button_is_still(
    doorbell: Doorbell, around: Around
):
    await do(doorbell, LineUp(replaces_offers=True), Pressed(), OfferReady(1, OFFER))
    around.take()
    words = [CandidateReceived(IceCandidate(f"candidate:{n}")) for n in range(10 * MAX_WAITING)]
    await do(doorbell, *words, HangUp())
    taken = [("candidate", 1, word.candidate) for word in words]
    assert [done for done in around.take() if done in taken] == taken[:MAX_WAITING]
    assert doorbell.last_reason is Reason.HUNG_UP


@pytest.mark.parametrize("limits", [Limits(ring_s=0.01)])
async def test_a_ring_that_nobody_answers_ends_by_itself(doorbell: Doorbell, around: Around):
    await do(doorbell, LineUp(), Pressed(), OfferReady(1, OFFER))
    assert (await around.until(State.IDLE)).reason is None
    assert (await around.until(State.IDLE)).reason is Reason.NO_ANSWER


@pytest.mark.parametrize("limits", [Limits(talk_s=0.01)])
async def test_a_call_that_lasts_too_long_ends_by_itself(doorbell: Doorbell, around: Around):
    await do(doorbell, LineUp(), Pressed(), OfferReady(1, OFFER), AnswerReceived(OFFER))
    await do(doorbell, Connected(1))
    await around.until(State.TALKING)
    assert (await around.until(State.IDLE)).reason is Reason.TOO_LONG


@pytest.mark.parametrize("limits", [Limits(ring_s=0.01)])
async def test_a_press_without_a_line_is_given_up_after_the_ring(
    doorbell: Doorbell, around: Around
):
    await do(doorbell, Pressed(), OfferReady(1, OFFER))
    assert (await around.until(State.OFFLINE)).reason is Reason.OFFLINE
    assert not any(isinstance(done, Offer) for done in around.take())


async def test_a_press_without_a_line_goes_out_when_the_line_returns(
    doorbell: Doorbell, around: Around
):
    await do(doorbell, Pressed(), OfferReady(1, OFFER))
    assert around.take() == [("open", 1, False)]
    await do(doorbell, LineUp(replaces_offers=True))
    assert around.take() == [JOIN, JOIN, Offer(ROOM, NAME, OFFER)]


async def test_stop_between_calls_leaves_the_room(doorbell: Doorbell, around: Around):
    await do(doorbell, LineUp(replaces_offers=True))
    around.take()
    await doorbell.stop()
    assert around.take() == [LEAVE]


async def test_stop_in_a_call_ends_it_first(doorbell: Doorbell, around: Around):
    await do(doorbell, LineUp(replaces_offers=True), Pressed(), OfferReady(1, OFFER))
    around.take()
    await doorbell.stop()
    assert around.take() == [("close", Reason.STOPPED), LEAVE]


async def test_stop_without_a_line_says_nothing(doorbell: Doorbell, around: Around):
    await do(doorbell, LineUp(replaces_offers=True), LineDown())
    around.take()
    await doorbell.stop()
    assert around.take() == []


async def test_the_loop_ends_after_stop():
    doorbell, around = Doorbell(Guard(ROOM), NAME, LIMITS), Around()
    doorbell.connect(around, around, around)
    doorbell.post(Pressed())
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        group.create_task(doorbell.run())
        group.create_task(doorbell.stop())
    assert around.take() == [("open", 1, False), ("close", Reason.STOPPED)]


async def test_a_call_is_logged_as_a_story_with_its_fields(
    doorbell: Doorbell, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="homecall_pi.doorbell")
    await do(doorbell, LineUp(replaces_offers=True), Pressed(), OfferReady(1, OFFER))
    await do(doorbell, AnswerReceived(OFFER, "Анна"), HangUp())
    pressed, offered, answered, ended = map(vars, caplog.records)
    assert (pressed["message"], pressed["EVENT"]) == ("call 1: pressed", "pressed")
    assert offered["message"] == f"call 1: offered after {offered['DURATION_MS']} ms"
    assert (answered["EVENT"], answered["PAGE"]) == ("answered", "Анна")
    assert (ended["EVENT"], ended["REASON"]) == ("ended", "hung-up")
    assert ended["message"].endswith("because somebody hung up")
    for record in (pressed, offered, answered, ended):
        assert (record["CALL_ID"], record["levelname"]) == (1, "INFO")


@pytest.mark.parametrize("limits", [Limits(ring_s=0.01)])
async def test_an_end_that_somebody_should_look_into_is_a_warning(
    doorbell: Doorbell, around: Around, caplog: pytest.LogCaptureFixture
):
    await do(doorbell, Pressed())
    assert (await around.until(State.OFFLINE)).reason is Reason.FAILED
    (warning,) = map(vars, caplog.records)
    assert (warning["REASON"], warning["levelname"]) == ("failed", "WARNING")


async def test_records_of_others_carry_the_number_of_the_call_that_is_on(doorbell: Doorbell):
    await do(doorbell, LineUp())
    assert current_call.number is None
    await do(doorbell, Pressed())
    assert current_call.number == 1
    await do(doorbell, HangUp())
    assert current_call.number is None


async def test_the_service_manager_is_told_what_changes(doorbell: Doorbell, manager: Manager):
    await do(doorbell, LineUp())
    assert manager.next() == ["STATUS=Ready: waiting for a press"]
    await do(doorbell, Pressed())
    assert manager.next() == ["STATUS=Call 1: offering"]
    await do(doorbell, LineDown())
    assert manager.next() == ["STATUS=Call 1: offering, without a line to the signaling server"]
    await do(doorbell, Pressed())
    with pytest.raises(BlockingIOError):
        manager.next()
    await do(doorbell, LineUp(), HangUp(), JoinRefused("full"), JoinRefused("not served"))
    for status in (
        "Call 1: offering",
        "Ready: waiting for a press",
        "Offline: full; trying again",
        "Offline: not served; trying again",
    ):
        assert manager.next() == [f"STATUS={status}"]


async def test_joined_is_when_the_room_was_joined_first(doorbell: Doorbell):
    assert not doorbell.joined.is_set()
    await do(doorbell, LineUp())
    assert doorbell.joined.is_set()


@pytest.mark.parametrize("guard", [Guard(ROOM, KEY, required=True)])
async def test_with_a_key_offers_are_sealed_and_answers_verified(
    doorbell: Doorbell, around: Around
):
    await do(doorbell, LineUp(replaces_offers=True), Pressed(), OfferReady(1, OFFER))
    sealed = seal.seal(KEY, "offer", ROOM, OFFER)
    assert around.take()[-1] == Offer(ROOM, NAME, sealed)
    await do(doorbell, AnswerReceived(OFFER), AnswerReceived(sealed))
    assert around.take() == []
    answer = seal.seal(KEY, "answer", ROOM, OFFER, sealed)
    await do(doorbell, AnswerReceived(answer))
    assert around.take() == [("verified", 1, answer)]
    assert doorbell.call.verified
    await do(doorbell, Connected(1), ReleaseWanted(1))
    assert around.take() == ["release"]


@pytest.mark.parametrize("guard", [Guard(ROOM, KEY)])
async def test_who_is_not_verified_gets_the_call_and_nothing_more(
    doorbell: Doorbell, around: Around, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="homecall_pi.doorbell")
    await do(doorbell, LineUp(replaces_offers=True), Pressed(), OfferReady(1, OFFER))
    await do(doorbell, AnswerReceived(OFFER, "Борис"))
    assert around.take()[-1] == ("accept", 1, OFFER)
    await do(doorbell, Connected(1), ReleaseWanted(1), ReleaseWanted(1))
    assert around.take() == []
    assert caplog.text.count("Борис is not verified and may not open the door") == 1
    assert "answered by Борис (not verified)" in caplog.text


async def test_every_action_of_the_table_is_performed(around: Around):
    """An action that the doorbell does not know would pass without a sound."""
    doorbell = Doorbell(Guard(ROOM), NAME, LIMITS)
    doorbell.connect(around, around, around)
    candidate = IceCandidate("x")
    each: dict[type, actions.Action] = {
        actions.Join: actions.Join(),
        actions.Leave: actions.Leave(),
        actions.Sweep: actions.Sweep(),
        actions.CheckLine: actions.CheckLine(),
        actions.OpenPeer: actions.OpenPeer(1),
        actions.SendOffer: actions.SendOffer(OFFER),
        actions.AcceptAnswer: actions.AcceptAnswer(1, OFFER),
        actions.AddCandidate: actions.AddCandidate(1, candidate),
        actions.ClosePeer: actions.ClosePeer(1, Reason.FAILED),
        actions.ReleaseDoor: actions.ReleaseDoor(),
        actions.Show: Show(State.IDLE),
    }
    assert set(each) == set(actions.Action.__args__)
    for action in each.values():
        doorbell._perform(action)
        assert around.take() or not around.shown.empty()
