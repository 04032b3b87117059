"""A call over networks that break, in namespaces of their own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from .apart import Apart
from .household import until
from .sound import write_beeps

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces, which needs root"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def apart(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Apart]:
    folder = tmp_path_factory.mktemp("apart")
    write_beeps(folder / "beeps.wav", 880.0)
    async with async_playwright() as playwright:
        household = Apart(folder, folder / "beeps.wav")
        try:
            await household.start(playwright)
            yield household
        finally:
            await household.close()


@pytest_asyncio.fixture(loop_scope="module")
async def call(apart: Apart) -> AsyncIterator[Apart]:
    """Door and family talk, and still do after the test."""
    await apart.talk()
    yield apart
    await apart.door.becomes("talking")
    await apart.family.becomes("talking")
    await apart.flows()
    apart.door.hang_up()
    await apart.door.becomes("idle")
    await apart.family.becomes("waiting")


async def test_a_silent_network_is_noticed_at_both_ends_and_the_call_goes_on(call: Apart) -> None:
    call.network.cut("door")
    await call.door.becomes("reconnecting")
    await call.family.page.wait_for_selector("#link-note:not([hidden])")
    call.network.restore("door")
    await call.door.becomes("talking")
    await call.family.page.wait_for_selector("#link-note", state="hidden")


async def test_another_address_in_a_call(call: Apart) -> None:
    call.network.change_address("door")
    await call.door.becomes("reconnecting")
    await call.door.becomes("talking")


async def test_a_server_that_is_restarted_in_a_call(call: Apart) -> None:
    call.server.kill()
    await until("the line is down", lambda: call.door.status.line == "down")
    assert call.door.status.state == "talking"
    await call.flows()
    call.server.start()
    await until("the line is up", lambda: call.door.status.line == "up")
    assert call.door.status.state == "talking"
