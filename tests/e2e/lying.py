"""A signaling server that lies, and somebody in the middle with connections of its own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from playwright.async_api import Page
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from homecall_pi.core import sdp, seal
from homecall_pi.signaling.pages import Pages

from .deployed import DeployedServer
from .household import PATIENCE_S, until

SCRIPT = Path(__file__).with_name("middleman.js")
LINE = f"a={seal.ATTRIBUTE}:"
IDENTITY = ("a=fingerprint:", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:")


class LyingServer(DeployedServer):
    """Relays candidates; offers and answers only while `honest`, else keeps them for the test.

    The page that it serves is the true one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.honest = True
        self._kept: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._pages = Pages(lambda: {"iceServers": []})

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/signal":
            return None
        return self._pages.answer(request)

    async def kept(self, kind: str) -> str:
        """The next description, of this kind, that was not relayed."""
        async with asyncio.timeout(PATIENCE_S):
            found, text = await self._kept.get()
        assert found == kind
        return text

    async def say(self, kind: str, text: str, *, to: str, room: str) -> None:
        """Gives a participant a description, as if from another one."""
        message = {"type": kind, "room": room, "from": "Mallory", "sdp": text}
        # After a ring the door is out of the room for a moment, to have the queue swept.
        await until(f"{to} has joined", lambda: to in self._members)
        await self._members[to].send(json.dumps(message))

    async def _relay(self, sender: str, frame: str) -> None:
        message = json.loads(frame)
        if self.honest or message["type"] == "candidate":
            await super()._relay(sender, frame)
        else:
            self._kept.put_nowait((message["type"], message["sdp"]))


class Middleman:
    """Answers and offers calls from a real browser, and counts what it gets of them."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def open(self) -> None:
        await self._page.add_script_tag(path=SCRIPT)

    async def answer(self, offer: str) -> str:
        return str(await self._page.evaluate("offer => middleman.answer(offer)", offer))

    async def offer(self) -> str:
        return str(await self._page.evaluate("middleman.offer()"))

    async def packets(self) -> int:
        """Packets of sound and picture received in all calls."""
        return int(await self._page.evaluate("middleman.packets()"))


def seal_of(text: str) -> str:
    """The seal's line."""
    return next(line for line in text.splitlines(keepends=True) if line.startswith(LINE))


def without_seal(text: str) -> str:
    """The description as a server that takes unknown attributes away would relay it."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(LINE))


def with_seal(text: str, line: str) -> str:
    """The description with the seal's `line` in its place."""
    return text.replace("\r\nm=", f"\r\n{line}m=", 1)


def posing(text: str, own: str) -> str:
    """The description with the identity and the addresses of another one."""
    mine = [line for line in own.splitlines(keepends=True) if line.startswith(IDENTITY)]
    first = {line.split(":")[0]: line for line in mine if not line.startswith("a=candidate:")}
    lines = [
        first.get(line.split(":")[0], line)
        for line in text.splitlines(keepends=True)
        if not line.startswith("a=candidate:")
    ]
    addresses = "".join(line for line in mine if line.startswith("a=candidate:"))
    return "".join(lines).replace("a=ice-ufrag:", f"{addresses}a=ice-ufrag:", 1)


def retagged(answer: str, offer: str) -> str:
    """An answer to an earlier offer, made to fit a later one."""
    for old, new in zip(sdp.mids(answer), sdp.mids(offer), strict=True):
        answer = answer.replace(old, new)
    return answer
