"""A household per test; on failure its logs and pictures of its pages are kept."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from .. import kept
from ..sound import write_beeps
from .household import SMALL_PICTURE, Door, Family, Program, Server, launch_chromium

PITCH_HZ = 880.0
"""Of the beeps in the family's microphone."""


class Household:
    """One server, one door, and as many open pages as a test wants."""

    def __init__(self, folder: Path, browser: Browser) -> None:
        self.folder = folder
        self._browser = browser
        self.programs: list[Program] = []
        self.families: list[Family] = []
        self.server = Server(folder)

    async def start(
        self,
        *door_flags: str,
        with_server: bool = True,
        environment: dict[str, str] | None = None,
        camera: Path | None = None,
    ) -> None:
        """Starts door and server; the door has a camera that is plugged in if there is a file."""
        if with_server:
            await self.start_server()
        self.door = self.make_door(*door_flags)
        self.door.environment |= environment or {}
        if camera is not None:
            self.door.give_camera(camera)
        self.programs.insert(0, self.door)
        self.door.start()
        if with_server:
            await self.door.ready()

    def make_door(self, *flags: str) -> Door:
        return Door(self.folder, self.server.port, *SMALL_PICTURE, *flags)

    async def start_server(self) -> None:
        if self.server not in self.programs:
            self.programs.append(self.server)
        self.server.start()
        await self.server.ready()

    async def page(self, *, microphone: bool = True, language: str = "en-US") -> Family:
        """A browser of its own, with nothing open."""
        context = await self._browser.new_context(
            locale=language, permissions=["microphone"] if microphone else []
        )
        family = Family(await context.new_page())
        self.families.append(family)
        return family

    async def waiting_page(self) -> Family:
        """A page that has joined and waits for a ring."""
        family = await self.page()
        await family.open(self.server.link)
        await family.becomes("waiting")
        return family

    async def talking(self) -> Family:
        """A conversation."""
        family = await self.waiting_page()
        await self.ring_and_answer(family)
        return family

    async def ring_and_answer(self, family: Family) -> None:
        self.door.ring()
        await family.becomes("ringing")
        await family.page.click("#answer")
        await family.becomes("talking")
        await self.door.becomes("talking")

    async def close(self) -> None:
        for family in self.families:
            await family.page.context.close()
        for program in self.programs:
            if program.running:
                program.stop()

    async def keep(self, folder: Path) -> None:
        """Copies the logs there, and takes pictures of the pages."""
        for program in self.programs:
            shutil.copy(program.log, folder)
        for number, family in enumerate(self.families):
            await family.page.screenshot(path=folder / f"page{number}.png")

    def judge(self) -> None:
        """Makes sure that neither a page nor a program met a fault that it did not expect."""
        for family in self.families:
            assert family.errors == [], "the page raised errors"
        for program in self.programs:
            assert "Traceback" not in program.output
            assert "Task exception was never retrieved" not in program.output


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    beeps = tmp_path_factory.mktemp("microphone") / "beeps.wav"
    write_beeps(beeps, PITCH_HZ)
    async with async_playwright() as playwright:
        browser = await launch_chromium(playwright, f"--use-file-for-fake-audio-capture={beeps}")
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def household(
    request: pytest.FixtureRequest, tmp_path: Path, browser: Browser
) -> AsyncIterator[Household]:
    """Nothing runs yet: `await household.start()`."""
    household = Household(tmp_path, browser)
    async with looked_after(household, request):
        yield household


@asynccontextmanager
async def looked_after(household: Household, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Closes it at the end; keeps what a test that failed leaves, and judges the others' errors."""
    yield
    folder = kept.place(request)
    if folder is not None:
        await household.keep(folder)
    await household.close()
    if folder is None:
        household.judge()
