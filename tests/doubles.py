"""Stand-ins for the rest of the world: events as they come, and a scripted signaling server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from websockets.asyncio.server import Request, Response, Server, ServerConnection, serve

from homecall_pi.core.events import Event

from .conftest import PATIENCE_S

ROOM = "3f0c6a52-9b1e-4c07-8d2f-5a7e61c0b9d4"
KEY = "x7sYz3TQm5nJ0uQ1W8eKbA"
NAME = "Front door"

_E = TypeVar("_E", bound=Event)


def idly(*_: object) -> None:
    """Is called, and does nothing."""


class Events:
    """Takes events as the doorbell does, and hands them out in order."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue()

    def __call__(self, event: Event) -> None:
        self._queue.put_nowait(event)

    async def next(self, kind: type[_E]) -> _E:
        """The next event, which must be of this kind."""
        async with asyncio.timeout(PATIENCE_S):
            event = await self._queue.get()
        assert isinstance(event, kind), event
        return event

    def none(self) -> bool:
        """Whether nothing waits."""
        return self._queue.empty()


class Visit:
    """One WebSocket of the device, seen from the server."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket

    async def heard(self, kind: str) -> dict[str, Any]:
        """The device's next message, which must be of this type."""
        async with asyncio.timeout(PATIENCE_S):
            message: dict[str, Any] = json.loads(await self.socket.recv(decode=True))
        assert message["type"] == kind, message
        return message

    async def say(self, kind: str, **fields: Any) -> None:
        """Sends one message to the device, as a deployed server words it."""
        fields = {key.rstrip("_"): value for key, value in fields.items()}
        await self.socket.send(json.dumps({"type": kind, "room": ROOM, **fields}))


class Signal:
    """A server that does what the test says; it acknowledges nothing, like the deployed ones."""

    def __init__(self) -> None:
        self.url = ""
        self.requests = 0
        self._visits: asyncio.Queue[Visit] = asyncio.Queue()

    @asynccontextmanager
    async def running(
        self,
        *,
        port: int = 0,
        refuse: Callable[[ServerConnection, Request], Response | None] | None = None,
        headers: dict[str, str] | None = None,
    ) -> AsyncIterator[Server]:
        def process_request(connection: ServerConnection, request: Request) -> Response | None:
            self.requests += 1
            return refuse(connection, request) if refuse else None

        def process_response(_: ServerConnection, __: Request, response: Response) -> Response:
            response.headers.update(headers or {})
            return response

        async with serve(
            self._handle,
            "127.0.0.1",
            port,
            process_request=process_request,
            process_response=process_response,
            close_timeout=0.05,
        ) as server:
            self.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/signal"
            yield server

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    async def visit(self) -> Visit:
        """The next connection."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._visits.get()

    async def _handle(self, socket: ServerConnection) -> None:
        self._visits.put_nowait(Visit(socket))
        await socket.wait_closed()


@asynccontextmanager
async def in_background(work: Awaitable[None]) -> AsyncIterator[asyncio.Task[None]]:
    """Runs `work` beside the block, ends it after the block, and raises what it raised."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
