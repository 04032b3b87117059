"""Whether the server lets the door in: what is taken for its answer, and what heals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect

from homecall_pi.core import backoff
from homecall_pi.core.events import AnswerReceived, JoinRefused, LineDown, LineUp
from homecall_pi.core.messages import (
    NOT_SERVED,
    ROOM_FULL,
    SERVER_FULL,
    Error,
    Join,
    Leave,
    Offer,
    encode,
)
from homecall_pi.signaling import admission, client
from homecall_pi.signaling.admission import Admission
from homecall_pi.signaling.client import Line
from homecall_pi.signaling.server import SignalingServer

from ..doubles import NAME, ROOM, Events, Signal, in_background

OTHER_ROOM = "11111111-2222-4333-8444-555555555555"
JOIN, LEAVE, OFFER = Join(ROOM, NAME), Leave(ROOM, NAME), Offer(ROOM, NAME, "v=0\r\n")
UNKNOWN = "There is no such room."


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_S", "LEAST_S", "REFUSED_FIRST_S"):
        monkeypatch.setattr(backoff, name, 0.0)
    monkeypatch.setattr(admission, "VERDICT_S", 0.05)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """A function that returns what was told of refusals and their end."""
    caplog.set_level(logging.INFO, logger=client.__name__)
    words = ("room", "the door in", "server says")

    def told() -> list[str]:
        return [text for text in caplog.messages if any(word in text for word in words)]

    return told


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[Line, Events]]:
    """A line that joins as the doorbell would, whenever it is up."""
    events = Events()
    line = Line(url, JOIN, events)
    async with in_background(line.run()):
        yield line, events


@asynccontextmanager
async def server(port: int = 0, rooms: Sequence[str] = ()) -> AsyncIterator[SignalingServer]:
    running = SignalingServer(port=port, rooms=rooms)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


async def refuse_and_close(signal: Signal, events: Events, why: str) -> None:
    """Refuses the next line's join, and closes it."""
    visit = await signal.visit()
    await visit.heard("join")
    await visit.say("error", message=why)
    await events.next(JoinRefused)
    await visit.socket.close()
    await events.next(LineDown)


def address(running: SignalingServer) -> str:
    return f"ws://localhost:{running.port}/signal"


@pytest.mark.parametrize(
    ("sent", "error", "refusal"),
    [
        ([JOIN], Error(UNKNOWN), True),
        ([JOIN], Error(UNKNOWN, ROOM.upper()), True),
        ([LEAVE, JOIN], Error(UNKNOWN), True),
        ([JOIN], Error(ROOM_FULL, OTHER_ROOM), False),
        ([], Error(UNKNOWN), False),
        ([JOIN, OFFER], Error(UNKNOWN), False),
        ([JOIN, OFFER], Error(SERVER_FULL, ROOM), False),
        ([JOIN, LEAVE], Error(UNKNOWN), False),
        ([JOIN, OFFER], Error(NOT_SERVED, ROOM), True),
        ([JOIN, OFFER], Error("Unable to join the room."), True),
    ],
)
async def test_an_error_is_a_refusal_if_it_can_only_mean_the_join(
    sent: Sequence[Join | Leave | Offer], error: Error, refusal: bool
):
    door = Admission(JOIN)
    for message in sent:
        door.note(message)
    assert door.is_refusal(error) == door.refused == refusal


async def test_an_error_long_after_a_join_means_something_else(monkeypatch: pytest.MonkeyPatch):
    door = Admission(JOIN)
    door.note(JOIN)
    monkeypatch.setattr(admission, "ANSWER_S", -1.0)
    assert not door.is_refusal(Error(UNKNOWN))


async def test_a_refusal_is_told_once_with_its_cure_and_the_door_goes_on_joining(
    told: Callable[[], list[str]],
):
    signal = Signal()
    async with signal.running(), line_to(signal.url) as (line, events):
        visit = await signal.visit()
        await events.next(LineUp)
        line.send(JOIN)
        for _ in range(3):
            await visit.heard("join")
            await visit.say("error", message=NOT_SERVED)
            why = (await events.next(JoinRefused)).why
        await visit.heard("join")
        assert await events.next(LineUp) == LineUp(replaces_offers=False)
        assert "add it to `rooms` in its [serve] section" in why
        assert told() == [f"{why}; trying again", "the signaling server lets the door in"]
        await visit.say("error", message=ROOM_FULL)
        await events.next(JoinRefused)
        await visit.heard("join")
        await events.next(LineUp)


async def test_a_door_that_is_refused_does_not_hammer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backoff, "REFUSED_FIRST_S", 3600.0)
    monkeypatch.setattr(backoff, "REFUSED_LAST_S", 3600.0)
    signal = Signal()
    async with signal.running(), line_to(signal.url) as (line, events):
        visit = await signal.visit()
        await events.next(LineUp)
        line.send(JOIN)
        await visit.heard("join")
        await visit.say("error", message=ROOM_FULL)
        await events.next(JoinRefused)
        line.send(LEAVE)
        await visit.heard("leave")  # and no join before it


