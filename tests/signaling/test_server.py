"""The signaling server over real sockets: what it relays, what it refuses, what it survives."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import socket
import ssl
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from homecall_pi.core import limits
from homecall_pi.core.messages import MAX_MESSAGE_BYTES
from homecall_pi.errors import OperatorError
from homecall_pi.signaling import line, lines, server
from homecall_pi.signaling.promises import HEADER, REPLACES_OFFERS
from homecall_pi.signaling.server import REPLACED, SignalingServer

from .frames import (
    ANNA,
    DOOR,
    LINE,
    OTHER_ROOM,
    PING,
    ROOM,
    answer,
    candidate,
    dumps,
    error,
    get,
    join,
    leave,
    masked,
    offer,
    upgrade,
)

PATIENCE_S = 10.0
"""Seconds after which what should have happened will not happen. No test waits for so long."""

Start = Callable[..., Awaitable[SignalingServer]]
Enter = Callable[..., Awaitable["Client"]]


class Client:
    """A WebSocket client that sends and expects whole frames."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, *frames: str | bytes) -> None:
        for frame in frames:
            await self.socket.send(frame)

    async def expect(self, *frames: str) -> None:
        """These frames come next, byte for byte."""
        async with asyncio.timeout(PATIENCE_S):
            for frame in frames:
                assert await self.socket.recv() == frame

    async def expect_close(self, code: int) -> list[str]:
        """The server closes with this code; returns the frames that came before."""
        frames: list[str] = []
        with suppress(ConnectionClosed):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    frames.append(await self.socket.recv())
        assert self.socket.close_code == code
        return frames


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts servers on free ports, with a page of their own; stops them in the end."""
    servers: list[SignalingServer] = []
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text("<!doctype html>")

    async def start(**settings: Any) -> SignalingServer:
        settings = {"host": "127.0.0.1", "port": 0, "web": tmp_path / "web"} | settings
        servers.append(SignalingServer(**settings))
        await servers[-1].start()
        return servers[-1]

    yield start
    for running in servers:
        await running.stop()
    await asyncio.get_running_loop().shutdown_default_executor()


@pytest.fixture
async def running(start: Start) -> SignalingServer:
    return await start()


@pytest.fixture
def unforgiving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is cut off has hardly any time to read why."""
    monkeypatch.setattr(line, "LINGER_S", 0.01)


@pytest.fixture
async def enter(running: SignalingServer) -> AsyncIterator[Enter]:
    """Opens clients, and lets those join that give a name."""
    async with AsyncExitStack() as stack:

        async def enter(name: str = "", room: str = ROOM, **options: Any) -> Client:
            url = f"ws://127.0.0.1:{running.port}/signal"
            client = Client(await stack.enter_async_context(connect(url, **options)))
            if name:
                await client.send(join(name, room))
            return client

        yield enter


@pytest.fixture
async def pair(enter: Enter) -> tuple[Client, Client]:
    """The door and Anna in one room; an offer of the door stands."""
    door, anna = await enter(DOOR), await enter(ANNA)
    await door.send(offer(DOOR))
    await anna.expect(offer(DOOR))
    return door, anna


def faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What an operator would read, whoever logs it, without the client's address."""
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    return [record.getMessage().partition(": ")[2] for record in records]


async def until(condition: Callable[[], object]) -> None:
    """Lets the server work until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)


class Raw:
    """A TCP client that reads only when it is told to, with little room in the kernel."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.socket, data)

    async def recv(self, size: int) -> bytes:
        """Exactly so many bytes, fewer at the end."""
        data = b""
        while len(data) < size and (
            more := await self.loop.sock_recv(self.socket, size - len(data))
        ):
            data += more
        return data


@asynccontextmanager
async def dial(
    running: SignalingServer, request: bytes = b"", source: str = "127.0.0.1"
) -> AsyncIterator[Raw]:
    """A raw connection from a loopback address, with a request sent."""
    raw = Raw()
    with raw.socket:
        raw.socket.bind((source, 0))
        await raw.loop.sock_connect(raw.socket, ("127.0.0.1", running.port))
        await raw.send(request)
        yield raw


@asynccontextmanager
async def dial_signal(running: SignalingServer) -> AsyncIterator[Raw]:
    """A raw connection whose WebSocket is open."""
    async with dial(running, upgrade()) as raw:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await raw.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        yield raw


