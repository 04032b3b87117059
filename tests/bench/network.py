"""`scripts/bench network`: what bad networks leave of picture and voice, and of a ring.

Door and Chromium are in networks of their own, the door with a sound card without hardware. All
that the door sends and is sent passes through what is measured: random loss on its wire, a delay,
or a bottleneck. Each is applied to a call that runs; then calls begin under it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from playwright.async_api import ViewportSize, async_playwright

from tests.bench import listening
from tests.bench.ear import DIRECTIONS, SCRIPT, Call, read_speech, turns
from tests.bench.listening import Recording
from tests.bench.press import arm
from tests.bench.wishes import KEEP_CONNECTIONS, target
from tests.e2e.apart import Apart
from tests.e2e.household import Door, Family
from tests.e2e.network import Network
from tests.virtual_card import VirtualCard

Condition: TypeAlias = Callable[[Network], None]
Figures: TypeAlias = dict[str, float]

CONDITIONS: dict[str, Condition] = {
    "good": lambda network: None,
    "10 % loss": lambda network: network.lose(10),
    "20 % loss": lambda network: network.lose(20),
    "300 ms each way": lambda network: network.delay(0.3),
    "500 kbit/s": lambda network: network.narrow(500),
}
SCREEN = ViewportSize(width=320, height=480)
"""Small: drawing by software takes the time that decoding needs."""
SETTLE_S = 10.0
PATIENCE_S = 60.0
DOOR_FLAGS = ("--microphone-source=pyaudio", "--speaker-source=pyaudio", "--no-sounds-on")

STATS = """async () => {
  const pc = connections.find(each => each.connectionState === "connected");
  const figures = {};
  for (const each of (await pc.getStats()).values()) {
    if (each.type !== "inbound-rtp") continue;
    for (const [key, value] of Object.entries(each))
      if (typeof value === "number") figures[`${each.kind}.${key}`] = value;
  }
  const quality = document.querySelector("#picture").getVideoPlaybackQuality();
  figures["presented"] = quality.totalVideoFrames - quality.droppedVideoFrames;
  return figures;
}"""
HEAD = (
    f"  {'':20} {'size':>9} {'shown/s':>8} {'freezes':>7} {'frozen':>7} {'key fr.':>7} "
    f"{'kbit/s':>7} {'aim':>5} {'lost':>6} {'repaired':>8} {'PLI':>4} "
    f"{'buffer':>7} | {'to page':>8} {'late':>7} {'to door':>8} {'late':>7} | {'lost calls':>10}"
)


class Listening(Apart):
    """A household apart whose ends can be listened to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._flags.append("--autoplay-policy=no-user-gesture-required")
        self.card = VirtualCard(folder / "card")
        self.card.plug()

    async def page(self, **_: Any) -> Family:
        """A page that says and keeps what the bench wants."""
        context = await self._browser.new_context(bypass_csp=True, viewport=SCREEN)
        await context.add_init_script(KEEP_CONNECTIONS)
        await context.add_init_script(path=SCRIPT)
        family = Family(await context.new_page())
        self.families.append(family)
        return family

    def make_door(self, *flags: str) -> Door:
        """A door with the sound card."""
        door = super().make_door(*flags)
        door.environment |= self.card.environment
        return door

    async def close(self) -> None:
        """Ends everything."""
        await super().close()
        self.card.unplug()


async def main(only: str, seconds: float, rings: int, flags: list[str]) -> None:
    """Prints a row for each condition whose name contains `only`."""
    names = [name for name in CONDITIONS if only in name]
    with tempfile.TemporaryDirectory() as name:
        async with async_playwright() as playwright:
            household = Listening(Path(name))
            try:
                await household.start(playwright, *DOOR_FLAGS, "--call-talk-s=3600", *flags)
                await in_a_call(household, names, seconds)
                print(f"press -> first picture, answer -> talking, {rings} calls (s): median, most")
                for name in names:
                    await ring(household, name, rings)
            finally:
                await household.close()
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


