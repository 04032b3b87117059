"""`scripts/bench press`: how long a press takes to become a picture, and what the daemon costs.

Exits with 1 if that is more than wanted; the limits of medians stand in brackets.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from playwright.async_api import async_playwright

from tests.bench.limits import Limits
from tests.e2e.household import Door, Family, Server, launch_chromium

STEPS = {
    "offer sent": "OfferReady",
    "answer received": "AnswerReceived",
    "connected": "Connected",
}
PRESENTED = "first frame presented"
WAITING_MS, LATE_MS = 150.0, 1000.0
"""Till the first frame, of a page that waits and of one that is opened after the press."""
IDLE_PERCENT, IDLE_MIB = 1.0, 75.0
"""Of a core, and of memory, of a door at which nobody rings."""
COST_S = 10.0


class Cost(NamedTuple):
    """What the daemon takes: percent of a core, and its RSS in MiB."""

    percent: float
    mib: float


async def main(calls: int) -> bool:
    """Measures `calls` calls with the page waiting, as many with a page opened after the press.

    Whether all is as wanted.
    """
    limits = Limits()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        door = Door(Path(folder), server.port)
        server.start()
        try:
            await server.ready()
            door.start()
            await door.ready()
            async with async_playwright() as playwright:
                browser = await launch_chromium(playwright, "--use-fake-ui-for-media-stream")
                family = Family(await browser.new_page())
                await measure(server, door, family, calls, limits)
        finally:
            for program in (door, server):
                if program.running:
                    program.stop()
    return limits.verdict()


async def measure(server: Server, door: Door, family: Family, calls: int, limits: Limits) -> None:
    """Prints all figures."""
    await asyncio.sleep(3)
    idle = await cost(door)
    await family.open(server.link)
    await family.becomes("waiting")
    rows = [await waiting_page(door, family) for _ in range(calls)]
    print(f"press -> ..., page waiting, {calls} calls (ms): median, p95")
    for step in STEPS:
        print_row(step, [row[step] for row in rows])
    print_row(PRESENTED, [row[PRESENTED] for row in rows], limits, WAITING_MS)
    late = [await late_page(server, door, family) for _ in range(calls)]
    print(f"page opened after the press, {calls} calls (ms): median, p95")
    print_row("load -> first frame", late, limits, LATE_MS)
    await in_call(door, family)
    talking = await cost(door)
    await family.page.click("#hangup")
    await door.becomes("idle")
    after = await cost(door)
    print(f"daemon, {COST_S:g} s each: % of a core, MiB RSS")
    percent = limits.at_most(IDLE_PERCENT, "idle, % of a core", idle.percent, digits=1)
    mib = limits.at_most(IDLE_MIB, "idle, MiB RSS", idle.mib, digits=1)
    print(f"  {'idle':24} {percent} {mib}")
    for name, row in {"in a call": talking, "idle again": after}.items():
        print(f"  {name:24} {row.percent:.1f} {row.mib:.1f}")


async def waiting_page(door: Door, family: Family) -> dict[str, float]:
    """One ring, declined: milliseconds from the press to each step."""
    await arm(family)
    said = len(door.output)
    pressed = time.time()
    door.ring()
    presented = await family.page.evaluate("window.firstFrame")
    await family.page.click("#decline")
    await door.becomes("idle")
    await family.becomes("waiting")
    log = door.output[said:]
    row = {step: (when(log, event) - pressed) * 1000 for step, event in STEPS.items()}
    row[PRESENTED] = presented - pressed * 1000
    await asyncio.sleep(0.5)
    return row


async def late_page(server: Server, door: Door, family: Family) -> float:
    """One ring with the page opened after it: milliseconds from the start of its load."""
    await family.page.goto("about:blank")
    door.ring()
    await family.page.goto(server.link, wait_until="commit")
    await family.page.wait_for_selector("#picture", state="attached")
    await arm(family)
    presented = await family.page.evaluate("window.firstFrame")
    started = await family.page.evaluate("performance.timeOrigin")
    await family.page.click("#decline")
    await door.becomes("idle")
    await family.becomes("waiting")
    return float(presented - started)


async def in_call(door: Door, family: Family) -> None:
    """Brings about a conversation."""
    door.ring()
    await family.becomes("ringing")
    await family.page.click("#answer")
    await door.becomes("talking")


async def arm(family: Family) -> None:
    """Notes the wall-clock time (ms) at which the page next submits a picture for display."""
    await family.page.evaluate(
        """() => {
          const video = document.querySelector("#picture");
          window.firstFrame = new Promise(done => video.requestVideoFrameCallback(
            (_, frame) => done(performance.timeOrigin + frame.presentationTime)));
        }"""
    )


def when(log: str, event: str) -> float:
    """The wall-clock time (s) of the first such event in the door's log."""
    line = re.search(rf"^(\S+ \S+) .*doorbell: {event}: ", log, re.MULTILINE)
    assert line, f"{event} is not in the door's log"
    return datetime.strptime(line[1], "%Y-%m-%d %H:%M:%S,%f").timestamp()


async def cost(door: Door) -> Cost:
    """What the daemon takes, over COST_S seconds."""
    before = door.process.cpu_times()
    await asyncio.sleep(COST_S)
    after = door.process.cpu_times()
    seconds = after.user + after.system - before.user - before.system
    return Cost(100 * seconds / COST_S, door.process.memory_info().rss / 2**20)


def print_row(
    step: str, values_ms: list[float], limits: Limits | None = None, limit_ms: float = 0.0
) -> None:
    """One line of the table: median and p95, and what the median is held against."""
    median_ms = statistics.median(values_ms)
    p95_ms = sorted(values_ms)[min(len(values_ms) - 1, int(len(values_ms) * 0.95))]
    median = f"{median_ms:.0f}" if limits is None else limits.at_most(limit_ms, step, median_ms)
    print(f"  {step:24} {median:>12} {p95_ms:7.0f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench press", description=__doc__)
    parser.add_argument("--calls", type=int, default=20, help="calls of each kind [20]")
    raise SystemExit(not asyncio.run(main(parser.parse_args().calls)))
