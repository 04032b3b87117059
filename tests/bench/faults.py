"""`scripts/bench faults`: how long a call and the line take to come back after what was wrong.

Exits with 1 if that takes longer than wanted; the limits stand in brackets.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from playwright.async_api import Playwright, async_playwright

from tests.bench import part_faults
from tests.bench.limits import Limits
from tests.e2e.fragile import YEAR_S, Fragile
from tests.e2e.household import until
from tests.e2e.network import DIRECT_UDP, NAME, SERVER, Host, Network
from tests.sound import write_beeps

PATIENCE_S = 90.0
NOTICED_S, MEDIA_S, LINE_S = 3.0, 3.0, 5.0
"""At most, from the fault until both sides say so, and from its end until all is as before."""
UNENDING_S = NOTICED_S + MEDIA_S
"""The same for media where nothing ends: that it is another network has to be noticed first."""
OUTAGE_S = 10.0
"""Seconds that most faults last: long enough for attempts to come as seldom as they ever do."""

SIDES: tuple[Host, ...] = ("door", "page")
Work: TypeAlias = Callable[[Fragile], Awaitable[float | None]]
"""Brings a fault about and mends it. What counts begins when it returns, or when it says."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong around the door."""

    name: str
    bring: Work
    kills_line: bool = True
    """Whether the door needs another line after it."""
    noticed_by: tuple[Host, ...] = ()
    """Who has to notice that the other is not heard, as it may be back before that."""
    media_s: float = MEDIA_S
    """Seconds that media may take to flow again."""
    prepare: Callable[[Network], None] = Network.clear
    """What the network is like from before the call on."""


def cut(host: Host, seconds: float) -> Work:
    """Packets vanish without a word, as with a router that hangs."""

    async def work(household: Fragile) -> None:
        household.network.cut(host)
        await asyncio.sleep(seconds)
        household.network.restore(host)

    return work


async def cut_media(household: Fragile) -> None:
    """Packets between door and page vanish, while the line goes on."""
    household.network.drop(DIRECT_UDP)
    await asyncio.sleep(OUTAGE_S)
    household.network.clear()


async def unplug(household: Fragile) -> None:
    """The link goes down and the address away, as with a Wi-Fi that is lost."""
    household.network.unplug("door")
    await asyncio.sleep(OUTAGE_S)
    household.network.plug_in("door")


def change_address(host: Host) -> Work:
    """The network gives it another address."""

    async def work(household: Fragile) -> None:
        household.network.change_address(host)

    return work


async def rebind(household: Fragile) -> None:
    """The NAT before the door forgets the call's way."""
    household.network.rebind()


async def restart_server(household: Fragile) -> None:
    """The server dies and is started again."""
    household.server.kill()
    await until("the door noticed", lambda: household.door.status.line == "down")
    household.server.start()
    await household.server.ready()


async def black_hole(household: Fragile) -> float:
    """The line's packets vanish, and no others: as when a router forgot it, or the server did."""
    return household.black_hole_line()


def without_names(*, silent: bool) -> Work:
    """The line is lost, and the server's name is not known, or no name server says anything."""

    async def work(household: Fragile) -> None:
        household.server.kill()
        if silent:
            household.network.drop("udp dport 53")
        else:
            await household.replace_names()
        household.server.start()
        await asyncio.sleep(OUTAGE_S)
        if silent:
            household.network.clear()
        else:
            await household.replace_names(NAME, SERVER)

    return work


def portal(kind: str, certified: str = "") -> Work:
    """Something else answers in the server's place."""

    async def work(household: Fragile) -> None:
        async with household.replaced_server(kind, certified):
            await asyncio.sleep(OUTAGE_S)

    return work


async def stand_still(household: Fragile) -> None:
    """The door stops, and goes on when its line is dead."""
    household.door.process.suspend()
    household.black_hole_line()
    await asyncio.sleep(OUTAGE_S)
    household.door.process.resume()


async def boot_in_the_past(household: Fragile) -> None:
    """The door starts with a clock that is a year behind, and is set."""
    await household.restart_door(clock_s=-YEAR_S)
    await household.tells("not valid yet")
    await asyncio.sleep(OUTAGE_S)
    household.set_clock(0)


def set_clock(off_s: int) -> Work:
    """The door's clock, which can be set, jumps."""

    async def work(household: Fragile) -> None:
        household.set_clock(off_s)
        await asyncio.sleep(2.0)  # it looks once a second

    return work


IN_A_CALL = (
    Fault("door cut off for 2 s", cut("door", 2.0), kills_line=False),
    Fault("door cut off for 10 s", cut("door", 10.0), noticed_by=SIDES),
    Fault("door cut off for 40 s", cut("door", 40.0), noticed_by=SIDES),
    Fault("page cut off for 10 s", cut("page", 10.0), kills_line=False, noticed_by=SIDES),
    Fault("media alone cut off for 10 s", cut_media, kills_line=False, noticed_by=SIDES),
    Fault("door's link down for 10 s", unplug, noticed_by=SIDES),
    *(
        Fault(name, work, kills_line, noticed_by=("door",), media_s=UNENDING_S, prepare=prepare)
        for name, work, kills_line, prepare in (
            ("door's address changed", change_address("door"), True, Network.clear),
            ("page's address changed", change_address("page"), False, Network.clear),
            ("NAT forgot the call's way", rebind, False, Network.masquerade),
        )
    ),
    Fault("server killed and restarted", restart_server),
    Fault("line black-holed, others pass", black_hole),
    Fault("name servers silent for 10 s", without_names(silent=True)),
    Fault("login page for 10 s", portal("page", "login.example")),
    Fault("door stopped for 10 s", stand_still, noticed_by=("page",)),
)
IDLE = (
    Fault("server killed and restarted", restart_server),
    Fault("line black-holed, others pass", black_hole),
    Fault("door cut off for 10 s", cut("door", 10.0)),
    Fault("door cut off for 40 s", cut("door", 40.0)),
    Fault("door's link down for 10 s", unplug),
    Fault("door's address changed", change_address("door")),
    Fault("name unknown for 10 s", without_names(silent=False)),
    Fault("name servers silent for 10 s", without_names(silent=True)),
    Fault("login page, other certificate", portal("page", "login.example")),
    Fault("login page, HTTP 511", portal("login-required", NAME)),
    Fault("another service on the port", portal("banner")),
    Fault("a port that is silent", portal("silent")),
    Fault("door stopped for 10 s", stand_still),
    Fault("clock a year behind at the start", boot_in_the_past),
)
WITH_ANOTHER_CLOCK = (
    Fault("clock set forward by a year", set_clock(YEAR_S), kills_line=False),
    Fault("clock set back by a year", set_clock(0), kills_line=False),
)