async def fetch(
    port: int, request: bytes, context: ssl.SSLContext | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Sends raw bytes; returns status, headers in lower case, and body of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(request)
    response = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = response.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = [field.partition(": ") for field in lines]
    return int(status.split()[1]), {name.lower(): value for name, _, value in fields}, body


class TestRelay:
    """The protocol, byte for byte."""

    async def test_a_whole_call(self, pair: tuple[Client, Client]):
        door, anna = pair
        await door.send(candidate(DOOR, 0), candidate(DOOR, 1))
        await anna.expect(candidate(DOOR, 0), candidate(DOOR, 1))
        await anna.send(answer(ANNA), candidate(ANNA))
        await door.expect(answer(ANNA), candidate(ANNA))
        await anna.send(leave(ANNA), join(ANNA), candidate(ANNA, 1))
        await door.expect(candidate(ANNA, 1))

    async def test_an_offer_waits_for_the_page(self, enter: Enter):
        door = await enter(DOOR)
        await door.send(offer(DOOR, "old"), candidate(DOOR, 0))
        await door.send(offer(DOOR, "new"), candidate(DOOR, 1), candidate(DOOR, 2))
        await door.send("fence")
        await door.socket.recv()
        anna = await enter(ANNA)
        await anna.expect(offer(DOOR, "new"), candidate(DOOR, 1), candidate(DOOR, 2))

    async def test_a_third_name_gets_an_error(self, pair: tuple[Client, Client], enter: Enter):
        door, anna = pair
        boris = await enter("Борис")
        await boris.expect(error("room is full"))
        await anna.send(candidate(ANNA))
        await door.expect(candidate(ANNA))

    async def test_a_page_reloaded_while_it_rings(
        self, pair: tuple[Client, Client], enter: Enter, caplog: pytest.LogCaptureFixture
    ):
        door, old = pair
        new = await enter(ANNA)
        await new.expect(offer(DOOR))
        assert await old.expect_close(REPLACED) == []
        await new.send(answer(ANNA))
        await door.expect(answer(ANNA))
        assert faults(caplog) == []

    async def test_a_replaced_connection_cannot_take_its_seat_back(
        self, pair: tuple[Client, Client], running: SignalingServer, enter: Enter
    ):
        door, anna = pair
        async with dial_signal(running) as old:
            await old.send(masked(join(ANNA)))
            await anna.expect_close(REPLACED)
            new = await enter(ANNA)
            await new.expect(offer(DOOR))
            await old.send(masked(join(ANNA)) + masked(candidate(ANNA, 7)))  # knows nothing yet
            await new.send(candidate(ANNA, 8))
            await door.expect(candidate(ANNA, 8))

    async def test_leave_counts_though_the_close_follows_at_once(
        self, enter: Enter, running: SignalingServer
    ):
        """So does a page that is closed: one packet may hold both."""
        close = b"\x88\x80" + bytes(4)
        async with dial_signal(running) as page:
            await page.send(masked(join(ANNA)) + masked(offer(ANNA)))
            await until(lambda: running._rooms.held_bytes)
            await page.send(masked(leave(ANNA)) + close)
            assert (await page.recv(2))[:1] == b"\x88"
        await until(lambda: not len(running._lines))
        assert running._rooms.held_bytes == 0

    async def test_a_lost_connection_frees_its_seat(
        self, pair: tuple[Client, Client], running: SignalingServer, enter: Enter
    ):
        door, anna = pair
        anna.socket.transport.abort()
        await until(lambda: len(running._lines) == 1)
        boris = await enter("Борис")
        await boris.expect(offer(DOOR))
        await boris.send(answer("Борис"))
        await door.expect(answer("Борис"))

    async def test_sixty_candidates_at_once_pass(self, pair: tuple[Client, Client]):
        door, anna = pair
        burst = [candidate(DOOR, index) for index in range(60)]
        await door.send(*burst)
        await anna.expect(*burst)

    async def test_the_handshake_promises_that_offers_are_replaced(self, enter: Enter):
        response = (await enter()).socket.response
        assert response is not None
        assert response.headers[HEADER] == REPLACES_OFFERS
        assert "Sec-WebSocket-Extensions" not in response.headers


MALFORMED = {
    "invalid JSON": "hello",
    "null": "null",
    "wrong types": dumps(type="offer", room=ROOM, **{"from": 1}, sdp=2),
    "unknown type": dumps(type="hello", room=ROOM),
    "SDP that is not SDP": dumps(type="offer", room=ROOM, **{"from": DOOR}, sdp="hello"),
    "half a surrogate pair": join("?").replace("?", r"\ud800"),
    "an error": error("boo"),
    "a binary frame": join(DOOR).encode(),
}

FOREIGN = {
    "message for another room": offer(DOOR, "foreign", OTHER_ROOM),
    "message in another name": offer(ANNA, "forged"),
}


class TestBadClients:
    """Each fault costs its author only, and one line in the log."""

    @pytest.mark.parametrize("frame", MALFORMED.values(), ids=MALFORMED.keys())
    async def test_malformed(
        self,
        frame: str | bytes,
        pair: tuple[Client, Client],
        caplog: pytest.LogCaptureFixture,
    ):
        door, anna = pair
        for _ in range(2):
            await door.send(frame)
            reply = json.loads(await door.socket.recv())
            assert reply.keys() == {"type", "message", "room"}
            assert (reply["type"], reply["room"]) == ("error", ROOM)
        await door.send(candidate(DOOR))
        await anna.expect(candidate(DOOR))
        assert faults(caplog) == ["malformed message"]

    async def test_malformed_before_join_names_no_room(self, enter: Enter):
        client = await enter()
        await client.send("hello")
        await client.expect(error("malformed message: not a JSON object", None))

    async def test_malformed_once_too_often(
        self, pair: tuple[Client, Client], caplog: pytest.LogCaptureFixture
    ):
        door, anna = pair
        await door.send(*["hello"] * server.MAX_MALFORMED)
        assert len(await door.expect_close(1008)) == server.MAX_MALFORMED
        await anna.send(candidate(ANNA))
        assert faults(caplog) == ["malformed message"]

    @pytest.mark.parametrize(("fault", "frame"), FOREIGN.items(), ids=FOREIGN.keys())
    async def test_foreign_and_forged_are_ignored(
        self,
        fault: str,
        frame: str,
        pair: tuple[Client, Client],
        enter: Enter,
        caplog: pytest.LogCaptureFixture,
    ):
        door, anna = pair
        stranger = await enter(ANNA, OTHER_ROOM)
        await door.send(frame, frame, candidate(DOOR))
        await anna.expect(candidate(DOOR))
        await anna.send(candidate(ANNA))
        await door.expect(candidate(ANNA))
        door_there = await enter(DOOR, OTHER_ROOM)
        await door_there.send(offer(DOOR, "first", OTHER_ROOM))
        await stranger.expect(offer(DOOR, "first", OTHER_ROOM))
        assert faults(caplog) == [fault]

    async def test_not_joined(self, enter: Enter, caplog: pytest.LogCaptureFixture):
        client = await enter()
        await client.send(offer(DOOR), leave(DOOR), "fence")
        await client.expect(error("malformed message: not a JSON object", None))
        assert faults(caplog) == ["message before join", "malformed message"]

    async def test_too_large(
        self,
        pair: tuple[Client, Client],
        running: SignalingServer,
        enter: Enter,
        caplog: pytest.LogCaptureFixture,
    ):
        door, anna = pair
        async with dial_signal(running) as big:
            await big.send(masked(join(DOOR)))
            await door.expect_close(REPLACED)
            header = b"\x81\xff" + (10_000_000).to_bytes(8, "big") + bytes(4)
            await big.send(header + b"x" * 1000)
            objection = error("message too large").encode()
            assert (await big.recv(2 + len(objection)))[2:] == objection
            assert (await big.recv(4))[2:] == (1009).to_bytes(2, "big")
        await until(lambda: faults(caplog))
        again = await enter(DOOR)
        await anna.send(candidate(ANNA))
        await again.expect(candidate(ANNA))
        assert faults(caplog) == ["message too large"]

    async def test_what_comes_after_the_end_is_not_read_for_ever(
        self, running: SignalingServer, unforgiving: None, caplog: pytest.LogCaptureFixture
    ):
        async with dial_signal(running) as big:
            with pytest.raises(ConnectionError):
                await big.send(b"\x81\xff" + (10**9).to_bytes(8, "big") + bytes(100_000_000))
            await until(lambda: faults(caplog))
        assert faults(caplog) == ["message too large"]

    async def test_a_large_one_in_fragments(self, enter: Enter, caplog: pytest.LogCaptureFixture):
        client = await enter(DOOR)
        await client.send("fence")
        await client.expect(error("malformed message: not a JSON object"))
        with suppress(ConnectionClosed):
            await client.socket.send(["x" * 1000] * (MAX_MESSAGE_BYTES // 1000 + 1))
        assert await client.expect_close(1009) == [error("message too large")]

    async def test_a_flood(
        self, pair: tuple[Client, Client], enter: Enter, caplog: pytest.LogCaptureFixture
    ):
        door, anna = pair
        with suppress(ConnectionClosed):
            await door.send(*[candidate(DOOR, index) for index in range(10_000)])
        assert await door.expect_close(1008) == [error("too many messages")]
        again = await enter(DOOR)
        await again.send(offer(DOOR, "again"))
        received = [await anna.socket.recv()]
        while received[-1] != offer(DOOR, "again"):
            received.append(await anna.socket.recv())
        relayed = received[:-1]
        assert len(relayed) < 1000
        assert relayed == [candidate(DOOR, index) for index in range(len(relayed))]
        assert faults(caplog) == ["too many messages"]

    @pytest.mark.parametrize("frame", ["ping", "pong", "fragment", "empty fragment"])
    async def test_a_flood_of_frames_that_are_no_messages(
        self,
        frame: str,
        pair: tuple[Client, Client],
        running: SignalingServer,
        unforgiving: None,
        caplog: pytest.LogCaptureFixture,
    ):
        """The library deals with these by itself, one by one."""
        opcode = {"ping": 9, "pong": 10}.get(frame, 0)
        start = b"\x01\x80" + bytes(4) if "fragment" in frame else b""
        one = bytes((opcode | 0x80 * (opcode > 0), 0x80 + (frame == "fragment"))) + bytes(4)
        async with dial_signal(running) as flooder:
            with suppress(ConnectionError):
                await flooder.send(start + (one + bytes(frame == "fragment")) * 100_000)
            await until(lambda: len(running._lines) == 2)
        door, anna = pair
        await door.send(candidate(DOOR))
        await anna.expect(candidate(DOOR))
        assert faults(caplog) == ["too many messages"]

    async def test_a_flood_of_joins(
        self,
        pair: tuple[Client, Client],
        running: SignalingServer,
        enter: Enter,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ):
        monkeypatch.setattr(limits, "ARRIVALS_PER_S", 0.0)
        monkeypatch.setattr(limits, "ARRIVALS_BURST", 10.0)
        running._lines.allowances = limits.Allowances()
        flooder = await enter()
        with suppress(ConnectionClosed):
            await flooder.send(*[join(ANNA, str(UUID(int=number))) for number in range(100)])
        assert await flooder.expect_close(1008) == [error("too many messages", str(UUID(int=8)))]
        assert faults(caplog) == ["too many messages"]
        door, anna = pair
        await door.send(candidate(DOOR))
        await anna.expect(candidate(DOOR))

    async def test_all_connections_of_an_address_share_what_it_may_send(
        self, running: SignalingServer, enter: Enter, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(limits, "ADDRESS_BURST", 50.0)
        running._lines.allowances = limits.Allowances()
        first, second = await enter(DOOR), await enter(ANNA)
        await first.send(*[candidate(DOOR)] * 40)
        await second.expect(*[candidate(DOOR)] * 40)
        with suppress(ConnectionClosed):
            await second.send(*[candidate(ANNA)] * 40)
        assert (await second.expect_close(1008))[-1] == error("too many messages")

    async def test_a_room_that_is_not_served(self, start: Start, caplog: pytest.LogCaptureFixture):
        running = await start(rooms=[ROOM])
        async with connect(f"ws://127.0.0.1:{running.port}/signal") as socket_:
            client = Client(socket_)
            await client.send(join(DOOR, OTHER_ROOM))
            await client.expect(error("room is not served here", OTHER_ROOM))
            await client.send(join(DOOR), join(ANNA, OTHER_ROOM), offer(DOOR))
            await client.expect(error("room is not served here", OTHER_ROOM))
            await until(lambda: running._rooms.held_bytes)
        assert faults(caplog) == []

    async def test_the_log_holds_no_secrets(
        self, pair: tuple[Client, Client], caplog: pytest.LogCaptureFixture
    ):
        caplog.set_level(logging.DEBUG)
        door, _ = pair
        await door.send(offer(ANNA), "hello", offer(DOOR, "secret"), dumps(type=DOOR))
        await door.socket.recv()
        await door.socket.recv()
        text = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("homecall_pi"))
        assert ROOM[:8] in text
        for secret in (ROOM, DOOR, ANNA, "v=0", LINE):
            assert secret not in text


class TestStalled:
    """Clients that are there and yet are not."""

    async def test_a_silent_one_is_dropped(self, start: Start, monkeypatch: pytest.MonkeyPatch):
        """It never answers a ping: without that, its seat would be taken for hours."""
        monkeypatch.setattr(server, "CLOSE_TIMEOUT_S", 0.01)
        running = await start(ping_interval_s=0.01, ping_timeout_s=0.01)
        async with dial_signal(running) as silent:
            ping = await silent.recv(6)
            assert ping[:2] == b"\x89\x04"
            close = await silent.recv(1000)
            assert close[2:] == (1011).to_bytes(2, "big") + b"keepalive ping timeout"
            await until(lambda: not len(running._lines))

    async def test_a_slow_reader_is_cut_off(
        self, start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(server, "MAX_OUTBOX_BYTES", 16 * 1024)
        running = await start()
        url = f"ws://127.0.0.1:{running.port}/signal"
        async with dial_signal(running) as stuck, connect(url) as door:
            await stuck.send(masked(join(ANNA)))
            await door.send(join(DOOR))
            while not faults(caplog):
                await door.send(offer(DOOR, "x" * 30_000))
                await (await door.ping())
            await door.send("still there?")
            assert "malformed" in await door.recv()
        assert faults(caplog)[0] == "does not read what it is sent"

    async def test_unread_pongs_do_not_pile_up(
        self,
        running: SignalingServer,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """The library itself answers pings, without asking whether anybody reads."""
        monkeypatch.setattr(line, "BURST_TOKENS", 100_000.0)
        monkeypatch.setattr(limits, "ADDRESS_BURST", 100_000.0)
        running._lines.allowances = limits.Allowances()
        async with dial_signal(running) as flooder:
            with pytest.raises(ConnectionError):
                await flooder.send(PING * 100_000)
        assert faults(caplog) == ["does not read what it is sent"]

    async def test_reading_late_and_going_early_is_no_fault(
        self,
        running: SignalingServer,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """The server closes while data waits, a case in which asyncio cannot abort later."""
        monkeypatch.setattr(line, "BURST_TOKENS", 1600.0)
        async with dial_signal(running) as late:
            await late.send(PING * 1600)
            late.socket.shutdown(socket.SHUT_WR)
            await until(lambda: all(line.transport.is_closing() for line in running._lines))
            assert len(await late.recv(1600 * 127 + 1)) == 1600 * 127
        await until(lambda: not len(running._lines))
        assert faults(caplog) == []

    async def test_one_who_never_joins_is_sent_away(
        self, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ):
        monkeypatch.setattr(server, "HOUSEKEEPING_S", 0.001)
        running = await start(rooms=[ROOM])
        url = f"ws://127.0.0.1:{running.port}/signal"
        async with connect(url) as idle, connect(url) as tries, connect(url) as sits:
            await Client(tries).send(join(ANNA, OTHER_ROOM))
            await Client(tries).expect(error("room is not served here", OTHER_ROOM))
            await Client(sits).send(join(ANNA), leave(ANNA), "fence")
            await Client(sits).socket.recv()
            monkeypatch.setattr(server, "MAX_IDLE_S", 0.0)
            for gone in (idle, tries):
                assert await Client(gone).expect_close(1008) == []
            await (await sits.ping())
        assert faults(caplog) == ["malformed message", *["has joined no room"] * 2]

    @pytest.mark.parametrize("tls", [False, True])
    async def test_a_handshake_has_its_time(
        self,
        tls: bool,
        start: Start,
        tmp_path: Path,
        write_certificate: Callable[..., tuple[Path, Path]],
        monkeypatch: pytest.MonkeyPatch,
    ):
        monkeypatch.setattr(server, "FETCH_TIMEOUT_S", 0.02)
        monkeypatch.setattr(lines, "TLS_HANDSHAKE_S", 0.02)
        cert, _ = map(str, write_certificate(tmp_path / "tls")) if tls else ("", "")
        running = await start(tls_cert=cert, tls_key=cert and str(tmp_path / "tls" / "key.pem"))
        async with dial(running) as mute, dial(running) as slow:
            await slow.send(b"\x16" if tls else b"GET / HT")
            for client in (mute, slow):
                with suppress(ConnectionResetError):
                    assert await client.recv(1) == b""
        await until(lambda: not len(running._lines))


class TestCrowds:
    """How many may be there, and who goes when they are too many."""

    @pytest.fixture(params=[False, True], ids=["plain", "tls"])
    async def crowded(
        self,
        request: pytest.FixtureRequest,
        start: Start,
        tmp_path: Path,
        write_certificate: Callable[..., tuple[Path, Path]],
    ) -> SignalingServer:
        """A server to which clients connect that do not even begin their handshakes."""
        files = map(str, write_certificate(tmp_path / "tls")) if request.param else ("", "")
        return await start(**dict(zip(("tls_cert", "tls_key"), files, strict=True)))

    async def test_of_too_many_the_longest_idle_goes(
        self, crowded: SignalingServer, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(lines, "MAX_LINES", 2)
        async with dial(crowded) as first, dial(crowded) as second:
            await until(lambda: len(crowded._lines) == 2)
            async with dial(crowded):
                with suppress(ConnectionResetError):
                    assert await first.recv(1) == b""
                await until(lambda: len(crowded._lines) == 2)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await second.recv(1)

    async def test_of_one_address_no_more_than_its_share(
        self,
        crowded: SignalingServer,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ):
        monkeypatch.setattr(limits, "MAX_OPEN", 2)
        async with dial(crowded), dial(crowded):
            await until(lambda: len(crowded._lines) == 2)
            async with dial(crowded) as surplus:
                with suppress(ConnectionResetError):
                    assert await surplus.recv(1) == b""
            async with dial(crowded, source="127.0.0.2"):
                await until(lambda: len(crowded._lines) == 3)
        await until(lambda: not len(crowded._lines))
        (fault,) = faults(caplog)
        assert "too many connections" in fault
        async with dial(crowded):
            await until(lambda: len(crowded._lines) == 1)

    async def test_who_has_joined_stays(
        self,
        running: SignalingServer,
        pair: tuple[Client, Client],
        monkeypatch: pytest.MonkeyPatch,
    ):
        monkeypatch.setattr(lines, "MAX_LINES", 2)
        for _ in range(3):
            async with dial(running) as surplus:
                with suppress(ConnectionResetError):
                    assert await surplus.recv(1) == b""
        door, anna = pair
        await door.send(candidate(DOOR))
        await anna.expect(candidate(DOOR))

    async def test_those_that_are_gone_leave_no_memory_behind(
        self,
        start: Start,
        tmp_path: Path,
        write_certificate: Callable[..., tuple[Path, Path]],
        monkeypatch: pytest.MonkeyPatch,
    ):
        monkeypatch.setattr(lines, "GONE_LINES", 3)
        cert, key = map(str, write_certificate(tmp_path / "tls"))
        running = await start(tls_cert=cert, tls_key=key)
        context = ssl.create_default_context(cafile=cert)
        seen: weakref.WeakSet[line.Line] = weakref.WeakSet()
        gc.disable()  # it is not to be left to chance
        try:
            for _ in range(6):
                url = f"wss://localhost:{running.port}/signal"
                async with connect(url, host="127.0.0.1", ssl=context):
                    seen.update(running._lines)
                await until(lambda: not len(running._lines))
            assert len(seen) < 3
        finally:
            gc.enable()

    async def test_the_log_does_not_grow_with_them(
        self,
        running: SignalingServer,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ):
        monkeypatch.setattr(lines, "WARNINGS_PER_S", 0.0)
        monkeypatch.setattr(lines, "WARNINGS_BURST", 3.0)
        running._lines = lines.Lines(running._flooded, running._oversized)
        for _ in range(10):
            request = upgrade("/signal", "Origin: https://evil.example")
            assert (await fetch(running.port, request))[0] == 403
        assert len(faults(caplog)) == 3

    async def test_a_request_beyond_all_measure(
        self, running: SignalingServer, unforgiving: None, caplog: pytest.LogCaptureFixture
    ):
        fields = [f"X: {'x' * 8000}"] * 5
        async with dial(running, get("/", *fields)) as greedy:
            with suppress(ConnectionResetError):
                assert await greedy.recv(1) == b""
        assert faults(caplog) == ["request too large"]


class TestBehindAProxy:
    """The client's address is what the proxy says."""

    @pytest.fixture
    async def proxied(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> SignalingServer:
        monkeypatch.setattr(limits, "MAX_OPEN", 1)
        return await start(behind_proxy=True)

    @staticmethod
    def come(proxied: SignalingServer, *fields: str) -> AbstractAsyncContextManager[Raw]:
        return dial(proxied, upgrade("/signal", *fields))

    async def test_each_address_has_its_share(
        self, proxied: SignalingServer, caplog: pytest.LogCaptureFixture
    ):
        async with (
            self.come(proxied, "X-Forwarded-For: 192.0.2.1") as first,
            self.come(proxied, "X-Forwarded-For: 192.0.2.1") as same,
            self.come(proxied, "X-Forwarded-For: 2001:db8::1") as other,
        ):
            assert [await client.recv(12) for client in (first, same, other)] == [
                b"HTTP/1.1 101",
                b"HTTP/1.1 429",
                b"HTTP/1.1 101",
            ]
            assert {line.peer for line in proxied._lines} >= {"192.0.2.1", "2001:db8::1"}
        assert len(faults(caplog)) == 1

    @pytest.mark.parametrize(
        "fields",
        [
            ["X-Forwarded-For: 198.51.100.7, 192.0.2.1"],
            ["X-Forwarded-For: 198.51.100.7", "X-Forwarded-For: 192.0.2.1"],
            ["X-Forwarded-For: nonsense,192.0.2.1"],
        ],
    )
    async def test_what_the_client_claims_counts_for_nothing(
        self, proxied: SignalingServer, fields: list[str]
    ):
        async with (
            self.come(proxied, "X-Forwarded-For: 192.0.2.1") as first,
            self.come(proxied, *fields) as same,
        ):
            assert await first.recv(12) == b"HTTP/1.1 101"
            assert await same.recv(12) == b"HTTP/1.1 429"

    @pytest.mark.parametrize("fields", [[], ["X-Forwarded-For: unknown"]])
    async def test_a_proxy_that_names_nobody_is_reported_once(
        self, proxied: SignalingServer, fields: list[str], caplog: pytest.LogCaptureFixture
    ):
        async with self.come(proxied, *fields) as first, self.come(proxied, *fields) as second:
            for client in (first, second):
                assert await client.recv(12) == b"HTTP/1.1 101"
        assert caplog.text.count("Let the proxy add the address") == 1

    async def test_without_the_setting_the_header_counts_for_nothing(
        self, running: SignalingServer, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(limits, "MAX_OPEN", 1)
        async with self.come(running, "X-Forwarded-For: 192.0.2.1") as first:
            assert await first.recv(12) == b"HTTP/1.1 101"
            async with self.come(running, "X-Forwarded-For: 192.0.2.2") as second:
                with suppress(ConnectionResetError):
                    assert await second.recv(1) == b""


class TestHttp:
    """The page and its neighbours on the same port."""

    async def test_the_page(self, running: SignalingServer):
        status, headers, body = await fetch(running.port, get(f"/?room={ROOM}"))
        assert (status, body) == (200, b"<!doctype html>")
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'self'" in headers["content-security-policy"]
        request = get("/", f"If-None-Match: {headers['etag']}")
        assert (await fetch(running.port, request))[::2] == (304, b"")

    async def test_configuration_and_health(self, start: Start):
        running = await start(page_config=lambda: {"iceServers": []})
        _, _, config = await fetch(running.port, get("/config.json"))
        assert json.loads(config) == {"iceServers": []}
        assert (await fetch(running.port, get("/healthz")))[::2] == (200, b"ok\n")

    async def test_a_monitor_may_ask_for_the_head_alone(self, running: SignalingServer):
        status, headers, body = await fetch(running.port, get("/").replace(b"GET", b"HEAD"))
        assert (status, headers["content-length"], body) == (200, "15", b"")

    async def test_a_large_file_is_not_taken_for_a_slow_reader(self, start: Start, tmp_path: Path):
        body = bytes(range(256)) * 8192
        (tmp_path / "web" / "large.png").write_bytes(body)
        running = await start()
        assert (await fetch(running.port, get("/large.png")))[::2] == (200, body)

    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            (get("/../secret"), 404),
            (get("/%2e%2e/secret"), 404),
            (upgrade("/other"), 404),
            (get("/signal"), 426),
            (b"POST / HTTP/1.1\r\nHost: door\r\n\r\n", 405),
            (b"POST /signal HTTP/1.1\r\nHost: door\r\nUpgrade: websocket\r\n\r\n", 405),
            (get("/" + "x" * 10_000), 414),
            (get("/", "X: " + "x" * 10_000), 431),
            (get("/healthz").replace(b"GET", b"PUT"), 405),
        ],
    )
    async def test_refusals(self, running: SignalingServer, request_: bytes, status: int):
        assert (await fetch(running.port, request_))[0] == status

    async def test_requests_are_not_logged(
        self, running: SignalingServer, caplog: pytest.LogCaptureFixture
    ):
        caplog.set_level(logging.DEBUG)
        await fetch(running.port, get(f"/?room={ROOM}"))
        await fetch(running.port, upgrade(f"/other?room={ROOM}"))
        assert ROOM not in caplog.text

    @pytest.mark.parametrize(
        "garbage",
        [b"\x16\x03\x01\x02\x00\x01" * 20, b"\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"G", b""],
    )
    async def test_garbage_leaves_no_trace(
        self, garbage: bytes, running: SignalingServer, caplog: pytest.LogCaptureFixture
    ):
        async with dial(running, garbage) as hostile:
            hostile.socket.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                assert await hostile.recv(1) == b""
        assert (await fetch(running.port, get("/healthz")))[0] == 200
        assert faults(caplog) == []


class TestOrigin:
    """Who may open a WebSocket: devices, our own page, and the listed ones."""

    @pytest.mark.parametrize(
        ("host", "origin", "admitted"),
        [
            ("door", None, True),
            ("door:8443", "https://door:8443", True),
            ("Door.Example.org", "https://door.example.ORG", True),
            ("door", "https://door:443", True),
            ("door:80", "http://door", True),
            ("[::1]:8443", "http://[::1]:8443", True),
            ("door:8443", "https://door", False),
            ("door", "https://evil.example", False),
            ("door", "https://door.evil.example", False),
            ("door", "https://listed.example", True),
            ("door", "http://listed.example", False),
            ("door", "null", False),
            ("null", "null", False),
            ("door", "file://", False),
            ("door", "https://door/", False),
            ("door", "https://door@evil.example", False),
            ("door", "https://door:443.evil.example", False),
            ("door", "https://door https://evil.example", False),
            ("door", "wss://door", False),
            ("door", "://door", False),
            ("door", "https://", False),
            ("", "https://", False),
            ("door", "door", False),
        ],
    )
    async def test_table(
        self,
        host: str,
        origin: str | None,
        admitted: bool,
        start: Start,
        caplog: pytest.LogCaptureFixture,
    ):
        running = await start(origins=["https://Listed.example/"])
        fields = [] if origin is None else [f"Origin: {origin}"]
        request = upgrade("/signal", *fields).replace(b"Host: door", f"Host: {host}".encode())
        async with dial(running, request) as client:
            status = await client.recv(len("HTTP/1.1 101"))
        assert status == (b"HTTP/1.1 101" if admitted else b"HTTP/1.1 403")
        assert len(faults(caplog)) == (0 if admitted else 1)

    async def test_two_origins_are_none_of_ours(self, running: SignalingServer):
        request = upgrade("/signal", "Origin: https://door", "Origin: https://door")
        status, _, body = await fetch(running.port, request)
        assert status == 403
        assert b"`origins`" in body


class TestTls:
    """The server with a certificate of its own."""

    @pytest.fixture
    def files(
        self, tmp_path: Path, write_certificate: Callable[..., tuple[Path, Path]]
    ) -> dict[str, str]:
        cert, key = write_certificate(tmp_path / "tls")
        return {"tls_cert": str(cert), "tls_key": str(key)}

    @pytest.fixture
    def trust(self, files: dict[str, str]) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=files["tls_cert"])

    async def test_page_and_signal(
        self, start: Start, files: dict[str, str], trust: ssl.SSLContext
    ):
        running = await start(**files)
        assert (await fetch(running.port, get("/"), trust))[2] == b"<!doctype html>"
        url = f"wss://127.0.0.1:{running.port}/signal"
        origin = f"https://127.0.0.1:{running.port}"
        async with connect(url, ssl=trust, origin=origin) as socket_:
            client = Client(socket_)
            await client.send("hello")
            await client.expect(error("malformed message: not a JSON object", None))

    async def test_a_page_that_came_without_tls_is_none_of_ours(
        self, start: Start, files: dict[str, str], trust: ssl.SSLContext
    ):
        running = await start(**files)
        where = f"127.0.0.1:{running.port}"
        with pytest.raises(InvalidStatus, match="403"):
            await connect(f"wss://{where}/signal", ssl=trust, origin=f"http://{where}")

    async def test_garbage_leaves_no_trace(
        self,
        start: Start,
        files: dict[str, str],
        trust: ssl.SSLContext,
        caplog: pytest.LogCaptureFixture,
    ):
        running = await start(**files)
        async with dial(running, get("/")) as hostile:  # http to an https port
            with suppress(ConnectionResetError):
                await hostile.recv(1000)
        assert (await fetch(running.port, get("/healthz"), trust))[0] == 200
        assert faults(caplog) == []

    @pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
    def test_no_handshake_is_lost(
        self,
        run: Callable[[Coroutine[Any, Any, None]], None],
        files: dict[str, str],
        trust: ssl.SSLContext,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """Each event loop has its own TLS. `serve` runs on uvloop."""

        async def shake_hands() -> None:
            running = SignalingServer(host="127.0.0.1", port=0, **files)
            await running.start()
            for _ in range(20):
                assert (await fetch(running.port, get("/healthz"), trust))[0] == 200
            at_once = [fetch(running.port, get("/"), trust) for _ in range(20)]
            assert {status for status, _, _ in await asyncio.gather(*at_once)} == {200}
            monkeypatch.setattr(lines, "MAX_LINES", 1)
            async with dial(running) as surplus:
                await until(lambda: len(running._lines))
                assert (await fetch(running.port, get("/healthz"), trust))[0] == 200
                with suppress(ConnectionResetError):
                    assert await surplus.recv(1) == b""
            await until(lambda: not len(running._lines))
            await running.stop()

        run(shake_hands())

    async def test_old_tls_is_refused(
        self, start: Start, files: dict[str, str], trust: ssl.SSLContext
    ):
        running = await start(**files)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            trust.maximum_version = ssl.TLSVersion.TLSv1_1
        # The server closes right after its alert, which a reset may overtake.
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await fetch(running.port, get("/"), trust)

    async def test_a_renewed_certificate_is_taken_up(
        self,
        start: Start,
        files: dict[str, str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        write_certificate: Callable[..., tuple[Path, Path]],
    ):
        caplog.set_level(logging.INFO)
        monkeypatch.setattr(server, "HOUSEKEEPING_S", 0.001)
        running = await start(**files)
        cert, key = write_certificate(tmp_path / "new")
        old_trust = ssl.create_default_context(cafile=files["tls_cert"])
        trust = ssl.create_default_context(cafile=str(cert))
        key.rename(files["tls_key"])  # for a moment the two do not fit
        await until(lambda: "does not belong" in caplog.text)
        assert (await fetch(running.port, get("/healthz"), old_trust))[0] == 200
        cert.rename(files["tls_cert"])
        await until(lambda: "took up the renewed certificate" in caplog.text)
        assert (await fetch(running.port, get("/healthz"), trust))[0] == 200


class TestStartAndStop:
    """What an operator sees."""

    async def test_localhost_answers_on_ipv4_and_ipv6(self, start: Start):
        running = await start(host="localhost")
        async with connect(f"ws://localhost:{running.port}/signal"):
            pass
        assert (await fetch(running.port, get("/healthz")))[0] == 200

    async def test_faults_are_the_operators(self, running: SignalingServer, start: Start):
        for settings, cure in (
            ({"host": "0.0.0.0"}, "tls_cert"),
            ({"port": running.port}, "already in use"),
            ({"tls_cert": "/nonexistent/cert.pem"}, "/nonexistent/cert.pem"),
            ({"tls_key": "/nonexistent/key.pem"}, "/nonexistent/key.pem"),
        ):
            with pytest.raises(OperatorError, match=cure):
                await start(**settings)

    async def test_a_proxy_may_speak_in_the_clear(self, start: Start):
        running = await start(host="0.0.0.0", behind_proxy=True)
        assert (await fetch(running.port, get("/healthz")))[0] == 200

    async def test_stopping_says_going_away(
        self, running: SignalingServer, pair: tuple[Client, Client]
    ):
        await running.stop()
        for client in pair:
            assert await client.expect_close(1001) == []
        with pytest.raises(ConnectionRefusedError):
            await fetch(running.port, get("/"))
        await running.stop()  # once more is no fault

    async def test_stopping_does_not_wait_for_the_deaf(
        self, running: SignalingServer, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(server, "STOP_GRACE_S", 0.01)
        async with dial(running), dial_signal(running), dial(running, b"GET / HT"):
            await running.stop()
            assert not len(running._lines)

    async def test_the_same_object_does_not_linger(self, start: Start):
        first = await start()
        await first.stop()
        again = await start(port=first.port)
        assert again.port == first.port

    async def test_held_offers_expire_while_nothing_happens(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(server, "HOUSEKEEPING_S", 0.001)
        monkeypatch.setattr("homecall_pi.core.rooms.MAX_OFFER_AGE_S", 0.0)
        running = await start()
        url = f"ws://127.0.0.1:{running.port}/signal"
        async with connect(url) as door:
            await door.send(join(DOOR))
            await door.send(offer(DOOR))
        await until(lambda: len(running._rooms) == 0)
        assert running._rooms.held_bytes == 0


async def test_an_unlisted_status_reaches_a_websocket_client(running: SignalingServer):
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"ws://127.0.0.1:{running.port}/signal", origin="https://evil.example")
    assert caught.value.response.status_code == 403
