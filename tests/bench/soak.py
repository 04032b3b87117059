"""`scripts/bench soak`: what hundreds of calls, good and bad ones, leave behind in door and server.

The page is Chromium. Exits with 1 if calls failed, if a program takes more memory with each call,
or if it has more tasks, threads or open files in the end than in the beginning.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path

from playwright.async_api import Error as BrowserError
from playwright.async_api import async_playwright

from homecall_pi.errors import HomeCallError
from tests.bench.plan import WARM_CALLS, plan
from tests.bench.soak_calls import FAULTS, FLAGS, GOOD, RENEWALS, Household, Kind, title
from tests.bench.trend import Holdings, Trend
from tests.e2e import holdings

LOOK_CALLS = 5
"""Calls from one look at the memory to the next."""
MIN_CALLS = 100
"""Fewer say nothing of memory."""
PATIENCE_S = 30.0
"""Seconds that what is left of the last calls may take to go: a lost connection lingers."""


async def main(calls: int) -> bool:
    """Prints what was found; whether all is well."""
    with tempfile.TemporaryDirectory() as folder:
        async with async_playwright() as playwright:
            household = Household(Path(folder))
            try:
                await household.start(playwright, *FLAGS)
                return await Soak(household).run(plan(calls, GOOD, FAULTS, RENEWALS))
            finally:
                await household.close()


class Soak:
    """One run."""

    def __init__(self, household: Household) -> None:
        self._household = household
        self._done: Counter[Kind] = Counter()
        self._failed: Counter[Kind] = Counter()
        self._trends: dict[str, Trend] = {}

    async def run(self, kinds: list[Kind]) -> bool:
        """All the calls; whether all is well."""
        began = time.monotonic()
        for number, kind in enumerate(kinds, 1):
            await self._call(number, kind)
            if number % LOOK_CALLS == 0:
                await self._look(number)
        took_s = time.monotonic() - began
        await self._settle()
        self._print_calls(took_s)
        print(Trend.HEAD)
        for name, trend in self._trends.items():
            print(trend.row(name))
        troubles = self._troubles()
        print("\n".join(troubles) or "nothing stays behind")
        return not troubles

    async def _call(self, number: int, kind: Kind) -> None:
        home = self._household
        try:
            await kind(home)
            await home.door.becomes("idle")
            await home.family.becomes("waiting")
        except (AssertionError, BrowserError, HomeCallError) as error:
            self._failed[kind] += 1
            state = home.door.status
            print(f"call {number} failed, {title(kind)}: {error}; the door: {state}", flush=True)
            await home.recover()
        else:
            self._done[kind] += 1

    async def _look(self, number: int) -> None:
        found = await self._holdings()
        if number == WARM_CALLS:
            self._trends = {name: Trend(holds) for name, holds in found.items()}
        for name, trend in self._trends.items():
            trend.add(number, found[name])

    async def _holdings(self) -> dict[str, Holdings]:
        home = self._household
        return {
            "daemon": await holdings.at_rest(home.door),
            "sound program": holdings.of(home.sound),
            "server": holdings.of(home.server.process),
        }

    async def _settle(self) -> None:
        """Lets what lingers go, and looks for the last time."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            for name, found in (await self._holdings()).items():
                self._trends[name].end = found
            grown = any(trend.grown for trend in self._trends.values())
            if not grown or time.monotonic() > deadline:
                return

    def _print_calls(self, took_s: float) -> None:
        done, failed = self._done.total(), self._failed.total()
        print(f"{done + failed} calls in {took_s:.0f} s; {'done':>32} {'failed':>7}")
        for kind in (*GOOD, *FAULTS, *RENEWALS):
            print(f"  {title(kind):50} {self._done[kind]:>4} {self._failed[kind]:>7}")

    def _troubles(self) -> list[str]:
        calls = [f"{count} failed: {title(kind)}" for kind, count in self._failed.items()]
        log = self._household.door.output + self._household.server.output
        errors = ["a program's log has a traceback"] if "Traceback" in log else []
        found = [f"{name}: {t}" for name, trend in self._trends.items() for t in trend.troubles]
        return [*calls, *errors, *found]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=300, help=f"at least {MIN_CALLS} [300]")
    arguments = parser.parse_args()
    if arguments.calls < MIN_CALLS:
        parser.error(f"fewer than {MIN_CALLS} calls say nothing of memory")
    raise SystemExit(not asyncio.run(main(arguments.calls)))
