"""`scripts/bench press`: how long a press takes to become a picture, and what the daemon costs."""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

from playwright.async_api import async_playwright

from tests.e2e.household import Door, Family, Server, launch_chromium

STEPS = {
    "offer sent": "OfferReady",
    "answer received": "AnswerReceived",
    "connected": "Connected",
}
COST_S = 10.0


async def main(calls: int) -> None:
    """Measures `calls` calls with the page waiting, as many with a page opened after the press."""
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
                await measure(server, door, family, calls)
        finally:
            for program in (door, server):
                if program.running:
                    program.stop()


async def measure(server: Server, door: Door, family: Family, calls: int) -> None:
    """Prints all figures."""
    await asyncio.sleep(3)
    idle = await cost(door, "idle")
    await family.open(server.link)
    await family.becomes("waiting")
    rows = [await waiting_page(door, family) for _ in range(calls)]
    print(f"press -> ..., page waiting, {calls} calls (ms): median, p95")
    for step in (*STEPS, "first frame presented"):
        print_row(step, [row[step] for row in rows])
    late = [await late_page(server, door, family) for _ in range(calls)]
    print(f"page opened after the press, {calls} calls (ms): median, p95")
    print_row("load -> first frame", late)
    await in_call(door, family)
    talking = await cost(door, "in a call")
    await family.page.click("#hangup")
    await door.becomes("idle")
    after = await cost(door, "idle again")
    print("daemon: " + "; ".join([idle, talking, after]))


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
    row["first frame presented"] = presented - pressed * 1000
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


async def cost(door: Door, what: str) -> str:
    """Processor time and memory of the daemon over COST_S seconds."""
    before = door.process.cpu_times()
    await asyncio.sleep(COST_S)
    after = door.process.cpu_times()
    seconds = after.user + after.system - before.user - before.system
    memory = door.process.memory_info().rss / 1e6
    return f"{what} {100 * seconds / COST_S:.1f} % of a core, {memory:.1f} MB RSS"


def print_row(step: str, values: list[float]) -> None:
    """One line of the table."""
    p95 = sorted(values)[min(len(values) - 1, int(len(values) * 0.95))]
    print(f"  {step:24} {statistics.median(values):7.0f} {p95:7.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench press", description=__doc__)
    parser.add_argument("--calls", type=int, default=20, help="calls of each kind [20]")
    asyncio.run(main(parser.parse_args().calls))
