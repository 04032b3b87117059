"""`scripts/bench faults`: how long a call and the line take to come back after the network did."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from playwright.async_api import async_playwright

from tests.e2e.apart import PORT, Apart
from tests.e2e.household import until
from tests.e2e.network import Host
from tests.e2e.sound import write_beeps

PATIENCE_S = 90.0
OUTAGE_S = 10.0

Fault: TypeAlias = Callable[[Apart], Awaitable[None]]
"""Brings the fault about and mends it; what counts begins when it returns."""


def cut(host: Host, seconds: float) -> Fault:
    """Packets vanish without a word, as with a router that hangs."""

    async def fault(household: Apart) -> None:
        household.network.cut(host)
        await asyncio.sleep(seconds)
        household.network.restore(host)

    return fault


async def unplug(household: Apart) -> None:
    """The link goes down and the address away, as with a Wi-Fi that is lost."""
    household.network.unplug("door")
    await asyncio.sleep(OUTAGE_S)
    household.network.plug_in("door")


async def change_address(household: Apart) -> None:
    """The network gives the door another address."""
    household.network.change_address("door")


async def restart_server(household: Apart) -> None:
    """The server dies and is started again."""
    household.server.kill()
    await until("the door noticed", lambda: household.door.status.line == "down")
    household.server.start()


async def swallow_line(household: Apart) -> None:
    """The server's TCP connections are black-holed; media passes."""
    household.network.drop(f"tcp dport {PORT}")
    await until("the door noticed", lambda: household.door.status.line == "down", PATIENCE_S)
    household.network.clear()


IN_A_CALL: dict[str, Fault] = {
    "door cut off for 2 s": cut("door", 2.0),
    "door cut off for 10 s": cut("door", 10.0),
    "door cut off for 40 s": cut("door", 40.0),
    "page cut off for 10 s": cut("page", 10.0),
    f"door's link down for {OUTAGE_S:g} s": unplug,
    "door's address changed": change_address,
    "server killed and restarted": restart_server,
    "server's TCP black-holed": swallow_line,
}
IDLE: dict[str, Fault] = {
    "server killed and restarted": restart_server,
    "server's TCP black-holed": swallow_line,
    "door cut off for 10 s": cut("door", 10.0),
    "door cut off for 40 s": cut("door", 40.0),
    f"door's link down for {OUTAGE_S:g} s": unplug,
    "door's address changed": change_address,
}


async def main(only: str) -> None:
    """Prints a row for each fault whose name contains `only`."""
    with tempfile.TemporaryDirectory() as folder:
        beeps = Path(folder) / "beeps.wav"
        write_beeps(beeps, 880.0)
        async with async_playwright() as playwright:
            household = Apart(Path(folder), beeps)
            try:
                await household.start(playwright)
                print("seconds from the end of the fault until media flows, and the line is up")
                print(f"  {'in a call':32} {'media':>8} {'line':>8}")
                for name in (name for name in IN_A_CALL if only in name):
                    await in_a_call(household, name)
                print(f"  {'idle':32} {'':8} {'line':>8}")
                for name in (name for name in IDLE if only in name):
                    await idle(household, name)
            finally:
                await household.close()


async def in_a_call(household: Apart, name: str) -> None:
    """One fault in a call, which goes on."""
    await household.talk()
    await IN_A_CALL[name](household)
    ended = time.monotonic()
    media_s, line_s = await asyncio.gather(
        took(household.flows(), ended), took(line_up(household), ended)
    )
    print(f"  {name:32} {media_s:>8} {line_s:>8}", flush=True)
    household.door.hang_up()
    await household.door.becomes("idle")
    await household.family.becomes("waiting")


async def idle(household: Apart, name: str) -> None:
    """One fault between calls; the next ring has to come through."""
    await IDLE[name](household)
    line_s = await took(line_up(household), time.monotonic())
    print(f"  {name:32} {'':8} {line_s:>8}", flush=True)
    await household.family.becomes("waiting")
    await household.talk()
    household.door.hang_up()
    await household.door.becomes("idle")
    await household.family.becomes("waiting")


async def line_up(household: Apart) -> None:
    """Waits until the door has a line that carries messages: the server has just had one."""
    await until("the line is up", lambda: household.door.status.line == "up", PATIENCE_S)


async def took(work: Awaitable[None], since: float) -> str:
    """Seconds from `since` until it is done."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await work
    except (TimeoutError, AssertionError):
        return "never"
    return f"{time.monotonic() - since:.1f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench faults", description=__doc__)
    parser.add_argument("--only", default="", help="only faults with this in their names")
    asyncio.run(main(parser.parse_args().only))
