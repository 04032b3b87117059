"""Several clients do whatever comes to mind, in any order; two others must not notice it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from websockets.asyncio.client import ClientConnection, connect

from homecall_pi.core import rooms
from homecall_pi.signaling import line
from homecall_pi.signaling.server import SignalingServer

from .frames import (
    ANNA,
    DOOR,
    LINE,
    OTHER_ROOM,
    ROOM,
    candidate,
    dumps,
    join,
    masked,
    offer,
    upgrade,
)

ATTACKER = "127.0.0.2"
MAX_CLIENTS = 6
PATIENCE_S = 10.0

_T = TypeVar("_T")

names = st.sampled_from([DOOR, ANNA, "eve", ""]) | st.text(max_size=5)
places = st.sampled_from([OTHER_ROOM, OTHER_ROOM.replace("0", "a"), "kitchen"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
messages = st.builds(
    lambda kind, room, name, sdp, other: dumps(
        type=kind, room=room, user=name, **{"from": name}, sdp=sdp, candidate=other
    ),
    st.sampled_from(["join", "join", "leave", "offer", "answer", "candidate", "error", "?"]),
    places | values,
    names | values,
    st.builds("v=0\r\n{}".format, st.text(max_size=50)),
    st.just({"candidate": LINE, "sdpMid": "0"}) | values,
)
frames = st.builds(
    lambda head, size, body: bytes([head, size]) + body,
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=200),
)


class Faults(logging.Handler):
    """What the server's own faults would say."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(self.format(record))


class Hostile(RuleBasedStateMachine):
    """One server with a door and a page on it, and up to six others from another address."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(line, "LINGER_S", 0.01)  # nobody here wants to know why
        self.loop = uvloop.new_event_loop()
        self.faults = Faults()
        logging.getLogger().addHandler(self.faults)
        self.loop.set_exception_handler(lambda _, context: self.faults.seen.append(str(context)))
        self.clients: list[socket.socket] = []
        self.count = 0
        self.server, self.door, self.page = self.run(self.begin())

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.loop.run_until_complete(asyncio.wait_for(work, PATIENCE_S))

    async def begin(self) -> tuple[SignalingServer, ClientConnection, ClientConnection]:
        server = SignalingServer(host="127.0.0.1", port=0, web=Path("/nonexistent"))
        await server.start()
        url = f"ws://127.0.0.1:{server.port}/signal"
        door, page = await connect(url), await connect(url)
        for client, name in ((door, DOOR), (page, ANNA)):
            await client.send(join(name))
            await client.send("fence")
            await client.recv()
        return server, door, page

    def send(self, data: st.DataObject, raw: bytes) -> None:
        """One of the clients sends this, as far as it is listened to."""
        client = data.draw(st.sampled_from(self.clients))
        with suppress(OSError):  # cut off, or nobody reads
            client.send(raw)

    @precondition(lambda self: len(self.clients) < MAX_CLIENTS)
    @rule(upgraded=st.booleans())
    def come(self, upgraded: bool) -> None:
        address = ("127.0.0.1", self.server.port)
        client = socket.create_connection(address, PATIENCE_S, (ATTACKER, 0))
        client.setblocking(False)
        client.send(upgrade() if upgraded else b"")
        self.clients.append(client)

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), texts=st.lists(messages | st.text(max_size=50), max_size=8))
    def say(self, data: st.DataObject, texts: list[str]) -> None:
        self.send(data, b"".join(map(masked, texts)))

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), name=names, room=places, times=st.sampled_from([1, 20]))
    def shout(self, data: st.DataObject, name: str, room: str, times: int) -> None:
        self.send(
            data, (masked(join(name, room)) + masked(offer(name, "x" * 60_000, room))) * times
        )

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), noise=st.lists(frames, max_size=4), times=st.sampled_from([1, 300]))
    def scribble(self, data: st.DataObject, noise: list[bytes], times: int) -> None:
        self.send(data, b"".join(noise) * times)

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), noise=st.binary(max_size=100) | st.just(upgrade()))
    def mumble(self, data: st.DataObject, noise: bytes) -> None:
        self.send(data, noise)

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        with suppress(OSError):
            data.draw(st.sampled_from(self.clients)).recv(1_000_000)

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), half=st.booleans())
    def go(self, data: st.DataObject, half: bool) -> None:
        client = data.draw(st.sampled_from(self.clients))
        if half:
            with suppress(OSError):
                client.shutdown(socket.SHUT_WR)
        else:
            self.clients.remove(client)
            client.close()

    @invariant()
    def the_others_are_served(self) -> None:
        self.count += 1
        message = candidate(DOOR, self.count)
        self.run(self.door.send(message))
        assert self.run(self.page.recv()) == message

    @invariant()
    def nothing_fails_or_grows(self) -> None:
        self.run(self.those_who_went_are_gone())
        assert self.faults.seen == []
        assert self.server._rooms.held_bytes <= MAX_CLIENTS * rooms.MAX_OFFER_BYTES
        assert self.server._rooms.room_of(next(iter(self.server._lines))) == ROOM

    async def those_who_went_are_gone(self) -> None:
        while len(self.server._lines) > 2 + len(self.clients):
            await asyncio.sleep(0.001)

    def teardown(self) -> None:
        for client in self.clients:
            client.close()
        self.run(self.end())
        logging.getLogger().removeHandler(self.faults)
        self.loop.close()
        self.patch.undo()

    async def end(self) -> None:
        for client in (self.door, self.page):
            await client.close()
        await self.server.stop()
        await asyncio.get_running_loop().shutdown_default_executor()


TestHostile = Hostile.TestCase
TestHostile.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
