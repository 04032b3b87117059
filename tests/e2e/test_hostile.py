"""Door and page at a signaling server that does its worst, and back at a good one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
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
    """The memory and the processor that a program, and its children, took while it was watched."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
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
        for one in (self._process, *self._process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                yield of(one)


async def suffer(household: Household, mood: str, seconds: float) -> tuple[Usage, Family]:
    """Door and page at a hostile server for so long, with a ring: what the door took, and the page.

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
    usage = Usage(household.door.process)
    household.door.ring()
    await usage.watch(seconds)
    await family.state()  # which a page that hangs would not tell
    hostile.stop()
    household.door.hang_up()
    await household.start_server()
    await household.door.ready()
    await family.becomes("waiting")
    return usage, family


@pytest.mark.parametrize("mood", MOODS)
async def test_a_hostile_server_takes_neither_door_nor_page_with_it(
    household: Household, mood: str
) -> None:
    usage, family = await suffer(household, mood, SUFFER_S)
    assert usage.grown_mb < MOST_MB
    await household.ring_and_answer(family)
    await family.sees_moving_pictures()
