"""Coverage-guided fuzzing of the family page in Chromium, which counts what of its code has run.

A play is what a hostile server says, a door does and the family touches, one after the other. One
that runs code which none before it ran is kept, and later ones are made out of those.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
from playwright.async_api import Browser, CDPSession, Error, Page, async_playwright
from websockets.exceptions import ConnectionClosed

from tests.e2e.household import launch_chromium
from tests.web.conftest import VISITOR, Board, Door, Family, Line, note_problem
from tests.web.test_hostile import SAID, anything, message, rings
from tests.webrtc.test_hostile import spoilt

MAX_ACTS = 50
PLAYS_PER_PAGE = 20
PATIENCE_S = 20.0
"""Seconds after which a page that says nothing hangs."""
CONNECT_S = 0.3
"""Seconds that a page may take to answer and to show a picture, if it does at all."""
CLOSED = (1000, 1008, 1012, 4001)
TOUCHED = (
    *("use-here", "change-name", "keep-name", "allow-microphone", "release", "decline", "answer"),
    *("mute", "hangup", "fullscreen"),
)
STATES = {
    *("offline", "waiting", "full", "shut", "replaced"),  # the line's
    *("no-room", "name", "ringing", "talking"),  # the visit's and the call's
}
MARKUP = "document.querySelectorAll('script, img, iframe, object, embed, style, link, a').length"

Act = tuple[str, Any]
Play = list[Act]


class Coverage:
    """Which characters of the page's modules have run."""

    def __init__(self) -> None:
        self._seen: dict[str, np.ndarray[Any, np.dtype[np.bool_]]] = {}

    async def watch(self, page: Page) -> CDPSession:
        """Has the page count from now on."""
        session = await page.context.new_cdp_session(page)
        await session.send("Profiler.enable")
        wishes = {"callCount": True, "detailed": True}
        await session.send("Profiler.startPreciseCoverage", wishes)
        return session

    async def grows(self, session: CDPSession) -> bool:
        """Takes what has run since the last time; whether any of it is new."""
        taken = await session.send("Profiler.takePreciseCoverage")
        scripts = [script for script in taken["result"] if script["url"].endswith(".js")]
        new = [self._add(script) for script in scripts]
        return any(new)

    def _add(self, script: dict[str, Any]) -> bool:
        # Functions, and the blocks in them, come after those around them.
        blocks = [block for function in script["functions"] for block in function["ranges"]]
        ran = np.zeros(max(block["endOffset"] for block in blocks), bool)
        for block in blocks:
            ran[block["startOffset"] : block["endOffset"]] = block["count"] > 0
        name = script["url"].rsplit("/", 1)[1]
        seen = self._seen.setdefault(name, np.zeros(0, bool))
        if len(seen) < len(ran):
            seen = self._seen[name] = np.pad(seen, (0, len(ran) - len(seen)))
        is_new = bool((ran & ~seen[: len(ran)]).any())
        seen[: len(ran)] |= ran
        return is_new

    @property
    def percent(self) -> float:
        """Of the characters of all modules that were loaded."""
        return 100 * float(np.concatenate(list(self._seen.values())).mean())


class Stage:
    """A page of the family, its server, and a visitor's browser."""

    def __init__(self, browser: Browser, board: Board, door: Door) -> None:
        self.troubles: list[str] = []
        self._browser = browser
        self._board = board
        self._door = door
        self._line: Line | None = None
        self._sample = ""
        self._rang = False
        """Whether there is an offer to which nobody has connected yet."""
        self._markup = 0

    @asynccontextmanager
    async def page(self, coverage: Coverage) -> AsyncIterator[tuple[Family, CDPSession]]:
        """A fresh one that waits for a ring."""
        context = await self._browser.new_context(permissions=["microphone"])
        page = await context.new_page()
        page.set_default_timeout(1000 * PATIENCE_S)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("crash", lambda _: self.troubles.append("the page crashed"))
        page.on("console", lambda said: note_problem(self.troubles, said.type, said.text))
        family = Family(page, self._board)
        session = await coverage.watch(page)
        self._line = await family.open()
        self._sample = await self._door.offer()
        self._markup = await page.evaluate(MARKUP)
        yield family, session
        await context.close()
        await self._forget_calls()

    async def ring_anew(self, family: Family) -> None:
        """The page, loaded again, has to ring as if nothing had been."""
        await family.page.goto(self._board.link)
        await family.until_state("waiting")
        self._take_newest_line()
        assert self._line is not None
        await rings(self._line, self._door)
        await family.until_state("ringing")

    def _take_newest_line(self) -> None:
        while not self._board.lines.empty():
            self._line = self._board.lines.get_nowait()

    async def _forget_calls(self) -> None:
        await self._door.page.evaluate("visitors.splice(0).forEach(({ pc }) => pc.close())")

    async def perform(self, play: Play, family: Family) -> None:
        """Does it, and looks whether the page is still what it was."""
        for verb, what in play:
            self._take_newest_line()
            with suppress(Error, ConnectionClosed, TimeoutError):  # of the door, or of the line
                async with asyncio.timeout(PATIENCE_S):
                    await getattr(self, f"_{verb}")(what, family)
            await family.page.evaluate("null")  # lets it get on with it
        await self._forget_calls()
        self._rang = False
        state = await family.data("state")
        if state not in STATES:
            self.troubles.append(f"the page's state is {state}")
        if await family.page.evaluate(MARKUP) != self._markup:
            self.troubles.append("what was said became markup")

    async def _say(self, text: str | None, _: Family) -> None:
        assert self._line is not None
        await self._line.socket.send(b"\0{}" if text is None else text)

    async def _ring(self, how: tuple[str, str, int], _: Family) -> None:
        assert self._line is not None
        sender, call, seed = how
        offer = await self._door.offer(call=call)
        if seed:
            offer = spoilt(offer, random.Random(seed))  # noqa: S311
        await self._line.offer(offer, sender)
        self._rang = True

    async def _connect(self, _: None, family: Family) -> None:
        assert self._line is not None
        if not self._rang:
            return
        self._rang = False
        async with asyncio.timeout(CONNECT_S):
            await self._door.accept(self._line)
            await family.until("document.body.dataset.picture === 'on'")

    async def _tell(self, text: str, _: Family) -> None:
        await self._door.page.evaluate("text => visitors.at(-1).channel.send(text)", text)

    async def _touch(self, what: str, family: Family) -> None:
        await family.page.evaluate("what => document.getElementById(what).click()", what)

    async def _cut(self, code: int, _: Family) -> None:
        assert self._line is not None
        await self._line.socket.close(code)

    def act(self, dice: random.Random) -> Act:
        """Any."""
        kinds: list[tuple[int, Callable[[], Act]]] = [
            (40, lambda: ("say", json.dumps(maimed(message(dice, self._sample), dice)))),
            (1, lambda: ("say", dice.choice((None, "", "{", "[" * 5000, '"\\ud800"')))),
            (3, lambda: ("ring", ringing(dice))),
            (3, lambda: ("connect", None)),
            (3, lambda: ("tell", json.dumps(word(dice)))),
            (4, lambda: ("touch", dice.choice(TOUCHED))),
            (1, lambda: ("cut", dice.choice(CLOSED))),
        ]
        weights, makers = zip(*kinds, strict=True)
        return dice.choices(makers, weights)[0]()


