"""Rooms: two seats, newest wins, and offers that stand until they are answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from homecall_pi.core import rooms as rooms_module
from homecall_pi.core.messages import (
    MAX_MESSAGE_BYTES,
    WITHDRAWN,
    Answer,
    Candidate,
    Error,
    IceCandidate,
    Join,
    Leave,
    Message,
    Offer,
    decode,
    encode,
)
from homecall_pi.core.rooms import (
    MAX_CANDIDATES,
    MAX_OFFER_AGE_S,
    MAX_OFFER_BYTES,
    Action,
    Close,
    Ignored,
    Rooms,
    Send,
)

ROOM = str(UUID(int=0xABCDEF))
OTHER_ROOM = str(UUID(int=2))
DOOR, ANNA, BORIS = "door", "Аня", "Борис"


def offer(name: str, text: str = "", room: str = ROOM) -> Offer:
    return Offer(room, name, f"v=0\r\n{text}")


def answer(name: str, room: str = ROOM) -> Answer:
    return Answer(room, name, "v=0\r\n")


def candidate(name: str, text: str = "", room: str = ROOM) -> Candidate:
    return Candidate(room, name, IceCandidate(text, "0", 0))


@dataclass
class Desk:
    """Rooms with a clock, and the answers spelled out: (to, message) for each frame sent."""

    rooms: Rooms[str] = field(default_factory=Rooms)
    now: float = 0.0

    def take(self, connection: str, message: Message) -> list[tuple[str, Message]]:
        """What is sent; nothing else may happen."""
        actions = self.act(connection, message)
        assert all(isinstance(action, Send) for action in actions), actions
        return [(action.to, decode(action.frame)) for action in actions]

    def act(self, connection: str, message: Message) -> list[Action[str]]:
        return self.rooms.receive(connection, message, self.now)

    def join(self, connection: str, name: str, room: str = ROOM) -> list[tuple[str, Message]]:
        return self.take(connection, Join(room, name))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_relays_all_three_kinds_to_the_other_one_only(desk: Desk):
    desk.join("d", DOOR)
    desk.join("a", ANNA)
    desk.join("x", DOOR, OTHER_ROOM)
    for message in (offer(DOOR), candidate(DOOR)):
        assert desk.take("d", message) == [("a", message)]
    for message in (answer(ANNA), candidate(ANNA)):
        assert desk.take("a", message) == [("d", message)]


def test_a_third_name_is_refused_and_the_two_notice_nothing(desk: Desk):
    desk.join("d", DOOR)
    desk.join("a", ANNA)
    assert desk.join("b", BORIS) == [("b", Error("room is full", ROOM))]
    assert desk.rooms.room_of("b") is None
    assert desk.take("a", candidate(ANNA)) == [("d", candidate(ANNA))]


def test_a_door_finds_its_seat_though_two_pages_took_the_room_meanwhile(desk: Desk):
    desk.join("a", ANNA)
    desk.join("b", BORIS)
    actions = desk.rooms.receive("d", Join(ROOM, DOOR), desk.now, device=True)
    assert actions == [Send("b", encode(Error("room is full", ROOM)))]
    assert desk.rooms.room_of("b") is None
    assert desk.take("d", offer(DOOR)) == [("a", offer(DOOR))]
    assert desk.join("b", BORIS) == [("b", Error("room is full", ROOM))]


@pytest.mark.parametrize("first", [DOOR, ANNA])
def test_a_second_door_does_not_unseat_the_page_of_the_first(desk: Desk, first: str):
    for name in (first, ANNA if first == DOOR else DOOR):
        desk.rooms.receive(name, Join(ROOM, name), desk.now, device=name == DOOR)
    actions = desk.rooms.receive("b", Join(ROOM, BORIS), desk.now, device=True)
    assert actions == [Send("b", encode(Error("room is full", ROOM)))]
    assert desk.take(DOOR, offer(DOOR)) == [(ANNA, offer(DOOR))]


def test_a_third_door_unseats_nobody(desk: Desk):
    for connection, name in (("a", ANNA), ("b", BORIS)):
        desk.rooms.receive(connection, Join(ROOM, name), desk.now, device=True)
    actions = desk.rooms.receive("d", Join(ROOM, DOOR), desk.now, device=True)
    assert actions == [Send("d", encode(Error("room is full", ROOM)))]


@pytest.mark.parametrize("how", ["leave", "lost"])
def test_a_slot_is_free_again(desk: Desk, how: str):
    desk.join("d", DOOR)
    desk.join("a", ANNA)
    if how == "leave":
        desk.take("a", Leave(ROOM, ANNA))
    else:
        desk.rooms.lost("a")
    assert desk.join("b", BORIS) == []
    assert desk.rooms.room_of("b") == ROOM


def test_the_same_name_takes_its_seat_over(desk: Desk):
    desk.join("d", DOOR)
    desk.join("old", ANNA)
    assert desk.act("new", Join(ROOM, ANNA)) == [Close("old")]
    desk.rooms.lost("old")  # the close that follows changes nothing
    assert desk.take("d", candidate(DOOR)) == [("new", candidate(DOOR))]
    assert desk.act("old", candidate(ANNA)) == [Ignored("message before join")]


def test_join_again_is_idempotent(desk: Desk):
    desk.join("d", DOOR)
    desk.take("d", offer(DOOR))
    assert desk.join("a", ANNA) == [("a", offer(DOOR))]
    assert desk.join("a", ANNA) == []
    assert desk.join("d", DOOR) == []
    assert desk.join("b", BORIS) == [("b", Error("room is full", ROOM))]


def test_a_connection_that_joins_elsewhere_leaves_the_former_room(desk: Desk):
    desk.join("d", DOOR)
    desk.take("d", offer(DOOR))
    desk.join("d", DOOR, OTHER_ROOM)
    assert desk.rooms.room_of("d") == OTHER_ROOM
    assert desk.join("a", ANNA) == []
    assert len(desk.rooms) == 2


def test_a_connection_may_change_its_name_in_a_full_room(desk: Desk):
    desk.join("d", DOOR)
    desk.join("a", ANNA)
    assert desk.join("a", BORIS) == []
    assert desk.take("a", candidate(BORIS)) == [("d", candidate(BORIS))]


def test_a_refused_move_changes_nothing(desk: Desk):
    desk.join("d", DOOR)
    desk.join("a", ANNA)
    desk.join("b", BORIS, OTHER_ROOM)
    desk.join("b", BORIS)
    assert desk.rooms.room_of("b") == OTHER_ROOM


def test_uuids_are_compared_without_case(desk: Desk):
    desk.join("d", DOOR, ROOM.upper())
    desk.join("a", ANNA, ROOM)
    message = offer(DOOR, room=ROOM.upper())
    assert desk.take("d", message) == [("a", message)]
    assert len(desk.rooms) == 1


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (candidate(ANNA, room=OTHER_ROOM), "message for another room"),
        (offer(DOOR), "message in another name"),
        (offer(BORIS), "message in another name"),
        (Leave(ROOM, DOOR), "message in another name"),
        (Leave(OTHER_ROOM, ANNA), "message for another room"),
    ],
)
def test_foreign_and_forged_messages_are_ignored(desk: Desk, message: Message, why: str):
    desk.join("d", DOOR)
    desk.join("a", ANNA)
    assert desk.act("a", message) == [Ignored(why)]
    assert desk.rooms.held_bytes == 0
    assert desk.take("d", candidate(DOOR)) == [("a", candidate(DOOR))]


def test_nobody_is_heard_before_join(desk: Desk):
    desk.join("a", ANNA)
    for message in (offer(DOOR), answer(DOOR), candidate(DOOR)):
        assert desk.act("d", message) == [Ignored("message before join")]
    assert desk.act("d", Leave(ROOM, ANNA)) == []
    desk.rooms.lost("d")
    assert desk.rooms.room_of("a") == ROOM


class TestStandingOffer:
    """What is held for those who come later."""

    @pytest.fixture(autouse=True)
    def door(self, desk: Desk) -> None:
        desk.join("d", DOOR)

    def test_is_delivered_in_order_with_its_candidates(self, desk: Desk):
        sent = [offer(DOOR), candidate(DOOR, "1"), candidate(DOOR, "2")]
        for message in sent:
            assert desk.take("d", message) == []
        assert desk.join("a", ANNA) == [("a", message) for message in sent]

    def test_gives_way_to_a_newer_one_with_its_candidates(self, desk: Desk):
        for message in (offer(DOOR, "1"), candidate(DOOR, "1"), offer(DOOR, "2")):
            desk.take("d", message)
        desk.take("d", candidate(DOOR, "2"))
        assert desk.join("a", ANNA) == [("a", offer(DOOR, "2")), ("a", candidate(DOOR, "2"))]

    def test_is_dropped_when_its_sender_leaves(self, desk: Desk):
        desk.take("d", offer(DOOR))
        desk.take("d", Leave(ROOM, DOOR))
        assert len(desk.rooms) == desk.rooms.held_bytes == 0
        assert desk.join("a", ANNA) == []

    def test_of_an_earlier_run_is_dropped_by_joining_leaving_and_joining(self, desk: Desk):
        desk.take("d", offer(DOOR))
        desk.rooms.lost("d")
        assert desk.join("d2", DOOR) == []
        assert desk.take("d2", Leave(ROOM, DOOR)) == desk.join("d2", DOOR) == []
        assert desk.join("a", ANNA) == []

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize("answered", [True, False])
    def test_is_told_to_be_withdrawn_where_it_is_wanted(
        self, desk: Desk, live: bool, answered: bool
    ):
        if live:
            desk.act("a", Join(ROOM, ANNA, withdrawals=True))
        desk.take("d", offer(DOOR))
        desk.act("a", Join(ROOM, ANNA, withdrawals=True))
        if answered:
            desk.take("a", answer(ANNA))
        assert desk.take("d", Leave(ROOM, DOOR)) == [("a", Error(WITHDRAWN, ROOM))]
        assert desk.join("d", DOOR) == desk.take("d", Leave(ROOM, DOOR)) == []

    def test_is_withdrawn_without_a_word_where_it_was_not_asked_for(self, desk: Desk):
        desk.join("a", ANNA)
        desk.take("d", offer(DOOR))
        assert desk.take("d", Leave(ROOM, DOOR)) == []

    def test_is_withdrawn_without_a_word_where_nobody_has_got_it(self, desk: Desk):
        desk.act("a", Join(ROOM, ANNA, withdrawals=True))
        desk.take("d", offer(DOOR))
        desk.rooms.lost("a")
        assert desk.take("d", Leave(ROOM, DOOR)) == []

    @pytest.mark.parametrize("replaced", [True, False])
    def test_is_told_to_be_withdrawn_on_whatever_line_the_page_has_now(
        self, desk: Desk, replaced: bool
    ):
        desk.act("a", Join(ROOM, ANNA, withdrawals=True))
        desk.take("d", offer(DOOR))
        desk.take("a", answer(ANNA))
        if not replaced:
            desk.rooms.lost("a")
        desk.act("a2", Join(ROOM, ANNA, withdrawals=True))
        assert desk.take("d", Leave(ROOM, DOOR)) == [("a2", Error(WITHDRAWN, ROOM))]

    def test_outlives_its_senders_connection(self, desk: Desk):
        desk.take("d", offer(DOOR))
        desk.rooms.lost("d")
        assert desk.join("a", ANNA) == [("a", offer(DOOR))]
        assert desk.join("d2", DOOR) == []
        assert desk.take("a", answer(ANNA)) == [("d2", answer(ANNA))]

    def test_goes_on_with_candidates_after_a_reconnect(self, desk: Desk):
        desk.take("d", offer(DOOR))
        desk.rooms.lost("d")
        desk.join("d2", DOOR)
        desk.take("d2", candidate(DOOR))
        assert desk.join("a", ANNA) == [("a", offer(DOOR)), ("a", candidate(DOOR))]

    @pytest.mark.parametrize("how", ["lost", "leave", "replaced"])
    def test_reaches_a_page_reloaded_while_it_rings(self, desk: Desk, how: str):
        desk.join("a", ANNA)
        desk.take("d", offer(DOOR))
        desk.take("d", candidate(DOOR))
        if how == "lost":
            desk.rooms.lost("a")
        elif how == "leave":
            desk.take("a", Leave(ROOM, ANNA))
        sent = [a for a in desk.act("a2", Join(ROOM, ANNA)) if isinstance(a, Send)]
        assert [decode(a.frame) for a in sent] == [offer(DOOR), candidate(DOOR)]

    @pytest.mark.parametrize("live", [True, False])
    def test_is_not_delivered_twice_to_one_connection(self, desk: Desk, live: bool):
        if live:
            desk.join("a", ANNA)
            desk.take("d", offer(DOOR))
        else:
            desk.take("d", offer(DOOR))
            desk.join("a", ANNA)
        desk.take("a", Leave(ROOM, ANNA))
        assert desk.join("a", ANNA) == []
        desk.take("d", offer(DOOR, "new"))
        assert desk.join("a", BORIS) == []

    def test_ends_with_the_answer(self, desk: Desk):
        desk.join("a", ANNA)
        desk.take("d", offer(DOOR))
        desk.take("a", answer(ANNA))
        assert desk.rooms.held_bytes == 0
        desk.take("d", candidate(DOOR))
        desk.rooms.lost("a")
        assert desk.join("a2", ANNA) == []

    def test_stays_when_the_answer_reaches_nobody(self, desk: Desk):
        desk.join("a", ANNA)
        desk.take("d", offer(DOOR))
        desk.rooms.lost("d")
        assert desk.take("a", answer(ANNA)) == []
        assert desk.join("d2", DOOR) == []  # answers are not held
        desk.rooms.lost("a")
        assert desk.join("a2", ANNA) == [("a2", offer(DOOR))]

    def test_both_offers_end_with_the_answer_to_one(self, desk: Desk):
        desk.join("a", ANNA)
        desk.take("d", offer(DOOR))
        desk.take("a", offer(ANNA))
        desk.take("a", answer(ANNA))
        assert desk.rooms.held_bytes == 0

    def test_is_the_only_thing_that_is_held(self, desk: Desk):
        desk.take("d", answer(DOOR))
        desk.take("d", candidate(DOOR))
        assert desk.rooms.held_bytes == 0
        assert desk.join("a", ANNA) == []

    def test_yields_its_empty_seat_to_a_newcomer(self, desk: Desk):
        desk.take("d", offer(DOOR))
        desk.rooms.lost("d")
        desk.join("a", ANNA)
        assert desk.join("b", BORIS) == []
        assert desk.rooms.held_bytes == 0
        assert desk.join("d2", DOOR) == [("d2", Error("room is full", ROOM))]

    def test_of_two_absent_ones_the_older_yields(self, desk: Desk):
        desk.take("d", offer(DOOR))
        desk.join("a", ANNA)
        desk.now = 1.0
        desk.take("a", offer(ANNA))
        desk.rooms.lost("d")
        desk.rooms.lost("a")
        assert desk.join("b", BORIS) == [("b", offer(ANNA))]

    def test_ages(self, desk: Desk):
        desk.take("d", offer(DOOR))
        desk.now = MAX_OFFER_AGE_S
        desk.take("d", candidate(DOOR))  # a later candidate does not make it younger
        desk.rooms.expire(desk.now)
        assert desk.rooms.held_bytes > 0
        desk.now += 1.0
        assert desk.join("a", ANNA) == []
        assert desk.rooms.held_bytes == 0

    def test_leaves_nothing_of_an_empty_room_when_it_expires(self, desk: Desk):
        desk.take("d", offer(DOOR))
        desk.rooms.lost("d")
        desk.rooms.expire(MAX_OFFER_AGE_S)
        assert len(desk.rooms) == 1
        desk.rooms.expire(MAX_OFFER_AGE_S + 1.0)
        assert len(desk.rooms) == desk.rooms.held_bytes == 0

    def test_expires_without_its_sender_losing_the_seat(self, desk: Desk):
        desk.take("d", offer(DOOR))
        desk.rooms.expire(MAX_OFFER_AGE_S + 1.0)
        assert desk.rooms.held_bytes == 0
        assert desk.rooms.room_of("d") == ROOM

    def test_holds_no_more_candidates_than_the_limit(self, desk: Desk):
        desk.take("d", offer(DOOR))
        for number in range(MAX_CANDIDATES + 10):
            desk.take("d", candidate(DOOR, str(number)))
        assert len(desk.join("a", ANNA)) == 1 + MAX_CANDIDATES
        assert desk.take("d", candidate(DOOR, "live")) == [("a", candidate(DOOR, "live"))]

    def test_holds_no_more_bytes_than_the_limit(self, desk: Desk):
        desk.take("d", offer(DOOR, "x" * (MAX_MESSAGE_BYTES - 200)))
        for _ in range(MAX_CANDIDATES):
            desk.take("d", candidate(DOOR, "x" * 1024))
        assert MAX_OFFER_BYTES - 2048 < desk.rooms.held_bytes <= MAX_OFFER_BYTES

    def test_counts_bytes_and_not_characters(self, desk: Desk):
        desk.take("d", offer(DOOR, "я" * 100))
        assert desk.rooms.held_bytes == len(encode(offer(DOOR, "я" * 100)).encode())


class TestServed:
    """A server of certain rooms."""

    @pytest.fixture
    def desk(self) -> Desk:
        return Desk(Rooms([ROOM.upper()]))

    def test_others_are_refused_and_nothing_is_kept_of_them(self, desk: Desk):
        refusal = Error("room is not served here", OTHER_ROOM)
        assert desk.join("x", DOOR, OTHER_ROOM) == [("x", refusal)]
        assert desk.act("x", offer(DOOR, room=OTHER_ROOM)) == [Ignored("message before join")]
        assert len(desk.rooms) == 0

    def test_a_device_is_refused_like_a_page(self, desk: Desk):
        refusal = [Send("x", encode(Error("room is not served here", OTHER_ROOM)))]
        assert desk.rooms.receive("x", Join(OTHER_ROOM, DOOR), 0.0, device=True) == refusal

    def test_its_own_are_served_in_any_spelling(self, desk: Desk):
        desk.join("d", DOOR)
        desk.join("a", ANNA, ROOM.upper())
        assert desk.take("d", offer(DOOR)) == [("a", offer(DOOR))]

    def test_a_refusal_leaves_one_in_the_former_room(self, desk: Desk):
        desk.join("d", DOOR)
        desk.join("d", DOOR, OTHER_ROOM)
        assert desk.rooms.room_of("d") == ROOM


class TestServerLimits:
    """Bounds on everything together; small here, to be quick."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rooms_module, "MAX_ROOMS", 2)
        monkeypatch.setattr(rooms_module, "MAX_HELD_BYTES", 1000)

    def test_a_room_with_nobody_in_it_yields_to_one_with_people(self, desk: Desk):
        rooms = [str(UUID(int=number)) for number in range(4)]
        for room in rooms[:2]:
            desk.join(room, DOOR, room)
            desk.now += 1.0
            desk.take(room, offer(DOOR, room=room))
            desk.rooms.lost(room)
        assert desk.join("late", DOOR, rooms[2]) == []
        assert desk.join("a", ANNA, rooms[1]) == [("a", offer(DOOR, room=rooms[1]))]
        full = Error("server is full", rooms[0])
        assert desk.join("b", BORIS, rooms[0]) == [("b", full)]  # its offer was the older one
        assert desk.rooms.held_bytes == len(encode(offer(DOOR, room=rooms[1])))

    def test_the_largest_offer_yields_to_smaller_ones(self, desk: Desk):
        desk.join("d", DOOR)
        for name, room, size in (("x", OTHER_ROOM, 600), ("d", ROOM, 300)):
            desk.join(name, DOOR, room)
            assert desk.take(name, offer(DOOR, "x" * size, room)) == []
        assert desk.join("a", ANNA) == [("a", offer(DOOR, "x" * 300))]
        assert desk.join("b", ANNA, OTHER_ROOM) == []

    def test_no_more_rooms_than_the_limit(self, desk: Desk):
        rooms = [str(UUID(int=number)) for number in range(3)]
        for room in rooms[:2]:
            assert desk.join(room, DOOR, room) == []
        assert desk.join("late", DOOR, rooms[2]) == [("late", Error("server is full", rooms[2]))]
        assert desk.join("a", ANNA, rooms[0]) == []
        desk.rooms.lost(rooms[1])
        assert desk.join("late", DOOR, rooms[2]) == []

    def test_no_more_bytes_than_the_limit(self, desk: Desk):
        desk.join("d", DOOR)
        desk.take("d", offer(DOOR, "x" * 700))
        desk.join("e", DOOR, OTHER_ROOM)
        big = offer(DOOR, "x" * 700, OTHER_ROOM)
        assert desk.take("e", big) == [("e", Error("server is full", OTHER_ROOM))]
        desk.join("a", ANNA, OTHER_ROOM)
        assert desk.take("e", big) == [("a", big)]  # live it passes; it just does not stand
        for _ in range(10):
            desk.take("d", candidate(DOOR, "x" * 100))
        assert 700 < desk.rooms.held_bytes <= 1000


