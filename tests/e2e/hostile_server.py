"""A signaling server that does its worst: `python -m tests.e2e.hostile_server MOOD PORT`.

It serves the family's page as ours does, so that door and page both come to it. Whoever opens the
WebSocket gets what the mood has, again whenever it comes again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import mimetypes
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

import homecall_pi
from tests.signaling.frames import DOOR, ROOM, candidate, offer

WEB = Path(homecall_pi.__file__).parent / "web"
MB = 1_000_000
MOST_UNSENT = MB
NONSENSE_SDP = (
    "",
    "nonsense",
    "v=0\r\n" * 1000,
    "v=0\r\nm=audio 9 X 0\r\n",
    "\0" * 1000,
    "💥" * 9000,
)


def text(payload: bytes, first: int = 0x81) -> bytes:
    """A server's frame, which is not masked (RFC 6455, section 5.2)."""
    return bytes([first, 127]) + len(payload).to_bytes(8, "big") + payload


async def pour(socket: ServerConnection, frames: Iterable[bytes]) -> None:
    """Sends raw bytes as fast as they are taken."""
    for frame in frames:
        if socket.transport.is_closing():
            return
        socket.transport.write(frame)
        await asyncio.sleep(0)
        while socket.transport.get_write_buffer_size() > MOST_UNSENT:
            await asyncio.sleep(0.001)


async def silence(socket: ServerConnection) -> None:
    """Says nothing any more, not even to a ping."""
    socket.transport.pause_reading()
    await asyncio.Event().wait()


async def flood(socket: ServerConnection) -> None:
    """Candidates and errors without end."""
    said = json.dumps({"type": "error", "message": "x" * 1000}).encode()
    batch = (text(candidate("Mallory").encode()) + text(said)) * 50
    await pour(socket, itertools.repeat(batch))


async def pings(socket: ServerConnection) -> None:
    await pour(socket, itertools.repeat(b"\x89\x7d" + bytes(125)))


async def garbage(socket: ServerConnection) -> None:
    """What is no frame at all."""
    await pour(socket, [os.urandom(5000)])
    await asyncio.sleep(0.05)


async def gigabyte(socket: ServerConnection) -> None:
    """A message of 1 GB in one frame."""
    assert socket.request is not None
    # Playwright is told all that a page gets, and cannot bear half a gigabyte at once.
    size_mb = 200 if "Origin" in socket.request.headers else 1000
    head = b"\x81\x7f" + (size_mb * MB).to_bytes(8, "big")
    await pour(socket, itertools.chain([head], itertools.repeat(b"x" * MB, size_mb)))


async def fragments(socket: ServerConnection) -> None:
    """A message of 1 GB in fragments that never end."""
    await pour(socket, [text(b"x" * 1000, first=0x01)])
    await pour(socket, itertools.repeat(text(b"x" * 1000, first=0x00) * 100, 10_000))


async def nonsense(socket: ServerConnection) -> None:
    """Messages of the protocol with nonsense in them, and 10,000 candidates."""
    for kind, sdp in itertools.product(("offer", "answer"), NONSENSE_SDP):
        message = {"type": kind, "room": ROOM, "from": "Mallory", "sdp": sdp}
        await pour(socket, [text(json.dumps(message).encode())])
    odd = (
        None,
        [],
        {},
        {"type": None},
        {"type": "offer"},
        {"type": "candidate", "candidate": 5},
        1,
    )
    await pour(socket, [text(json.dumps(message).encode()) for message in odd])
    await pour(socket, [text(offer(DOOR).encode()), *[text(candidate(DOOR).encode())] * 10_000])
    await asyncio.sleep(0.5)


Mood = Callable[[ServerConnection], Awaitable[None]]
MOODS: dict[str, Mood] = {
    mood.__name__: mood for mood in (silence, flood, pings, garbage, gigabyte, fragments, nonsense)
}


def serve_page(socket: ServerConnection, request: Request) -> Response | None:
    """Its files; None: the WebSocket."""
    path = request.path.partition("?")[0]
    if path == "/signal":
        return None
    file = WEB / (path.lstrip("/") or "index.html")
    if path == "/config.json":
        body, kind = b'{"iceServers": []}', "application/json"
    elif file.is_file():
        body, kind = file.read_bytes(), mimetypes.guess_type(file.name)[0] or "text/plain"
    else:
        return socket.respond(HTTPStatus.NOT_FOUND, "")
    length = str(len(body))
    headers = Headers({"Content-Type": kind, "Content-Length": length, "Connection": "close"})
    return Response(200, "OK", headers, body)


async def main(mood: str, port: int) -> None:
    """Until it is ended."""
    os.nice(10)  # a real one has processors of its own
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # they flee from it

    async def attend(socket: ServerConnection) -> None:
        print("somebody came", flush=True)
        await MOODS[mood](socket)

    async with serve(attend, "localhost", port, process_request=serve_page, max_size=None):
        print("begun", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
