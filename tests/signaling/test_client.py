"""The line to the signaling server, over real sockets, against servers of every temper."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from socket import SO_RCVBUF, SOL_SOCKET

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection
from websockets.datastructures import Headers

from homecall_pi.core import backoff
from homecall_pi.core.events import AnswerReceived, CandidateReceived, LineDown, LineProven, LineUp
from homecall_pi.core.messages import Join, Leave, Offer
from homecall_pi.signaling import client, dial
from homecall_pi.signaling.client import Line

from ..conftest import PATIENCE_S
from ..doubles import NAME, ROOM, Events, Signal, in_background
from ..portal import portal

JOIN = Join(ROOM, NAME)
LEAVE = Leave(ROOM, NAME)


@pytest.fixture
def signal() -> Signal:
    return Signal()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comes back at once, so that no test waits."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)
    monkeypatch.setattr(backoff, "LEAST_S", 0.0)


@asynccontextmanager
async def connected(signal: Signal) -> AsyncIterator[tuple[Line, Events]]:
    """A line that runs."""
    events = Events()
    line = Line(signal.url, JOIN, events)
    async with in_background(line.run()):
        yield line, events


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


async def test_tells_when_the_line_is_up_and_sends_nothing_by_itself(signal: Signal):
    async with signal.running(), connected(signal) as (line, events):
        visit = await signal.visit()
        assert await events.next(LineUp) == LineUp(replaces_offers=False)
        line.send(JOIN)
        assert await visit.heard("join") == {"type": "join", "room": ROOM, "user": NAME}


async def test_hears_the_promise_that_offers_are_replaced(signal: Signal):
    async with (
        signal.running(headers={"HomeCall-Offers": "replaced"}),
        connected(signal) as (_, events),
    ):
        assert await events.next(LineUp) == LineUp(replaces_offers=True)


async def test_asks_for_no_compression(signal: Signal):
    async with signal.running(), connected(signal):
        visit = await signal.visit()
        assert "Sec-WebSocket-Extensions" not in visit.socket.request.headers


async def test_messages_keep_their_order_and_leave_before_flush_returns(signal: Signal):
    async with signal.running(), connected(signal) as (line, events):
        visit = await signal.visit()
        await events.next(LineUp)
        for message in (JOIN, Offer(ROOM, NAME, "v=0\r\n"), LEAVE):
            line.send(message)
        await line.flush()
        assert [(await visit.heard(kind))["type"] for kind in ("join", "offer", "leave")]


async def test_a_guest_empties_the_queue_before_the_next_message_is_sent(
    signal: Signal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "SILENCE_S", 0.1)
    async with signal.running(), connected(signal) as (line, events):
        visit = await signal.visit()
        await events.next(LineUp)
        for send in (partial(line.send, LEAVE), line.sweep, partial(line.send, JOIN)):
            send()
        assert await visit.heard("leave")
        guest = await signal.visit()
        user = (await guest.heard("join"))["user"]
        assert user != NAME
        for _ in range(20):
            await guest.say("offer", from_=NAME, sdp="v=0\r\nold")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await visit.socket.recv()
        assert await guest.heard("leave") == {"type": "leave", "room": ROOM, "user": user}
        assert await visit.heard("join")
        assert events.none()


async def test_a_guest_who_is_refused_holds_nothing_up(signal: Signal):
    full = {"message": "Unable to join the room."}
    async with signal.running(), connected(signal) as (line, events):
        visit = await signal.visit()
        await events.next(LineUp)
        line.sweep()
        line.send(JOIN)
        guest = await signal.visit()
        await guest.heard("join")
        await guest.say("error", **full)
        await guest.socket.close()
        assert await visit.heard("join")


async def test_a_guest_who_finds_no_server_holds_nothing_up(
    signal: Signal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "SWEEP_S", 0.0)
    async with signal.running(), connected(signal) as (line, events):
        visit = await signal.visit()
        await events.next(LineUp)
        line.sweep()
        line.send(JOIN)
        assert await visit.heard("join")


async def test_a_line_that_is_good_is_proven(signal: Signal):
    async with signal.running(), connected(signal) as (line, events):
        await signal.visit()
        await events.next(LineUp)
        line.check()
        line.check()
        assert await events.next(LineProven) == LineProven()
        assert events.none()


async def test_a_line_that_does_not_answer_a_check_is_replaced(
    signal: Signal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "CHECK_S", 0.0)
    async with signal.running(), connected(signal) as (line, events):
        await signal.visit()
        await events.next(LineUp)
        line.check()
        await events.next(LineDown)
        await events.next(LineUp)


async def test_a_change_of_the_network_ends_the_wait_for_the_next_attempt(
    signal: Signal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backoff, "FIRST_S", 3600.0)
    monkeypatch.setattr(backoff, "LAST_S", 3600.0)
    async with signal.running() as server, connected(signal) as (line, events):
        visit = await signal.visit()
        await events.next(LineUp)
        await visit.socket.close()
        await events.next(LineDown)
        assert server.is_serving()
        line.wake()
        await events.next(LineUp)


async def test_without_a_line_there_is_nothing_to_check(signal: Signal):
    Line("ws://127.0.0.1:9/signal", JOIN, Events()).check()


async def test_messages_of_the_room_become_events(signal: Signal):
    async with signal.running(), connected(signal) as (_, events):
        visit = await signal.visit()
        await events.next(LineUp)
        await visit.say("answer", from_="Анна", sdp="v=0\r\na")
        await visit.say("candidate", from_="Анна", candidate={"candidate": "x", "sdpMid": "0"})
        assert await events.next(AnswerReceived) == AnswerReceived("v=0\r\na", "Анна")
        assert (await events.next(CandidateReceived)).candidate.sdpMid == "0"


async def test_what_is_not_for_the_device_is_passed_over(
    signal: Signal, caplog: pytest.LogCaptureFixture
):
    async with signal.running(), connected(signal) as (_, events):
        visit = await signal.visit()
        await events.next(LineUp)
        await visit.say("join", user="Анна")
        await visit.say("leave", user="Анна")
        await visit.say("answer", from_="Анна", sdp="v=0\r\n")
        await events.next(AnswerReceived)
        assert events.none()
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    "frame",
    [
        b"\x00\xff",
        "",
        "nonsense",
        "[]",
        "null",
        "{" * 9000,
        "x" * 100_000,
        '{"type":"dance"}',
        '{"type":"answer"}',
        f'{{"type":"answer","room":"{ROOM}","from":"A","sdp":7}}',
    ],
    ids=lambda frame: repr(frame[:12]),
)
async def test_frames_that_are_no_message_cost_one_warning(
    signal: Signal, caplog: pytest.LogCaptureFixture, frame: str | bytes
):
    async with signal.running(), connected(signal) as (_, events):
        visit = await signal.visit()
        await events.next(LineUp)
        await visit.socket.send(frame)
        await visit.socket.send(frame)
        await visit.say("answer", from_="A", sdp="v=0\r\n")
        await events.next(AnswerReceived)
        (warning,) = warnings(caplog)
        assert "no message" in warning
        assert len(warning) < 300


async def test_an_error_of_the_server_is_logged_once_and_does_no_harm(
    signal: Signal, caplog: pytest.LogCaptureFixture
):
    async with signal.running(), connected(signal) as (_, events):
        visit = await signal.visit()
        await events.next(LineUp)
        for _ in range(3):
            await visit.socket.send('{"type":"error","message":"It is late."}')
        await visit.say("answer", from_="A", sdp="v=0\r\n")
        await events.next(AnswerReceived)
        assert warnings(caplog) == ["the server says: It is late."]


async def test_another_door_in_the_room_is_told_once(
    signal: Signal, caplog: pytest.LogCaptureFixture
):
    async with signal.running(), connected(signal) as (_, events):
        visit = await signal.visit()
        await events.next(LineUp)
        for sender in (NAME, "Gate", "Gate"):
            await visit.say("offer", from_=sender, sdp="v=0\r\n")
        await visit.say("answer", from_="A", sdp="v=0\r\n")
        await events.next(AnswerReceived)
        assert events.none()
        (warning,) = warnings(caplog)
        assert warning.startswith("Gate rings in this door's room")
        assert "a room of its own" in warning


async def test_a_frame_beyond_all_measure_costs_the_line_which_comes_back(signal: Signal):
    async with signal.running(), connected(signal) as (_, events):
        visit = await signal.visit()
        await events.next(LineUp)
        await visit.socket.send("x" * (dial.MAX_FRAME_BYTES + 1))
        await events.next(LineDown)
        await events.next(LineUp)
        await signal.visit()


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 3000])
async def test_comes_back_however_the_server_closes(signal: Signal, code: int):
    async with signal.running(), connected(signal) as (_, events):
        for _ in range(3):
            await events.next(LineUp)
            await (await signal.visit()).socket.close(code)
            await events.next(LineDown)
        await events.next(LineUp)


async def test_comes_back_when_the_connection_breaks(signal: Signal):
    async with signal.running(), connected(signal) as (_, events):
        await events.next(LineUp)
        (await signal.visit()).socket.transport.abort()
        await events.next(LineDown)
        await events.next(LineUp)


async def test_a_restarted_server_gets_a_line_that_joins_anew(signal: Signal):
    async with signal.running():
        events = Events()
        line = Line(signal.url, JOIN, events)
        running = in_background(line.run())
        await running.__aenter__()
        await events.next(LineUp)
    await events.next(LineDown)
    async with signal.running(port=signal.port):
        await events.next(LineUp)
        line.send(JOIN)
        await signal.visit()
        await (await signal.visit()).heard("join")
        await running.__aexit__(None, None, None)


def refused(status: int, location: str = "") -> Callable[[ServerConnection, Request], Response]:
    """An answer in place of a WebSocket."""

    def refuse(connection: ServerConnection, _: Request) -> Response:
        if not location:
            return connection.respond(HTTPStatus(status), "<h1>this is not a doorbell</h1>")
        return Response(status, "", Headers({"Location": location, "Content-Length": "0"}))

    return refuse


@pytest.mark.parametrize(
    "refuse",
    [
        refused(200),
        refused(401),
        refused(404),
        refused(502),
        refused(302, "ftp://192.0.2.1/elsewhere"),
        refused(302, "//[nonsense"),
        refused(302, "/again"),
    ],
    ids=["page", "locked", "missing", "gateway", "redirect", "bad-redirect", "redirect-loop"],
)
async def test_never_gives_up_on_a_server_that_refuses_and_complains_once(
    signal: Signal,
    caplog: pytest.LogCaptureFixture,
    refuse: Callable[[ServerConnection, Request], Response],
):
    enough = asyncio.Event()

    def patient(connection: ServerConnection, request: Request) -> Response | None:
        return refuse(connection, request) if signal.requests < 12 else enough.set()

    async with signal.running(refuse=patient), connected(signal) as (_, events):
        async with asyncio.timeout(PATIENCE_S):
            await enough.wait()
        await events.next(LineUp)
    (warning,) = warnings(caplog)
    assert "the signaling server is not reached" in warning


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00" * 100, b"HTTP/1.1 "])
async def test_something_else_on_the_port_is_survived(
    greeting: bytes, caplog: pytest.LogCaptureFixture
):
    visits = asyncio.Semaphore(0)

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.release()
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        line = Line(f"ws://127.0.0.1:{port}/signal", JOIN, Events())
        async with in_background(line.run()), asyncio.timeout(PATIENCE_S):
            for _ in range(3):
                await visits.acquire()
    assert len(warnings(caplog)) == 1


async def test_a_port_that_accepts_and_says_nothing_is_given_up_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(dial, "OPEN_S", 0.02)
    visits = asyncio.Semaphore(0)

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.release()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(keep_silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        line = Line(f"ws://127.0.0.1:{port}/signal", JOIN, Events())
        async with in_background(line.run()), asyncio.timeout(PATIENCE_S):
            for _ in range(3):
                await visits.acquire()


async def test_a_server_that_answers_no_ping_is_dropped(
    signal: Signal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "PING_S", 0.02)
    monkeypatch.setattr(client, "CHECK_S", 0.02)
    async with signal.running(), connected(signal) as (_, events):
        await events.next(LineUp)
        (await signal.visit()).socket.transport.pause_reading()
        await events.next(LineDown)


async def test_after_a_line_that_fell_silent_another_is_had_at_once(
    signal: Signal, monkeypatch: pytest.MonkeyPatch
):
    """It is this door's network that failed, not the server that all of them would come back to."""
    monkeypatch.setattr(client, "PING_S", 0.0)
    monkeypatch.setattr(client, "CHECK_S", 0.05)
    monkeypatch.setattr(backoff, "LEAST_S", 3600.0)
    async with signal.running(), connected(signal) as (_, events):
        for _ in range(3):
            await events.next(LineUp)
            (await signal.visit()).socket.transport.pause_reading()
            await events.next(LineDown)