async def main(only: str) -> bool:
    """Prints a row for each fault whose name contains `only`; whether all is as wanted."""
    limits = Limits()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        beeps = folder / "beeps.wav"
        write_beeps(beeps, part_faults.FAMILY_HZ)
        async with async_playwright() as playwright:
            await around_the_door(Fragile(folder, beeps), playwright, only, limits)
            await part_faults.rows(folder / "parts", beeps, playwright, only, limits)
    return limits.verdict()


async def around_the_door(
    household: Fragile, playwright: Playwright, only: str, limits: Limits
) -> None:
    """Faults of networks, server, names and clocks."""

    def chosen(faults: Sequence[Fault]) -> list[Fault]:
        return [fault for fault in faults if only in fault.name]

    try:
        await household.start(playwright)
        print("seconds from the fault until door and page notice that the other is not heard, and")
        print("from its end until media flows, and the line is up (at most)")
        print(f"  {'in a call':34} {'door':>9} {'page':>9} {'media':>9} {'line':>9}")
        for fault in chosen(IN_A_CALL):
            await in_a_call(household, fault, limits)
        if chosen(WITH_ANOTHER_CLOCK):
            await household.restart_door(clock_s=0)
            await household.door.ready()
        for fault in chosen(WITH_ANOTHER_CLOCK):
            await in_a_call(household, fault, limits)
        print(f"  {'idle':34} {'':29} {'line':>9}")
        for fault in chosen(IDLE):
            await idle(household, fault, limits)
    finally:
        await household.close()


async def in_a_call(household: Fragile, fault: Fault, limits: Limits) -> None:
    """One fault in a call, which goes on."""
    fault.prepare(household.network)
    await household.talk()
    lines = household.lines
    began = time.monotonic()
    noticing = {side: asyncio.create_task(took(noticed(household, side), began)) for side in SIDES}
    ended = await fault.bring(household) or time.monotonic()
    media_s, line_s = await asyncio.gather(
        took(household.flows(), ended), took(line(household, fault, lines), ended)
    )
    cells = [noticed_cell(fault, side, task, limits) for side, task in noticing.items()]
    media = limits.at_most(fault.media_s, f"{fault.name}: media", media_s, digits=1)
    cells += [media, line_cell(fault, line_s, limits)]
    print(f"  {fault.name:34}", *(f"{cell:>9}" for cell in cells), flush=True)
    household.door.hang_up()
    await household.door.becomes("idle")
    await household.family.becomes("waiting")
    household.network.clear()


async def idle(household: Fragile, fault: Fault, limits: Limits) -> None:
    """One fault between calls; the next ring has to come through."""
    lines = household.lines
    ended = await fault.bring(household) or time.monotonic()
    line_s = await took(line(household, fault, lines), ended)
    print(f"  {fault.name:34} {'':29} {line_cell(fault, line_s, limits):>9}", flush=True)
    household.network.clear()
    await household.family.becomes("waiting")
    await household.talk()
    household.door.hang_up()
    await household.door.becomes("idle")
    await household.family.becomes("waiting")


async def noticed(household: Fragile, side: Host) -> None:
    """Waits until that side says that it does not hear the other."""
    if side == "page":
        await household.family.page.wait_for_selector("#link-note:not([hidden])", timeout=0)
    else:
        said = len(household.door.output)
        change = "talking -> reconnecting"
        await until("it is told", lambda: change in household.door.output[said:], PATIENCE_S)


def noticed_cell(fault: Fault, side: Host, task: asyncio.Task[float], limits: Limits) -> str:
    """When that side noticed, if it did or had to."""
    found_s = task.result() if task.done() else math.inf
    task.cancel()
    if side in fault.noticed_by:
        return limits.at_most(NOTICED_S, f"{fault.name}: noticed by the {side}", found_s, digits=1)
    return f"{found_s:.1f}    " if task.done() else ""


def line_cell(fault: Fault, line_s: float, limits: Limits) -> str:
    """When the line was back."""
    return limits.at_most(LINE_S, f"{fault.name}: line", line_s, digits=1)


async def line(household: Fragile, fault: Fault, lines: int) -> None:
    """Waits until the door has a line that is good."""
    if fault.kills_line:
        await household.another_line(lines, PATIENCE_S)
    await until("the line is up", lambda: household.door.status.line == "up", PATIENCE_S)


async def took(work: Awaitable[None], since: float) -> float:
    """Seconds from `since` until it is done; infinite if it never is."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await work
    except (TimeoutError, AssertionError):
        return math.inf
    return time.monotonic() - since


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench faults", description=__doc__)
    parser.add_argument("--only", default="", help="only faults with this in their names")
    raise SystemExit(not asyncio.run(main(parser.parse_args().only)))