async def test_a_door_that_was_refused_joins_at_once_on_the_next_line_and_is_not_up_before(
    told: Callable[[], list[str]],
):
    signal = Signal()
    async with signal.running(), line_to(signal.url) as (line, events):
        await events.next(LineUp)
        line.send(JOIN)
        for _ in range(3):
            await refuse_and_close(signal, events, UNKNOWN)
        await (await signal.visit()).heard("join")
        await events.next(LineUp)
        refusal, admitted = told()
    assert UNKNOWN in refusal
    assert admitted == "the signaling server lets the door in"


async def test_a_line_that_held_without_the_room_has_not_held(
    monkeypatch: pytest.MonkeyPatch, told: Callable[[], list[str]]
):
    """Our server sends away who has joined no room for minutes: that is not news each time."""
    monkeypatch.setattr(client, "HELD_S", 0.0)
    monkeypatch.setattr(admission, "VERDICT_S", 60.0)
    signal = Signal()
    async with signal.running(), line_to(signal.url) as (line, events):
        await events.next(LineUp)
        line.send(JOIN)
        for _ in range(3):
            await refuse_and_close(signal, events, NOT_SERVED)
    assert len(told()) == 1


async def test_after_a_while_in_the_room_another_refusal_is_news(
    monkeypatch: pytest.MonkeyPatch, told: Callable[[], list[str]]
):
    monkeypatch.setattr(client, "HELD_S", -1.0)
    signal = Signal()
    async with signal.running(), line_to(signal.url) as (line, events):
        visit = await signal.visit()
        for _ in range(2):
            await events.next(LineUp)
            line.send(JOIN)
            await visit.heard("join")
            await visit.say("error", message=NOT_SERVED)
            await events.next(JoinRefused)
            await visit.heard("join")
    assert sum("does not serve" in text for text in told()) == 2


async def test_what_the_server_says_is_told_without_the_room_and_in_one_line(
    told: Callable[[], list[str]],
):
    signal = Signal()
    async with signal.running(), line_to(signal.url) as (line, events):
        visit = await signal.visit()
        await events.next(LineUp)
        await visit.say("error", message=f"no room {ROOM.upper()}\n")
        await visit.say("answer", from_="A", sdp="v=0\r\n")
        await events.next(AnswerReceived)
        line.send(JOIN)
        await visit.heard("join")
        await visit.say("error", message=f"no room {ROOM}\n" + "x" * 9000)
        why = (await events.next(JoinRefused)).why
    assert told()[0] == rf"the server says: no room {ROOM[:8]}…\n"
    assert rf'("no room {ROOM[:8]}…\nxxx' in why
    assert (len(why) < 400, why.isprintable(), ROOM in why) == (True, True, False)


async def test_heard_out_is_a_door_when_its_join_was_refused_or_met_with_silence():
    signal = Signal()
    async with signal.running(), line_to(signal.url) as (line, events):
        await line.hear_out()
        visit = await signal.visit()
        await events.next(LineUp)
        await line.hear_out()
        line.send(JOIN)
        await visit.heard("join")
        await visit.say("error", message=NOT_SERVED)
        await line.hear_out()
        await events.next(JoinRefused)


async def test_a_server_that_is_told_of_the_room_lets_the_door_in_without_its_restart():
    async with server(rooms=[OTHER_ROOM]) as before:
        events = Events()
        line = Line(address(before), JOIN, events)
        running = in_background(line.run())
        await running.__aenter__()
        await events.next(LineUp)
        line.send(JOIN)
        assert "does not serve" in (await events.next(JoinRefused)).why
        port = before.port
    async with server(port, rooms=[OTHER_ROOM, ROOM]):
        while not isinstance(event := await events.next(object), LineUp):  # type: ignore[type-var]
            assert isinstance(event, JoinRefused | LineDown)
        assert event.replaces_offers
        await running.__aexit__(None, None, None)


async def test_a_door_takes_the_place_that_another_one_leaves():
    async with (
        server() as running,
        connect(address(running)) as one,
        connect(address(running)) as two,
    ):
        for number, other in enumerate((one, two)):
            await other.send(encode(Join(ROOM, f"door {number}")))
            await (await other.ping())
        async with line_to(address(running)) as (line, events):
            await events.next(LineUp)
            line.send(JOIN)
            assert "two others are in this door's room" in (await events.next(JoinRefused)).why
            await two.close()
            while not isinstance(event := await events.next(object), LineUp):  # type: ignore[type-var]
                assert isinstance(event, JoinRefused)
            line.send(OFFER)
            async with asyncio.timeout(5):
                assert '"offer"' in await one.recv(decode=True)
