"""Calls between networks that let nothing through directly: a TURN server relays them."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

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

Start = Callable[..., Awaitable[Apart]]


@pytest_asyncio.fixture(loop_scope="session")
async def start(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a household and a TURN server, given `[ice]` and what the router drops."""
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())

        async def started(ice: str, *dropped: str, time_limited: bool = False) -> Apart:
            apart = Apart(tmp_path, ice=ice)
            coturn = Coturn(
                tmp_path,
                SERVER,
                prefix=apart.network.router.prefix,
                certificate=apart.authority.issue(SERVER),
                time_limited=time_limited,
            )
            stack.callback(coturn.stop)
            await stack.enter_async_context(looked_after(apart, request))
            coturn.start()
            for match in dropped:
                apart.network.drop(match)
            await apart.start(playwright)
            return apart

        yield started


@pytest.mark.parametrize(
    "dropped",
    [(DIRECT_UDP,), (ALL_UDP,), (ALL_UDP, PLAIN_TURN)],
    ids=["by UDP", "by TCP", "by TLS"],
)
async def test_a_call_is_relayed(start: Start, dropped: tuple[str, ...]) -> None:
    apart = await start(EVERY_WAY, *dropped)
    await apart.talk()
    await apart.flows()
    assert PASSWORD not in apart.door.output


async def test_a_call_that_must_be_relayed_shows_no_address(start: Start) -> None:
    apart = await start(RELAY_ONLY, time_limited=True)
    table = ("inet", "faults")
    count = ("nft", "add", "rule", *table, "faults", *DIRECT_UDP.split(), "counter")
    apart.network.router.run(*count)
    await apart.talk()
    await apart.flows()
    rules = apart.network.router.run("nft", "list", "table", *table)
    assert re.findall(r"packets (\d+)", rules) == ["0"], "packets went directly"
    assert SECRET not in apart.door.output
