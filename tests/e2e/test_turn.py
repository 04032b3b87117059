"""Calls between networks that let nothing through directly: a TURN server relays them."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Playwright, async_playwright

from ..coturn import PASSWORD, SECRET, USER, Coturn
from .apart import Apart
from .conftest import looked_after
from .network import DEAD, DIRECT_UDP, SERVER

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces, which needs root"),
]

ALL_UDP = "iifname { door, page } meta l4proto udp"
PLAIN_TURN = "tcp dport 3478"
LOGIN = f'username = "{USER}", credential = "{PASSWORD}"'
EVERY_WAY = f"""
servers = [
  {{ urls = ["stun:{DEAD}"] }},
  {{ urls = ["turn:{DEAD}", "turns:{DEAD}"], {LOGIN} }},
  {{ urls = ["stun:{SERVER}"] }},
  {{ urls = ["turn:{SERVER}", "turn:{SERVER}?transport=tcp", "turns:{SERVER}"], {LOGIN} }},
]
"""
RELAY_ONLY = f"""
policy = "relay"
servers = [{{ urls = ["stun:{SERVER}", "turn:{SERVER}"], secret = "{SECRET}" }}]
"""

SPARE_PORT = 3479
TWO_RELAYS = f"""
policy = "relay"
servers = [{{ urls = ["turn:{SERVER}", "turn:{SERVER}:{SPARE_PORT}"], {LOGIN} }}]
"""

Prepare = Callable[[str], Awaitable[Apart]]
Start = Callable[..., Awaitable[None]]
Relay = Callable[..., Coturn]


@pytest.fixture
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """Starts a TURN server that all can reach."""
    running: list[Coturn] = []

    def started(apart: Apart, **options: Any) -> Coturn:
        folder = tmp_path_factory.mktemp("turn")
        options["certificate"] = apart.authority.issue(SERVER)
        running.append(Coturn(folder, SERVER, prefix=apart.network.router.prefix, **options))
        running[-1].start()
        return running[-1]

    yield started
    for coturn in running:
        coturn.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as playwright:
        yield playwright


@pytest_asyncio.fixture(loop_scope="session")
async def prepare(
    request: pytest.FixtureRequest, tmp_path: Path, playwright: Playwright
) -> AsyncIterator[Prepare]:
    """Makes the networks of a household with this `[ice]`; nothing runs there yet."""
    async with AsyncExitStack() as stack:

        async def prepared(ice: str) -> Apart:
            apart = Apart(tmp_path, ice=ice)
            await stack.enter_async_context(looked_after(apart, request))
            return apart

        yield prepared


@pytest.fixture
def start(playwright: Playwright) -> Start:
    """Starts the household, with a router that drops these packets."""

    async def started(apart: Apart, *dropped: str) -> None:
        for match in dropped:
            apart.network.drop(match)
        await apart.start(playwright)

    return started


@pytest.mark.parametrize(
    "dropped",
    [(DIRECT_UDP,), (ALL_UDP,), (ALL_UDP, PLAIN_TURN)],
    ids=["by UDP", "by TCP", "by TLS"],
)
async def test_a_call_is_relayed(
    prepare: Prepare, relay: Relay, start: Start, dropped: tuple[str, ...]
) -> None:
    apart = await prepare(EVERY_WAY)
    relay(apart)
    await start(apart, *dropped)
    await apart.talk()
    await apart.flows()
    assert PASSWORD not in apart.door.output


async def test_a_call_that_must_be_relayed_shows_no_address(
    prepare: Prepare, relay: Relay, start: Start
) -> None:
    apart = await prepare(RELAY_ONLY)
    relay(apart, time_limited=True)
    await start(apart)
    table = ("inet", "faults")
    count = ("nft", "add", "rule", *table, "faults", *DIRECT_UDP.split(), "counter")
    apart.network.router.run(*count)
    await apart.talk()
    await apart.flows()
    rules = apart.network.router.run("nft", "list", "table", *table)
    assert re.findall(r"packets (\d+)", rules) == ["0"], "packets went directly"
    assert SECRET not in apart.door.output


async def test_a_call_goes_on_by_another_relay_when_its_own_dies(
    prepare: Prepare, relay: Relay, start: Start
) -> None:
    apart = await prepare(TWO_RELAYS)
    first, _ = relay(apart), relay(apart, port=SPARE_PORT)
    await start(apart)
    await apart.talk()
    first.stop()  # which the door has chosen, while the page may use either
    await apart.door.becomes("reconnecting")
    await apart.door.becomes("talking")
    await apart.flows()
