"""Door and page at a signaling server that does its worst, and back at a good one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import psutil
import pytest

from .conftest import Household
from .hostile_server import MOODS
from .household import Family, Program, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

SUFFER_S = 2.0
MOST_MB = 60.0
"""By which the door may grow: more than a message may take, and much less than 1 GB."""


class Usage:
    """The memory and the processor that some processes took while they were watched."""

    def __init__(self, processes: Callable[[], Iterable[psutil.Process]]) -> None:
        self._processes = processes
        self.before_mb = self.peak_mb = self.now_mb
        self.cpu = 0.0
        """Of a core."""

    @property
    def now_mb(self) -> float:
        return sum(self._each(lambda one: one.memory_info().rss)) / 1e6

    @property
    def grown_mb(self) -> float:
        return self.peak_mb - self.before_mb

    async def watch(self, seconds: float) -> None:
        used_s, started_s = self._cpu_s, time.monotonic()
        while time.monotonic() - started_s < seconds:
            self.peak_mb = max(self.peak_mb, self.now_mb)
            await asyncio.sleep(0.02)
        self.cpu = (self._cpu_s - used_s) / (time.monotonic() - started_s)

    @property
    def _cpu_s(self) -> float:
        return sum(self._each(lambda one: sum(one.cpu_times()[:2])))

    def _each(self, of: Callable[[psutil.Process], float]) -> Iterator[float]:
        for one in self._processes():
            with suppress(psutil.NoSuchProcess):
                yield of(one)


def door_of(household: Household) -> list[psutil.Process]:
    process = household.door.process
    return [process, *process.children(recursive=True)]


def pages() -> list[psutil.Process]:
    """The processes that Chromium runs pages in."""
    programs = psutil.Process().children(recursive=True)
    return [program for program in programs if "--type=renderer" in program.cmdline()]


async def suffer(
    household: Household, mood: str, seconds: float
) -> tuple[Family, dict[str, Usage]]:
    """Door and page at a hostile server for so long, with a ring: the page, and what both took.

    Afterwards the server is a good one, and both are to find back to it.
    """
    hostile = Program(household.folder, "hostile", mood, str(household.server.port))
    hostile.module = ("tests.e2e.hostile_server",)
    household.programs.append(hostile)
    hostile.start()
    await until("the hostile server listens", lambda: "begun" in hostile.output)
    await household.start(with_server=False)
    await until("the door has come", lambda: "somebody came" in hostile.output)
    family = await household.page()
    await family.open(household.server.link)
    renderers = pages()
    usages = {"door": Usage(lambda: door_of(household)), "page": Usage(lambda: renderers)}
    household.door.ring()
    await asyncio.gather(*(usage.watch(seconds) for usage in usages.values()))
    await family.state()  # which a page that hangs would not tell
    hostile.stop()
    household.door.hang_up()
    await household.start_server()
    await household.door.ready()
    await family.becomes("waiting")
    return family, usages


@pytest.mark.parametrize("mood", MOODS)
async def test_a_hostile_server_takes_neither_door_nor_page_with_it(
    household: Household, mood: str
) -> None:
    family, usages = await suffer(household, mood, SUFFER_S)
    assert usages["door"].grown_mb < MOST_MB
    await household.ring_and_answer(family)
    await family.sees_moving_pictures()
