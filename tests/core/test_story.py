"""The story of whole calls, told of the table's real steps."""

from __future__ import annotations

import pytest

from homecall_pi.core import call as table
from homecall_pi.core.events import (
    Accepted,
    AnswerReceived,
    Connected,
    DeadlinePassed,
    Declined,
    Event,
    HangUp,
    JoinRefused,
    LineDown,
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
from homecall_pi.core.seal import Verdict
from homecall_pi.core.state import Call, Limits, Reason, State
from homecall_pi.core.story import WHY, Note, Story

from .doors import an_answer, an_offer

LIMITS = Limits(ring_s=45, connect_s=15, talk_s=600)


class Told:
    """A door's table and its story, in one."""

    def __init__(self) -> None:
        self.call = Call()
        self.story = Story()
        self.now = 1000.0

    def at(self, seconds: float, *events: Event) -> list[Note]:
        """The notes on `events`, which come `seconds` after those before."""
        self.now += seconds
        notes: list[Note] = []
        for event in events:
            before = self.call
            self.call, actions = table.step(before, event, self.now, LIMITS)
            notes += self.story.tell(event, before, self.call, actions, self.now)
        return notes

    def ring(self) -> list[Note]:
        """A press, and 3 ms later the offer."""
        return [
            *self.at(0, Pressed()),
            *self.at(0.003, OfferReady(self.call.peer, an_offer(self.call.peer))),
        ]

    def answer(
        self, name: str = "Анна", *, ours: bool, verdict: Verdict = Verdict.KEYLESS
    ) -> Event:
        """An answer to the offer in force."""
        answer = an_answer(self.call.offer or "", control=ours)
        return AnswerReceived(answer, name, verdict)

    @property
    def status(self) -> str:
        return self.story.status(self.call)


@pytest.fixture
def door() -> Told:
    door = Told()
    assert door.at(0, LineUp(replaces_offers=True)) == []
    return door


def texts(notes: list[Note]) -> list[str]:
    return [note.text for note in notes]


def test_a_call_with_a_page_of_ours(door: Told):
    told = door.ring()
    told += door.at(0.2, door.answer(ours=True))
    told += door.at(0.034, Connected(1))
    told += door.at(4, Accepted(1))
    told += door.at(30, Declined(1))
    assert texts(told) == [
        "pressed",
        "offered after 3 ms",
        "rings at the page of Анна",
        "media up after 34 ms",
        "answered by Анна after 4.2 s",
        "ended after 34.2 s because somebody hung up",
    ]
    assert [note.event for note in told] == [
        "pressed",
        "offered",
        "shown",
        "media-up",
        "answered",
        "ended",
    ]
    assert [note.page for note in told] == [None, None, "Анна", None, "Анна", None]
    assert [note.duration_s for note in told[1:]] == pytest.approx(
        [0.003, 0.203, 0.034, 4.237, 34.237]
    )
    assert told[-1].reason is Reason.HUNG_UP
    assert not any(note.trouble for note in told)


def test_a_call_with_a_page_that_knows_only_the_protocol(door: Told):
    told = [*door.ring(), *door.at(5, door.answer("Борис", ours=False))]
    told += door.at(0.5, Connected(1))
    told += door.at(20, PeerClosed(1))
    assert texts(told)[2:] == [
        "answered by Борис after 5.0 s",
        "media up after 500 ms",
        "ended after 25.5 s because the page vanished",
    ]


def test_a_person_who_answers_before_the_connection_is_known_to_stand(door: Told):
    door.ring()
    door.at(1, door.answer(ours=True))
    assert texts(door.at(0.1, Accepted(1))) == [
        "media up after 100 ms",
        "answered by Анна after 1.1 s",
    ]
    assert door.at(0.1, Connected(1)) == []


def test_durations_begin_anew_with_each_call(door: Told):
    door.ring()
    door.at(100, HangUp())
    assert texts(door.ring()) == ["pressed", "offered after 3 ms"]


def test_a_press_in_a_call_is_told_as_such(door: Told):
    door.ring()
    assert texts(door.at(2, Pressed())) == ["pressed again"]
    assert texts(door.at(3, HangUp())) == ["ended after 5.0 s because somebody hung up"]


def test_a_press_without_a_line_waits_and_is_offered_later(door: Told):
    door.at(0, LineDown())
    told = door.ring()
    assert texts(told) == ["pressed", "waits for a line to the server"]
    assert [note.trouble for note in told] == [False, True]
    assert texts(door.at(5, LineUp(replaces_offers=True))) == ["offered after 5003 ms"]


def test_a_press_without_a_line_that_stays_away_is_trouble(door: Told):
    door.at(0, LineDown())
    door.ring()
    (end,) = door.at(45, DeadlinePassed())
    assert (end.reason, end.trouble) == (Reason.OFFLINE, True)
    assert end.text == "ended after 45.0 s because there was no line to the server"


def test_an_offer_that_is_sent_once_more_is_not_told_once_more(door: Told):
    door.ring()
    assert door.at(1, LineDown(), LineUp(replaces_offers=True)) == []


def test_a_preview_that_vanishes_is_told_with_the_offer_that_follows(door: Told):
    door.ring()
    door.at(1, door.answer(ours=True), Connected(1))
    told = door.at(1, PeerClosed(1))
    told += door.at(0.5, OfferReady(2, an_offer(2)))
    assert texts(told) == [
        "the connection to the page is lost; ringing on",
        "offered again after 2503 ms",
    ]


def test_media_that_is_lost_and_comes_back(door: Told):
    door.ring()
    door.at(1, door.answer(ours=False), Connected(1))
    lost = door.at(10, MediaLost(1))
    assert (texts(lost), lost[0].trouble) == (["media lost; reconnecting"], True)
    assert texts(door.at(2.5, MediaBack(1))) == ["media back after 2.5 s"]


def test_media_that_comes_back_by_another_connection(door: Told):
    door.ring()
    door.at(1, door.answer(ours=True), Connected(1), Accepted(1))
    door.at(10, PeerFailed(1), LineUp(replaces_offers=True))
    assert texts(door.at(1, OfferReady(2, an_offer(2)))) == ["offered again after 12003 ms"]
    assert door.at(0.2, door.answer(ours=True), Connected(2)) == []
    assert texts(door.at(0.1, Accepted(2))) == ["media back after 1.3 s"]


def test_a_call_that_another_page_takes_over(door: Told):
    door.ring()
    door.at(1, door.answer(ours=True), Connected(1), Accepted(1))
    door.at(10, PeerFailed(1), LineUp(replaces_offers=True))
    door.at(1, OfferReady(2, an_offer(2)))
    door.at(0.2, door.answer("Борис", ours=True), Connected(2))
    (back,) = door.at(0.1, Accepted(2))
    assert (back.text, back.page) == ("media back after 1.3 s, with Борис", "Борис")


def test_an_answer_that_is_refused_is_told_once(door: Told):
    door.ring()
    refused = door.answer(ours=True, verdict=Verdict.REFUSED)
    (told,) = door.at(1, refused, refused)
    assert (told.event, told.trouble) == ("answer-refused", True)


def test_who_opens_the_door_is_told(door: Told):
    door.ring()
    door.at(1, door.answer(ours=True, verdict=Verdict.VERIFIED), Connected(1), Accepted(1))
    (told,) = door.at(1, ReleaseWanted(1))
    assert (told.event, told.text, told.page) == ("released", "Анна opens the door", "Анна")


def test_who_may_not_open_the_door_is_told_once_in_a_call(door: Told):
    door.ring()
    door.at(1, door.answer(ours=True, verdict=Verdict.UNVERIFIED), Connected(1), Accepted(1))
    (told,) = door.at(1, ReleaseWanted(1), ReleaseWanted(1))
    assert (told.event, told.page, told.trouble) == ("release-refused", "Анна", True)


def test_a_page_without_the_key_is_told_as_not_verified(door: Told):
    door.ring()
    told = door.at(1, door.answer(ours=False, verdict=Verdict.UNVERIFIED))
    assert texts(told) == ["answered by Анна (not verified) after 1.0 s"]


def test_stopping_in_a_call_ends_it(door: Told):
    door.ring()
    (end,) = door.at(1, Stop())
    assert (end.reason, end.trouble) == (Reason.STOPPED, False)


def test_events_that_change_nothing_are_not_told(door: Told):
    door.ring()
    assert door.at(1, AnswerReceived("v=0\r\n", "Mallory"), Connected(9), Accepted(9)) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [("", "somebody"), ("A\nMAINPID=1", r"A\nMAINPID=1"), ("x" * 128, "x" * 64)],
)
def test_names_are_strangers_text(door: Told, name: str, shown: str):
    door.ring()
    (note,) = door.at(1, door.answer(name, ours=True))
    assert (note.page, note.text) == (shown, f"rings at the page of {shown}")


def test_every_end_has_its_words():
    assert set(WHY) == set(Reason)


def test_the_status_of_each_state(door: Told):
    assert door.status == "Ready: waiting for a press"
    door.ring()
    assert door.status == "Call 1: ringing"
    door.at(1, door.answer(ours=True))
    assert door.status == "Call 1: connecting"
    door.at(1, Connected(1), Accepted(1))
    assert door.status == "Call 1: talking to Анна"
    door.at(1, LineDown())
    assert door.status == "Call 1: talking to Анна"
    door.at(1, MediaLost(1))
    assert door.status == "Call 1: reconnecting, without a line to the signaling server"
    door.at(1, HangUp())
    assert door.status == "Offline: the signaling server is not reached; trying again"


def test_the_status_says_why_the_server_does_not_let_the_door_in(door: Told):
    door.at(1, JoinRefused("the room is full; leave it"))
    assert door.status == "Offline: the room is full; leave it; trying again"
    door.at(1, LineDown())
    assert door.status == "Offline: the signaling server is not reached; trying again"


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_status_of_one_line(state: State):
    assert Story().status(Call(state=state)).isprintable()
