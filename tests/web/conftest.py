"""Fixtures of the family page's tests: a tiny server, a browser, the page and a door that rings."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

import homecall_pi

from .. import kept
from ..sound import write_beeps

VISITOR = Path(__file__).with_name("visitor.js")
WEB = Path(homecall_pi.__file__).parent / "web"
ROOM = "6f9d0c52-3b1e-4c1c-9a55-0d5a3f1b7c11"
PATIENCE_S = 8.0
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=document-user-activation-required",
    # Names of the local network need multicast, which a test machine may not have.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
]


@dataclass
class Line:
    """One WebSocket of the page, seen from the server."""

    socket: ServerConnection
    heard: list[dict[str, Any]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self) -> None:
        with suppress(ConnectionClosed):
            async for frame in self.socket:
                async with self.changed:
                    self.heard.append(json.loads(frame))
                    self.changed.notify_all()

    async def take(self, kind: str) -> dict[str, Any]:
        """The next message of this type, removed from what was heard."""

        def found() -> dict[str, Any] | None:
            return next((message for message in self.heard if message["type"] == kind), None)

        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(found)
            message = found()
            assert message is not None
            self.heard.remove(message)
            return message

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def offer(self, sdp: str, sender: str = "Front door") -> None:
        await self.send(type="offer", room=ROOM, sdp=sdp, **{"from": sender})


class Board:
    """Serves the page as strictly as a real server may, and hands out its WebSockets."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[Line] = asyncio.Queue()
        self.config: dict[str, Any] | None = {"iceServers": []}
        self.refusing = False
        self.opening = asyncio.Event()
        """Cleared, it holds back what a WebSocket needs to open."""
        self.opening.set()
        self.requests: list[str] = []
        """What was asked for, with its headers."""
        self._server: Server | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Board]:
        async with serve(self._handle, "127.0.0.1", 0, process_request=self._answer) as server:
            self._server = server
            yield self

    @property
    def url(self) -> str:
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"http://127.0.0.1:{port}"

    @property
    def link(self) -> str:
        return f"{self.url}/?room={ROOM}"

    async def line(self) -> Line:
        """The next connection of a page."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.lines.get()

    async def _handle(self, socket: ServerConnection) -> None:
        line = Line(socket)
        self.lines.put_nowait(line)
        await line.listen()

    async def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(f"{request.path}\n{request.headers}")
        path = request.path.partition("?")[0]
        if path == "/signal":
            if self.refusing:
                return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "")
            await self.opening.wait()
            return None
        if path == "/blank":
            return _page(b"<!doctype html><title>door</title>", "text/html", csp="")
        if path == "/config.json":
            if self.config is None:
                return connection.respond(HTTPStatus.NOT_FOUND, "")
            return _page(json.dumps(self.config).encode(), "application/json")
        file = WEB / (path.lstrip("/") or "index.html")
        if not file.is_file():
            return connection.respond(HTTPStatus.NOT_FOUND, "")
        return _page(file.read_bytes(), mimetypes.guess_type(file.name)[0] or "text/plain")


def _page(body: bytes, kind: str, csp: str = "default-src 'self'") -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body))})
    headers["Connection"] = "close"
    if csp:
        headers["Content-Security-Policy"] = csp
    return Response(200, "OK", headers, body)


async def until(page: Page, condition: str) -> None:
    """Waits until the JavaScript condition holds.

    Playwright's own `wait_for_function` needs `eval`, which the page's policy forbids.
    """
    async with asyncio.timeout(PATIENCE_S):
        # The condition lives in another process.
        while not await page.evaluate(condition):
            await asyncio.sleep(0.02)


class Door:
    """A visitor's browser: the offering side of calls."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def offer(self, *, control: bool = True, call: str = "a") -> str:
        """A new connection's, in this call."""
        wish = {"control": control, "call": call}
        return await self.page.evaluate("wish => visitor.offer(wish)", wish)

    async def offer_again(self, *, control: bool = True) -> str:
        return await self.page.evaluate("control => visitor.again({ control })", control)

    async def accept(self, line: Line) -> str:
        """Takes the page's answer from the line and puts it in force."""
        sdp: str = (await line.take("answer"))["sdp"]
        await self.page.evaluate("sdp => visitor.accept(sdp)", sdp)
        return sdp

    async def ring(
        self, line: Line, *, control: bool = True, call: str = "a", sender: str = "Front door"
    ) -> str:
        """Offers, and connects. Returns the page's answer."""
        await line.offer(await self.offer(control=control, call=call), sender)
        return await self.accept(line)

    async def end(self, reason: str) -> None:
        await self.tell(type="ended", reason=reason)

    async def tell(self, **message: str) -> None:
        """Says something on the control channel."""
        await self.until("visitors.at(-1).channel.readyState === 'open'")
        await self.page.evaluate("message => visitor.tell(message)", message)

    async def until(self, condition: str) -> None:
        await until(self.page, condition)

    async def until_heard(self, *words: str) -> None:
        """Waits until the page has said exactly these words on the control channel."""
        await self.until(f"visitors.at(-1).heard.join() === '{','.join(words)}'")

    async def until_voice(self) -> None:
        await self.until("visitor.heardEnergy().then(energy => energy > 0.0001)")


