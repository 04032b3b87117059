"""`scripts/bench turn`: what dead STUN and TURN servers cost a ring, and calls through a relay.

Exits with 1 if dead ones in front of good ones cost more than wanted; the limits stand in brackets.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import tempfile
from pathlib import Path

from playwright.async_api import Playwright, async_playwright

from tests.bench.limits import Limits
from tests.bench.press import when
from tests.coturn import PASSWORD, USER, Coturn
from tests.e2e.apart import Apart
from tests.e2e.household import until
from tests.e2e.network import DEAD, DIRECT_UDP, SERVER

LOGIN = f'username = "{USER}", credential = "{PASSWORD}"'
GOOD = f"""
  {{ urls = ["stun:{SERVER}"] }},
  {{ urls = ["turn:{SERVER}", "turn:{SERVER}?transport=tcp", "turns:{SERVER}"], {LOGIN} }},
"""
FRONT = f"""
  {{ urls = ["stun:{DEAD}"] }},
  {{ urls = ["turn:{DEAD}", "turn:{DEAD}?transport=tcp", "turns:{DEAD}"], {LOGIN} }},
"""
MIXED = "dead ones in front"
SERVERS = {"good ones": GOOD, MIXED: FRONT + GOOD, "dead ones alone": FRONT}
COLUMNS = ("connection ready", "just after a call", "just started")
ALL_UDP = "iifname { door, page } meta l4proto udp"
WAYS = {
    "directly": (),
    "relayed, by UDP": (DIRECT_UDP,),
    "relayed, by TCP": (ALL_UDP,),
    "relayed, by TLS": (ALL_UDP, "tcp dport 3478"),
}
BEHIND_DEAD_ONES = "directly", "relayed, by UDP"
"""The ways that are tried with dead ones in front as well, at the door and at the page."""
SETTLE_S = 3.0
"""Longer than the door takes to find out which servers answer, and to gather a connection."""
ADDED_MS = 100.0
"""At most, by dead servers in front of good ones."""


async def main(rings: int) -> bool:
    """Prints all figures; whether they are as wanted."""
    limits = Limits()
    found = {}
    print(f"press -> offer sent, {rings} rings of each kind (ms): median, most")
    print(f"  {'servers':20}", *(f"{title:>18}" for title in COLUMNS))
    for name, servers in SERVERS.items():
        with tempfile.TemporaryDirectory() as folder:
            columns = found[name] = await offers(Path(folder), servers, rings)
        print(f"  {name:20}", *(f"{shown(column):>18}" for column in columns), flush=True)
    added = [
        limits.at_most(
            ADDED_MS, f"{title}: added", statistics.median(mixed) - statistics.median(good)
        )
        for title, good, mixed in zip(COLUMNS, found["good ones"], found[MIXED], strict=True)
    ]
    print(f"  {'added by dead ones':20}", *(f"{cell:>18}" for cell in added), flush=True)
    print(f"press -> connected, page waiting, {rings} calls of each kind (ms): median, most")
    async with async_playwright() as playwright:
        for name, dropped in WAYS.items():
            row = await calls(playwright, GOOD, dropped, rings)
            print(f"  {name:20} {shown(row):>18}", flush=True)
            if name not in BEHIND_DEAD_ONES:
                continue
            mixed = await calls(playwright, FRONT + GOOD, dropped, rings)
            more = statistics.median(mixed) - statistics.median(row)
            added = limits.at_most(ADDED_MS, f"{name}: added", more)
            print(f"    {MIXED:18} {shown(mixed):>18}, added {added}", flush=True)
    return limits.verdict()


async def offers(folder: Path, servers: str, rings: int) -> tuple[list[float], ...]:
    """Milliseconds from press to offer with a connection ready, right after a call, and anew."""
    apart = Apart(folder, ice=f"servers = [{servers}]")
    coturn = start_coturn(apart)
    try:
        await apart.start_programs()
        await asyncio.sleep(SETTLE_S)
        ready, after = [], []
        for _ in range(rings):
            ready.append(await ring(apart))
            after.append(await ring(apart))
            await asyncio.sleep(SETTLE_S)
        return ready, after, [await ring_anew(apart) for _ in range(rings)]
    finally:
        await apart.close()
        coturn.stop()


async def ring(apart: Apart) -> float:
    """Milliseconds from press to offer of a ring that is hung up at once."""
    before = len(offered(apart))
    apart.door.ring()
    await until("the offer is sent", lambda: len(offered(apart)) > before)
    apart.door.hang_up()
    return offered(apart)[-1]


async def ring_anew(apart: Apart) -> float:
    """The same with a door that has just started and joined."""
    apart.door.stop()
    apart.door.start()
    await apart.door.ready()
    return await ring(apart)


async def calls(
    playwright: Playwright, servers: str, dropped: tuple[str, ...], rings: int
) -> list[float]:
    """Milliseconds from press to connected, as it rings at the page."""
    with tempfile.TemporaryDirectory() as folder:
        apart = Apart(Path(folder), ice=f"servers = [{servers}]")
        coturn = start_coturn(apart)
        try:
            for match in dropped:
                apart.network.drop(match)
            await apart.start(playwright)
            return [await call(apart) for _ in range(rings)]
        finally:
            await apart.close()
            coturn.stop()


async def call(apart: Apart) -> float:
    """One call."""
    await asyncio.sleep(SETTLE_S)
    said = len(apart.door.output)
    await apart.talk()
    await apart.flows()
    log = apart.door.output[said:]
    apart.door.hang_up()
    await apart.family.becomes("waiting")
    return (when(log, "Connected") - when(log, "Pressed")) * 1000


def offered(apart: Apart) -> list[float]:
    """What the door's log says of every offer: milliseconds from the press."""
    return [float(ms) for ms in re.findall(r"offered after (\d+) ms", apart.door.output)]


def start_coturn(apart: Apart) -> Coturn:
    """A TURN server on the router."""
    prefix, certificate = apart.network.router.prefix, apart.authority.issue(SERVER)
    coturn = Coturn(apart.folder, SERVER, prefix=prefix, certificate=certificate)
    coturn.start()
    return coturn


def shown(values: list[float]) -> str:
    """Median and greatest."""
    return f"{statistics.median(values):.0f} {max(values):6.0f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench turn", description=__doc__)
    parser.add_argument("--rings", type=int, default=10, help="of each kind [10]")
    raise SystemExit(not asyncio.run(main(parser.parse_args().rings)))