NAMES = [DOOR, ANNA, BORIS]
ROOMS = [ROOM, ROOM.upper(), OTHER_ROOM]
names, places = st.sampled_from(NAMES), st.sampled_from(ROOMS)


class RoomsMachine(RuleBasedStateMachine):
    """Anything in any order, against a plain model of who sits where and which offers stand."""

    def __init__(self) -> None:
        super().__init__()
        self.rooms = Rooms[int]()
        self.now = 0.0
        self.count = 0
        self.open: list[int] = []
        self.seats: dict[int, tuple[str, str]] = {}
        self.stands: dict[tuple[str, str], tuple[float, list[str]]] = {}
        self.seen: dict[tuple[str, str], int] = {}
        self.called: dict[tuple[str, str], str] = {}
        self.curious: set[int] = set()

    def new_connection(self) -> int:
        self.count += 1
        self.open.append(self.count)
        return self.count

    def connection(self, data: st.DataObject) -> int:
        """An open connection, or a new one."""
        choice = [*self.open, 0] if len(self.open) < 4 else self.open
        return data.draw(st.sampled_from(choice)) or self.new_connection()

    def sitting(self, room: str) -> dict[str, int]:
        return {name: c for c, (r, name) in self.seats.items() if r == room}

    def forget(self, place: tuple[str, str]) -> None:
        self.stands.pop(place, None)
        self.seen.pop(place, None)
        if place[1] not in self.sitting(place[0]):
            self.called.pop(place, None)

    def sent(self, actions: list[Action[int]]) -> list[tuple[int, str]]:
        return [(action.to, action.frame) for action in actions if isinstance(action, Send)]

    @rule(data=st.data(), spelled=places, name=names, curious=st.booleans())
    def join(self, data: st.DataObject, spelled: str, name: str, curious: bool) -> None:
        connection, room = self.connection(data), spelled.lower()
        actions = self.rooms.receive(connection, Join(spelled, name, curious), self.now)
        if self.seats.get(connection) == (room, name):
            assert actions == []
            return
        others = {n: c for n, c in self.sitting(room).items() if c != connection and n != name}
        if len(others) == 2:
            assert self.sent(actions) == [(connection, encode(Error("room is full", spelled)))]
            return
        sent = self.sent(actions)
        if connection in self.seats:
            told = self.withdraw(self.seats.pop(connection))
            assert sent[: len(told)] == told
            sent = sent[len(told) :]
        self.take_seat(connection, room, name, actions)
        (self.curious.add if curious else self.curious.discard)(connection)
        self.expect_delivery(connection, room, name, sent)

    def take_seat(self, connection: int, room: str, name: str, actions: list[Action[int]]) -> None:
        replaced = self.sitting(room).get(name)
        assert [a for a in actions if isinstance(a, Close)] == ([Close(replaced)] * bool(replaced))
        if replaced:
            del self.seats[replaced]
            self.open.remove(replaced)
        present = self.sitting(room)
        ghosts = [p for p in self.stands if p[0] == room and p[1] != name and p[1] not in present]
        if len(present) + len(ghosts) == 2:
            self.forget(min(ghosts, key=lambda place: self.stands[place][0]))
        self.seats[connection] = (room, name)

    def withdraw(self, place: tuple[str, str]) -> list[tuple[int, str]]:
        """The place is left. Whoever was called from it, is there still and wants to, is told."""
        called = self.called.get(place)
        self.forget(place)
        told = {self.sitting(place[0]).get(called or "")} & self.curious
        return [(c, encode(Error("the call was withdrawn", place[0]))) for c in told]

    def expect_delivery(
        self, connection: int, room: str, name: str, sent: list[tuple[int, str]]
    ) -> None:
        expected: list[tuple[int, str]] = []
        for place in [p for p in self.stands if p[0] == room and p[1] != name]:
            if self.seen.get(place) == connection:
                continue
            since, frames = self.stands[place]
            if self.now - since > MAX_OFFER_AGE_S:
                self.forget(place)
            else:
                self.seen[place], self.called[place] = connection, name
                expected = [(connection, frame) for frame in frames]
        assert sent == expected

    @precondition(lambda self: self.seats)
    @rule(data=st.data(), kind=st.sampled_from([Offer, Answer, Candidate]))
    def say(self, data: st.DataObject, kind: type) -> None:
        connection = data.draw(st.sampled_from(sorted(self.seats)))
        room, name = place = self.seats[connection]
        self.now += 0.001  # no two offers come at once, so one of two is the older
        self.count += 1
        text = f"{self.count}"
        message = {
            Offer: offer(name, text, room),
            Answer: answer(name, room),
            Candidate: candidate(name, text, room),
        }[kind]
        frame = encode(message)
        others = [c for n, c in self.sitting(room).items() if n != name]
        assert len(others) <= 1
        actions = self.rooms.receive(connection, message, self.now)
        assert actions == [Send(other, frame) for other in others]
        if kind is Offer:
            self.forget(place)
            self.stands[place] = (self.now, [frame])
            self.called.pop(place, None)
            if others:
                self.seen[place], self.called[place] = others[0], self.seats[others[0]][1]
        elif kind is Candidate and place in self.stands:
            self.stands[place][1].append(frame)
        elif kind is Answer and others:
            for answered in [p for p in self.stands if p[0] == room]:
                self.forget(answered)

    @rule(data=st.data(), room=places, name=names, kind=st.sampled_from([Offer, Leave]))
    def lie(self, data: st.DataObject, room: str, name: str, kind: type) -> None:
        """A message from where one does not sit changes nothing."""
        connection = self.connection(data)
        if self.seats.get(connection) == (room.lower(), name):
            return
        message = Leave(room, name) if kind is Leave else offer(name, "lie", room)
        actions = self.rooms.receive(connection, message, self.now)
        if kind is Leave and connection not in self.seats:
            assert actions == []
        else:
            assert [type(action) for action in actions] == [Ignored]

    @precondition(lambda self: self.seats)
    @rule(data=st.data(), politely=st.booleans())
    def go(self, data: st.DataObject, politely: bool) -> None:
        connection = data.draw(st.sampled_from(sorted(self.seats)))
        room, name = self.seats.pop(connection)
        if politely:
            actions = self.rooms.receive(connection, Leave(room, name), self.now)
            assert self.sent(actions) == self.withdraw((room, name))
        else:
            self.rooms.lost(connection)
            self.open.remove(connection)
            if (room, name) not in self.stands:
                self.called.pop((room, name), None)

    @rule()
    def lose_a_stranger(self) -> None:
        """A replaced connection closes late, after its name has a newer one."""
        self.rooms.lost(-1)

    @rule(seconds=st.sampled_from([1.0, 60.0, MAX_OFFER_AGE_S + 1.0]), expire=st.booleans())
    def wait(self, seconds: float, expire: bool) -> None:
        self.now += seconds
        if expire:
            self.rooms.expire(self.now)
            for place, (since, _) in list(self.stands.items()):
                if self.now - since > MAX_OFFER_AGE_S:
                    self.forget(place)

    @invariant()
    def agrees_with_the_model(self) -> None:
        for connection in self.open:
            place = self.seats.get(connection)
            assert self.rooms.room_of(connection) == (place[0] if place else None)
        for room in (ROOM, OTHER_ROOM):
            assert len(self.sitting(room)) <= 2
        frames = [frame for _, held in self.stands.values() for frame in held]
        assert self.rooms.held_bytes == sum(len(frame.encode()) for frame in frames)

    @invariant()
    def nothing_is_left_of_empty_rooms(self) -> None:
        used = {room for room, _ in self.seats.values()} | {room for room, _ in self.stands}
        assert len(self.rooms) == len(used)


TestRoomsMachine = RoomsMachine.TestCase
TestRoomsMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