async def test_a_line_that_takes_nothing_more_is_found_to_be_dead(
    signal: Signal, monkeypatch: pytest.MonkeyPatch
):
    """Not even the ping gets away."""
    monkeypatch.setattr(client, "PING_S", 0.2)
    monkeypatch.setattr(client, "CHECK_S", 0.05)
    big = Offer(ROOM, NAME, "v=0\r\n" + "x" * 900_000)
    async with signal.running(), connected(signal) as (line, events):
        await events.next(LineUp)
        (await signal.visit()).socket.transport.pause_reading()
        for _ in range(20):
            line.send(big)
        await events.next(LineDown)
        await events.next(LineUp)


async def test_a_change_of_the_network_during_an_attempt_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(backoff, "FIRST_S", 3600.0)
    monkeypatch.setattr(backoff, "LAST_S", 3600.0)
    attempts: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()

    async def connect(_: object) -> None:
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        attempts.put_nowait(end)
        await end

    monkeypatch.setattr(dial.Dialler, "connect", connect)
    line = Line("ws://localhost/signal", JOIN, Events())
    async with in_background(line.run()), asyncio.timeout(PATIENCE_S):
        for _ in range(3):
            end = await attempts.get()
            line.wake()
            end.set_exception(ConnectionRefusedError())
        await attempts.get()


