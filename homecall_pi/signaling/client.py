"""The device's line to the signaling server: one WebSocket that comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Callable
from typing import TypeAlias

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from ..core import backoff
from ..core.events import (
    AnswerReceived,
    CandidateReceived,
    Event,
    JoinRefused,
    LineDown,
    LineProven,
    LineUp,
)
from ..core.messages import (
    Answer,
    BadMessage,
    Candidate,
    Error,
    Join,
    Leave,
    Message,
    Offer,
    decode,
    encode,
)
from ..core.progress import Progress
from . import trouble
from .admission import Admission
from .dial import FAILURES, Dialler
from .promises import HEADER, REPLACED, REPLACES_OFFERS

log = logging.getLogger(__name__)

CHECK_S = 2.0
"""Seconds that the server may take to answer when asked whether the line is good."""
PING_S = 2.0
"""Seconds from its answer until it is asked again. A line that is dead in truth is found out, and
another made, while a visitor still waits."""
REJOIN_S = 10.0
"""Seconds of silence after which the device joins again: some servers forget a participant when
an older socket of the same name closes at last. A page that has answered waits for 20 s."""
HELD_S = 10.0
"""Seconds after which a line counts as one that held, and the backoff starts anew."""
FLUSH_S = 0.5
"""Seconds that the last messages may take to leave."""
SWEEP_S = 3.0
"""Seconds that emptying a server's queue may take, while later messages wait."""
SILENCE_S = 0.25
"""Seconds without a message after which a server's queue is taken to be empty."""
UP = "line up: the signaling server is reached"
CALLED = (
    "{} rings in this door's room: if it is another door, neither rings the family; "
    "give each a room of its own"
)
HANG_S = 90.0
"""Longer than anything above may take, one after the other, with the wait before connecting."""
MAX_WAITING = 64
"""Messages that may wait to be sent. A line that moves nothing for so long is dropped."""


_Outbox: TypeAlias = "asyncio.Queue[Message | None]"
"""What is to be sent, in order; None stands for a sweep."""