async def in_a_call(household: Listening, names: list[str], seconds: float) -> None:
    """One call that goes through all of it."""
    await household.talk()
    page = household.family.page
    await page.evaluate("bench.listen()")
    call = Call(household.card, household.door, page, household.folder)
    await call.say(*turns(read_speech()))
    print(f"in a call, {seconds:g} s each, {SETTLE_S:g} s after the network became so:")
    print(HEAD)
    for name in names:
        CONDITIONS[name](household.network)
        await asyncio.sleep(SETTLE_S)
        await look(household, call, name, seconds)
        household.network.clear()
    call.hush()
    await hang_up(household)


async def look(household: Listening, call: Call, name: str, seconds: float) -> None:
    """A row of the table."""
    page, door = household.family.page, household.door
    said = len(door.output)
    before: Figures = await page.evaluate(STATS)
    heard = await call.listen(seconds)
    after: Figures = await page.evaluate(STATS)
    gone = Counter({key: after[key] - before.get(key, 0) for key in after})
    lost = gone["video.packetsLost"]
    sent = lost + gone["video.packetsReceived"]
    buffer = gone["video.jitterBufferDelay"] / max(1, gone["video.jitterBufferEmittedCount"])
    print(
        f"  {name:20} {after['video.frameWidth']:4.0f}x{after['video.frameHeight']:<4.0f}"
        f" {gone['presented'] / seconds:8.1f} {gone['video.freezeCount']:7.0f}"
        f" {gone['video.totalFreezesDuration']:5.1f} s {gone['video.keyFramesDecoded']:7.0f}"
        f" {gone['video.bytesReceived'] * 8 / 1000 / seconds:7.0f} {target(door):5}"
        f" {100 * lost / sent:4.1f} % {gone['video.retransmittedPacketsReceived']:8.0f}"
        f" {gone['video.pliCount']:4.0f} {1000 * buffer:4.0f} ms |"
        f" {voices(heard)} | {door.output[said:].count('MediaLost'):10}",
        flush=True,
    )


def voices(heard: dict[str, Recording]) -> str:
    """Of each direction, how much of the speech comes out whole, and how late."""
    columns = []
    for _, mouth, ear in reversed(DIRECTIONS):
        share = listening.whole_share(heard[mouth], heard[ear])
        late_s = listening.lateness(heard[mouth], heard[ear])
        columns.append(f"{100 * share:6.1f} % {1000 * late_s:4.0f} ms")
    return " ".join(columns)


async def ring(household: Listening, name: str, rings: int) -> None:
    """A row for calls that begin under the condition."""
    rows = []
    for _ in range(rings):
        CONDITIONS[name](household.network)
        rows.append(await one_ring(household))
        household.network.clear()
        await hang_up(household)
    columns = [shown(column) for column in zip(*rows, strict=True)]
    print(f"  {name:20} {columns[0]:>16} {columns[1]:>16}", flush=True)


async def one_ring(household: Listening) -> tuple[float, float]:
    """Seconds from the press to the first picture, and from the answer till both talk."""
    page = household.family.page
    await arm(household.family)
    pressed = time.time()
    household.door.ring()
    try:
        async with asyncio.timeout(PATIENCE_S):
            presented = await page.evaluate("window.firstFrame") / 1000
            answered = time.time()
            await page.click("#answer")
            await household.door.becomes("talking")
            return presented - pressed, time.time() - answered
    except (TimeoutError, AssertionError):
        return float("inf"), float("inf")


async def hang_up(household: Listening) -> None:
    """Back to where nobody rings."""
    household.door.hang_up()
    await household.door.becomes("idle")
    await household.family.becomes("waiting")


def shown(values: tuple[float, ...]) -> str:
    """Median and greatest."""
    return f"{statistics.median(values):.2f} {max(values):.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench network", description=__doc__)
    parser.add_argument("--only", default="", help="only networks with this in their names")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement [30]")
    parser.add_argument("--rings", type=int, default=5, help="under each condition [5]")
    given, others = parser.parse_known_args()
    asyncio.run(main(given.only, given.seconds, given.rings, others))