async def test_a_login_page_is_told_once_and_left_for_the_server_that_is_back(
    signal: Signal, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger=client.__name__)
    async with portal("redirect") as page:
        port = page.sockets[0].getsockname()[1]
        events = Events()
        running = in_background(Line(f"ws://127.0.0.1:{port}/signal", JOIN, events).run())
        await running.__aenter__()
        async with asyncio.timeout(PATIENCE_S):
            while not caplog.records:
                await asyncio.sleep(0)
    async with signal.running(port=port):
        await events.next(LineUp)
        await running.__aexit__(None, None, None)
    told = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert "is there a login page in this network?" in told[0]
    assert all("login page" not in text for text in told[1:])


@pytest.mark.parametrize("helper", ["_write", "_keep_asking", "_keep_joined"])
async def test_a_helper_that_dies_ends_the_line_with_its_error(
    signal: Signal, helper: str, monkeypatch: pytest.MonkeyPatch
):
    """Left alone, the line would stay up and be of no use."""

    async def die(*_: object) -> None:
        raise RuntimeError("dead")

    monkeypatch.setattr(Line, helper, die)
    async with signal.running():
        with pytest.raises(ExceptionGroup) as raised:
            async with asyncio.timeout(PATIENCE_S):
                await Line(signal.url, JOIN, Events()).run()
    assert raised.group_contains(RuntimeError, match="dead")