class Line:
    """Keeps a connection to the signaling server `url`, for ever.

    Messages of the room come out of `emit` as events, as do the line's ups and downs.
    """

    def __init__(self, url: str, registration: Join, emit: Callable[[Event], None]) -> None:
        self._server = Dialler(url, self._drop)
        self._registration = registration
        self._admission = Admission(registration)
        self._in_room_since = 0.0
        self._emit = emit
        self._outbox: _Outbox | None = None
        self._connection: ClientConnection | None = None
        self._checking: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._told: set[str] = set()
        self._last_word = ""
        """What was told last, by its EVENT."""
        self.progress = Progress("line to the signaling server", HANG_S)

    async def run(self) -> None:
        """Connects, serves, and connects again."""
        waits = backoff.delays(random.uniform)
        while True:
            self.progress.move(time.monotonic())
            began = _now()
            connection = await self._connect()
            took_s = _now() - began
            if connection is not None and await self._serve_well(connection):
                waits = backoff.delays(random.uniform)
                self._told.clear()
            rest_s = backoff.rest(next(waits), 0.0 if connection else took_s)
            if await self._is_woken(rest_s):
                waits = backoff.delays(random.uniform)

    def wake(self) -> None:
        """The network may have changed: a line may be dead, and another may be had at once."""
        self._woken.set()
        self.check()

    async def _is_woken(self, rest_s: float) -> bool:
        """Rests. Whether there is a reason not to: it is this door's alone, or it may be mended."""
        try:
            async with asyncio.timeout(rest_s):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    def send(self, message: Message) -> None:
        """Sends `message`, or drops it when the line is down: the call knows, and sends again."""
        self._put(message)

    def _put(self, message: Message | None) -> None:
        if self._outbox is None or self._connection is None:
            return
        try:
            self._outbox.put_nowait(message)
        except asyncio.QueueFull:
            self._drop(self._connection)

    def _drop(self, connection: ClientConnection) -> None:
        self._warn_once("the line to the signaling server moves nothing; dropping it")
        connection.transport.abort()

    def sweep(self) -> None:
        """Empties the server's queue for the room, before any later message is sent.

        Servers hold offers for whoever joins next, and some do so even after their sender left. So
        a guest joins, is given whatever waits, and leaves.
        """
        self._put(None)

    def check(self) -> None:
        """Emits `LineProven` if the server answers now, else drops the line to make another."""
        if self._connection is not None and self._checking is None:
            self._checking = asyncio.create_task(self._check(self._connection))

    async def _check(self, connection: ClientConnection) -> None:
        try:
            if await self._is_answered(connection):
                self._emit(LineProven())
        finally:
            self._checking = None

    async def _keep_asking(self, connection: ClientConnection) -> None:
        """A dead line is found out only by asking; and a NAT forgets lines that are silent."""
        while True:
            await asyncio.sleep(PING_S)
            await self._is_answered(connection)

    async def _is_answered(self, connection: ClientConnection) -> bool:
        """Whether the server answers a ping; else the line is dropped, and another made at once."""
        try:
            async with asyncio.timeout(CHECK_S):
                await (await connection.ping())
        except ConnectionClosed:
            return False
        except TimeoutError:
            self._woken.set()
            connection.transport.abort()
            return False
        self._woken.clear()
        return True

    async def hear_out(self) -> None:
        """Returns when the server has had time to refuse the join that was sent last."""
        if self._connection is not None and await self._is_answered(self._connection):
            await self._admission.is_silent()

    async def flush(self) -> None:
        """Waits for the last messages to leave."""
        if self._outbox is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._outbox.join()

    async def _connect(self) -> ClientConnection | None:
        try:
            return await self._server.connect()
        except FAILURES as error:
            fault = trouble.explain(error)
            self._warn_once(f"the signaling server is not reached: {fault}", "line-down")
            return None

    async def _serve_well(self, connection: ClientConnection) -> bool:
        """Serves a connection to its end. Returns whether it held."""
        since = _now()
        try:
            async with asyncio.TaskGroup() as helpers:
                await self._serve(connection, helpers)
        finally:
            await connection.close()
        return _now() - since > HELD_S and not self._admission.refused

    async def _serve(self, connection: ClientConnection, helpers: asyncio.TaskGroup) -> None:
        outbox: _Outbox = asyncio.Queue(MAX_WAITING)
        self._connection, self._outbox = connection, outbox
        works = (
            self._write(connection, outbox),
            self._keep_asking(connection),
            self._keep_joined(connection),
            self._have_last_word(),
        )
        tasks = [helpers.create_task(work) for work in works]
        self._once(logging.INFO, UP, "line-up")
        if not self._admission.refused:
            self._tell_up(connection)
        try:
            async for frame in connection:
                self._receive(frame)
                await asyncio.sleep(0)  # lets the call take the event before the next comes
        except ConnectionClosed:
            pass
        finally:
            for task in tasks:
                task.cancel()
            self._connection = self._outbox = None
            self._emit(LineDown())
        self._warn_once(_farewell(connection.close_code), "line-down")

    async def _have_last_word(self) -> None:
        """A line that holds is told, where the last that was told is that one was lost."""
        await asyncio.sleep(HELD_S)
        if self._last_word == "line-down":
            self._told.clear()
            self._once(logging.INFO, UP, "line-up")

    def _tell_up(self, connection: ClientConnection) -> None:
        headers = connection.response.headers if connection.response else {}
        self._in_room_since = _now()
        self._emit(LineUp(replaces_offers=headers.get(HEADER) == REPLACES_OFFERS))

    async def _keep_joined(self, connection: ClientConnection) -> None:
        """After a refusal, joins again and again; the line counts as down until that helps."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._admission.regain(connection)
                self._once(logging.INFO, "the signaling server lets the door in", "line-up")
                self._tell_up(connection)

    async def _send(self, connection: ClientConnection, message: Message) -> None:
        self._admission.note(message)
        await connection.send(encode(message))

    async def _write(self, connection: ClientConnection, outbox: _Outbox) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.progress.move(time.monotonic())
                try:
                    async with asyncio.timeout(REJOIN_S):
                        message = await outbox.get()
                except TimeoutError:
                    await self._send(connection, self._registration)
                    continue
                if message is None:
                    await self._send_guest()
                else:
                    await self._send(connection, message)
                outbox.task_done()

    async def _send_guest(self) -> None:
        """A full room or a refusal is as good as an empty queue: somebody else was given it."""
        room, user = self._registration.room, f"guest {secrets.token_hex(4)}"
        try:
            async with asyncio.timeout(SWEEP_S), await self._server.connect() as guest:
                await guest.send(encode(Join(room, user)))
                await (await guest.ping())
                await _until_silent(guest)
                await guest.send(encode(Leave(room, user)))
        except FAILURES as error:
            log.debug("the server's queue may not be empty: %s", trouble.explain(error))

    def _receive(self, frame: str | bytes) -> None:
        try:
            message = decode(frame)
        except BadMessage as error:
            self._warn_once(f"the server sent what is no message: {error}")
            return
        match message:
            case Answer(sender=sender, sdp=sdp):
                self._emit(AnswerReceived(sdp, sender))
            case Candidate(candidate=candidate):
                self._emit(CandidateReceived(candidate))
            case Offer(sender=sender) if sender != self._registration.user:  # not one that waited
                who = trouble.quote(sender, self._registration.room)
                self._warn_once(CALLED.format(who), "offer-ignored")
            case Error():
                self._hear(message)

    def _hear(self, error: Error) -> None:
        """Takes an error: the server refuses the door's room, or means something else."""
        said = trouble.quote(error.message, self._registration.room)
        was_in = not self._admission.refused
        if not self._admission.is_refusal(error):
            self._warn_once(f"the server says: {said}")
            return
        if was_in and _now() - self._in_room_since > HELD_S:
            self._told.clear()
        why = trouble.refusal(said)
        self._warn_once(f"{why}; trying again", "join-refused")
        self._emit(JoinRefused(why))

    def _warn_once(self, text: str, event: str = "line-trouble") -> None:
        self._once(logging.WARNING, text, event)

    def _once(self, level: int, text: str, event: str) -> None:
        """Logs each text once until a line has held."""
        if text not in self._told and len(self._told) < MAX_WAITING:
            self._told.add(text)
            self._last_word = event
            log.log(level, "%s", text, extra={"EVENT": event})


async def _until_silent(connection: ClientConnection) -> None:
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(SILENCE_S):
                await connection.recv()


def _farewell(code: int | None) -> str:
    if code == REPLACED:
        return (
            "another participant has joined the room under this door's name; "
            "give it or the door another name"
        )
    return f"line down: the signaling server is lost ({code})"


def _now() -> float:
    return asyncio.get_running_loop().time()