class Family:
    """The page under test."""

    def __init__(self, page: Page, board: Board) -> None:
        self.page = page
        self.board = board

    async def open(self, name: str = "Anna", *, fragment: str = "") -> Line:
        """Opens the link, gives the name, and returns the joined line."""
        await self.page.goto(self.board.link + fragment)
        await self.page.fill("#name", name)
        await self.page.press("#name", "Enter")
        line = await self.board.line()
        await line.take("join")
        await self.until_state("waiting")
        return line

    async def until_state(self, state: str) -> None:
        await self.until(f"document.body.dataset.state === '{state}'")

    async def until_toast(self, text: str) -> None:
        await self.until(f"document.querySelector('#toasts').textContent.includes({text!r})")

    async def until_picture(self) -> None:
        """Waits until the picture moves."""
        await self.until("document.querySelector('#picture').videoWidth > 0")
        await self.until("document.body.dataset.picture === 'on'")

    async def until(self, condition: str) -> None:
        await until(self.page, condition)

    async def data(self, key: str) -> str | None:
        return await self.page.evaluate("key => document.body.dataset[key]", key)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    voice = tmp_path_factory.mktemp("microphone") / "voice.wav"
    # Chromium's own fake is silent for most of each second.
    write_beeps(voice, 440.0, seconds=2.0, beep_s=0.1)
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={voice}"]
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def door_page(browser: Browser) -> AsyncIterator[Page]:
    async with Board().running() as board:
        page = await browser.new_page()
        await page.goto(f"{board.url}/blank")
        await page.add_script_tag(path=VISITOR)
        # The doors' tones need a page that was touched.
        await page.mouse.click(1, 1)
        yield page
        await page.close()


@pytest_asyncio.fixture(loop_scope="session")
async def door(door_page: Page) -> AsyncIterator[Door]:
    yield Door(door_page)
    await door_page.evaluate("visitors.splice(0).forEach(({ pc }) => pc.close())")


@pytest_asyncio.fixture(loop_scope="session")
async def board() -> AsyncIterator[Board]:
    async with Board().running() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, board: Board) -> AsyncIterator[BrowserContext]:
    """A fresh browser profile, closed before the board: else it may come while that closes.

    asyncio forgets such a connection (seen with Python 3.11), and a later test is blamed for it.
    """
    made = await browser.new_context(locale="en-US")
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def family(
    context: BrowserContext, board: Board, request: pytest.FixtureRequest
) -> AsyncIterator[Family]:
    """The page in a fresh browser profile; any error in its console fails the test."""
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: note_problem(problems, message.type, message.text))
    yield Family(page, board)
    if folder := kept.place(request):
        await page.screenshot(path=folder / "page.png")
    assert problems == []


def note_problem(problems: list[str], kind: str, text: str) -> None:
    """Keeps what a page says in its console, if it is an error of its own."""
    expected = ("WebSocket connection to", "Failed to load resource")
    if kind == "error" and not text.startswith(expected):
        problems.append(text)