async def test_a_line_that_moves_nothing_is_dropped(
    signal: Signal, caplog: pytest.LogCaptureFixture
):
    async with signal.running(), connected(signal) as (line, events):
        await events.next(LineUp)
        (await signal.visit()).socket.transport.pause_reading()
        big = Offer(ROOM, NAME, "v=0\r\n" + "x" * 60_000)
        async with asyncio.timeout(PATIENCE_S):
            while events.none():
                line.send(big)
                await asyncio.sleep(0)
        await events.next(LineDown)
        await events.next(LineUp)
    assert "the line to the signaling server moves nothing; dropping it" in warnings(caplog)


async def test_a_server_that_pings_without_end_and_reads_nothing_is_dropped(
    signal: Signal, caplog: pytest.LogCaptureFixture
):
    """The library answers each ping."""
    pings = 1000 * (b"\x89\x7d" + bytes(125))
    async with signal.running(), connected(signal) as (_, events):
        await events.next(LineUp)
        server = (await signal.visit()).socket.transport
        server.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
        server.pause_reading()
        async with asyncio.timeout(PATIENCE_S):
            while events.none():
                server.write(pings)
                await asyncio.sleep(0)
        await events.next(LineDown)
        await events.next(LineUp)
    assert "the line to the signaling server moves nothing; dropping it" in warnings(caplog)


async def test_what_is_sent_while_down_is_dropped(signal: Signal):
    events = Events()
    async with signal.running():
        line = Line(signal.url, JOIN, events)
        line.send(LEAVE)
        await line.flush()
        async with in_background(line.run()):
            await events.next(LineUp)
            line.send(JOIN)
            await (await signal.visit()).heard("join")


async def test_what_waited_on_a_lost_line_is_not_sent_on_the_next(signal: Signal):
    async with signal.running(), connected(signal) as (line, events):
        await events.next(LineUp)
        visit = await signal.visit()
        visit.socket.transport.abort()
        line.send(LEAVE)
        await events.next(LineDown)
        line.send(LEAVE)
        await events.next(LineUp)
        line.send(JOIN)
        await (await signal.visit()).heard("join")