def ringing(dice: random.Random) -> tuple[str, str, int]:
    """Who rings, in which call, and how the offer is spoilt; 0: it is not."""
    seed = dice.choice((0, 0, dice.getrandbits(32)))
    return dice.choice(("Front door", "", "<img><a>")), dice.choice("aab"), seed


def maimed(said: Any, dice: random.Random) -> Any:
    """What is said, maybe without one of its fields, or with something else in there."""
    if isinstance(said, dict) and said and dice.random() < 0.3:
        del said[dice.choice(list(said))]
    elif isinstance(said, dict) and said and dice.random() < 0.3:
        said[dice.choice(list(said))] = dice.choice((anything(dice), "<img><a>"))
    return said


def word(dice: random.Random) -> Any:
    """What a door may say on the control channel, or not."""
    if dice.random() < 0.3:
        return anything(dice)
    return {
        "type": dice.choice(("ended", "door", "answered")),
        "reason": dice.choice(("hung-up", "no-answer", "declined", "<img>", *SAID)),
        "release": dice.choice(("ready", "open", "none", "<img>", *SAID)),
    }


def varied(play: Play, other: Play, act: Callable[[], Act], dice: random.Random) -> Play:
    """The play with some changes; a part of the `other` may be one."""
    acts = list(play)
    for _ in range(dice.randint(1, 20)):
        at = dice.randrange(len(acts) + 1)
        match dice.randrange(5):
            case 0 | 1:
                acts.insert(at, act())
            case 2:
                acts[at : at + 1] = [act()]
            case 3:
                acts[at:] = other[dice.randrange(len(other) + 1) :]
            case 4:
                del acts[at : at + 1]
    return acts[:MAX_ACTS] or [act()]


async def fuzz(seconds: float, seed: int) -> tuple[int, float, str]:
    """Plays for so long; the number of plays, the percentage of the code, and what went wrong."""
    dice, coverage, plays = random.Random(seed), Coverage(), 0  # noqa: S311
    kept: list[Play] = [[]]
    until = time.monotonic() + seconds
    async with async_playwright() as playwright, Board().running() as board:
        browser = await launch_chromium(playwright, "--use-fake-ui-for-media-stream")
        visitor = await browser.new_page()
        await visitor.goto(f"{board.url}/blank")
        await visitor.add_script_tag(path=VISITOR)
        stage = Stage(browser, board, Door(visitor))
        while time.monotonic() < until:
            async with stage.page(coverage) as (family, session):
                for _ in range(PLAYS_PER_PAGE):
                    act = lambda: stage.act(dice)  # noqa: E731
                    play = varied(dice.choice(kept), dice.choice(kept), act, dice)
                    try:
                        await stage.perform(play, family)
                    except (Error, TimeoutError) as error:
                        stage.troubles.append(f"the page does not respond: {error}")
                    if stage.troubles:
                        return plays, coverage.percent, f"{stage.troubles}\nafter {play}"
                    plays += 1
                    if await coverage.grows(session):
                        kept.append(play)
                    if time.monotonic() >= until:
                        break
                await stage.ring_anew(family)
    return plays, coverage.percent, ""


async def row(seconds: float) -> bool:
    """One line of the table of `scripts/bench hostile`; whether nothing was found."""
    seed = random.SystemRandom().getrandbits(32)
    plays, percent, trouble = await fuzz(seconds, seed)
    found = f"seed {seed}: {trouble}" if trouble else "nothing found"
    print(f"{'page, server hostile':26} {plays:>9} {percent:>7.0f} % {found}")
    return not trouble
