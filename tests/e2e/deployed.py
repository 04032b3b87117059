"""A signaling server like those in use elsewhere: it does what the protocol demands and no more.

It acknowledges nothing, queues every message for whoever joins next, even after its sender left,
and forgets a participant's new registration when an older socket of the same name closes.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

PAGE = Path(__file__).with_name("spec_only.html")


class DeployedServer:
    """On a free port of localhost; `heard` is all that clients sent.

    With `returns_own`, a joiner gets out of the queue even what it sent itself.
    """

    def __init__(self) -> None:
        self.port = 0
        self.returns_own = False
        self.heard: list[dict[str, Any]] = []
        self.queue: list[tuple[str, str]] = []
        self.longest_queue = 0
        """Most offers that ever waited at once."""
        self.sockets: list[ServerConnection] = []
        self._members: dict[str, ServerConnection] = {}
        self._server: Server | None = None

    async def start(self) -> int:
        self._server = await serve(self._attend, "localhost", 0, process_request=self.answer)
        self.port = int(next(iter(self._server.sockets)).getsockname()[1])
        return self.port

    def answer(self, _: ServerConnection, request: Request) -> Response | None:
        """What a plain request gets: the page, whatever its path."""
        if request.path.startswith("/signal"):
            return None
        body = PAGE.read_bytes()
        headers = Headers({"Content-Type": "text/html", "Content-Length": str(len(body))})
        headers["Connection"] = "close"
        return Response(200, "OK", headers, body)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def count(self, kind: str) -> int:
        """Messages of this type that clients sent."""
        return sum(message["type"] == kind for message in self.heard)

    async def tell_everybody(self, **message: Any) -> None:
        for socket in tuple(self.sockets):
            await _send(socket, json.dumps(message))

    def forget(self, name: str) -> None:
        """What happens when an older socket of this name closes at last."""
        del self._members[name]

    async def _attend(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        name = ""
        with suppress(ConnectionClosed):
            async for frame in socket:
                message = json.loads(frame)
                self.heard.append(message)
                name = message.get("user", name)
                await self._take(socket, name, message["type"], str(frame))
        self._members.pop(name, None)
        self.sockets.remove(socket)

    async def _take(self, socket: ServerConnection, name: str, kind: str, frame: str) -> None:
        if kind == "join":
            self._members[name] = socket
            due = [each for each in self.queue if self.returns_own or each[0] != name]
            self.queue = [each for each in self.queue if each not in due]
            for _, waiting in due:
                await _send(socket, waiting)
        elif kind == "leave":
            self._members.pop(name, None)
        elif name in self._members:
            await self._relay(name, frame)

    async def _relay(self, sender: str, frame: str) -> None:
        for name, socket in self._members.items():
            if name != sender:
                await _send(socket, frame)
                return
        self.queue.append((sender, frame))
        offers = sum(json.loads(waiting)["type"] == "offer" for _, waiting in self.queue)
        self.longest_queue = max(self.longest_queue, offers)


async def _send(socket: ServerConnection, frame: str) -> None:
    """Who has just gone is sent it in vain."""
    with suppress(ConnectionClosed):
        await socket.send(frame)