async def test_repeats_its_registration_after_silence(
    signal: Signal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "REJOIN_S", 0.01)
    async with signal.running(), connected(signal) as (line, _):
        visit = await signal.visit()
        for _ in range(3):
            await visit.heard("join")
        line.send(LEAVE)
        await line.flush()
        async with asyncio.timeout(PATIENCE_S):
            while '"leave"' not in await visit.socket.recv(decode=True):
                pass


async def test_backs_off_with_jitter_until_a_line_has_held(
    signal: Signal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backoff, "FIRST_S", 0.25)
    bounds: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        bounds.append((low, high))
        return 0.0

    monkeypatch.setattr(client.random, "uniform", uniform)
    monkeypatch.setattr(client, "HELD_S", 1e9)
    async with signal.running(), connected(signal) as (_, events):
        for held_s in (1e9, 1e9, 1e9, -1.0, 1e9):
            await events.next(LineUp)
            monkeypatch.setattr(client, "HELD_S", held_s)
            await (await signal.visit()).socket.close()
            await events.next(LineDown)
        await events.next(LineUp)
    firsts = [high for _, high in bounds]
    assert firsts == [0.25, 0.5, 1.0, 0.25, 0.5]
    assert all(0 < low < high for low, high in bounds)


async def test_a_line_that_comes_and_goes_is_told_once_until_one_has_held(
    signal: Signal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger=client.__name__)

    async def come_and_go(held: Iterator[float]) -> None:
        for held_s in held:
            await events.next(LineUp)
            monkeypatch.setattr(client, "HELD_S", held_s)
            await (await signal.visit()).socket.close()
            await events.next(LineDown)

    async with signal.running(), connected(signal) as (_, events):
        await come_and_go(itertools.repeat(1e9, 4))
        assert [(record.EVENT, record.message) for record in caplog.records] == [  # type: ignore[attr-defined]
            ("line-up", "line up: the signaling server is reached"),
            ("line-down", "line down: the signaling server is lost (1000)"),
        ]
        await come_and_go(iter([-1.0, 1e9]))
        await events.next(LineUp)
        assert len(caplog.records) == 4


async def test_a_line_that_holds_has_the_last_word(
    signal: Signal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger=client.__name__)
    serve = Line._serve_well

    async def serve_badly(line: Line, connection: object) -> bool:
        await serve(line, connection)  # type: ignore[arg-type]
        return False

    monkeypatch.setattr(Line, "_serve_well", serve_badly)
    monkeypatch.setattr(client, "HELD_S", 0.0)
    async with signal.running(), connected(signal) as (_, events):
        await events.next(LineUp)
        await (await signal.visit()).socket.close()
        await events.next(LineDown)
        await events.next(LineUp)
        async with asyncio.timeout(PATIENCE_S):
            while len(caplog.records) < 3:
                await asyncio.sleep(0.001)
    told = [record.EVENT for record in caplog.records]  # type: ignore[attr-defined]
    assert told == ["line-up", "line-down", "line-up"]


async def test_a_line_that_cannot_be_had_goes_on_all_the_same():
    """Trying again is progress: a server that is away is nothing that a restart would mend."""
    line = Line("ws://localhost:1/signal", JOIN, Events())
    assert line.progress.moved_at is None
    async with in_background(line.run()), asyncio.timeout(PATIENCE_S):
        for _ in range(3):
            line.progress.rest()
            while line.progress.moved_at is None:
                await asyncio.sleep(0)


async def test_a_line_that_is_silent_goes_on_as_long_as_it_joins_again(
    signal: Signal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "REJOIN_S", 0.001)
    async with signal.running(), connected(signal) as (line, _):
        visit = await signal.visit()
        for _ in range(3):
            line.progress.rest()
            while line.progress.moved_at is None:  # one or two may have been on their way
                await visit.heard("join")


async def test_a_complaint_names_the_fault_and_no_address(caplog: pytest.LogCaptureFixture):
    server = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    line = Line(f"ws://localhost:{port}/signal", JOIN, Events())
    async with in_background(line.run()), asyncio.timeout(PATIENCE_S):
        while not caplog.records:
            await asyncio.sleep(0)
    (warning,) = warnings(caplog)
    assert "Connection refused" in warning
    assert str(port) not in warning


async def test_ends_with_a_closing_handshake(signal: Signal):
    async with signal.running(), connected(signal) as (_, events):
        await events.next(LineUp)
        visit = await signal.visit()
    assert visit.socket.close_code == 1000
    await events.next(LineDown)
