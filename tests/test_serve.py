"""The server as a program: what it tells the service manager, and what it gives the page."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from homecall_pi import serve
from homecall_pi.config.ice import IceConfig, IceServer
from homecall_pi.config.schema import Config, ServeConfig
from homecall_pi.core import turn
from homecall_pi.errors import HomeCallError, OperatorError
from homecall_pi.health import Health
from homecall_pi.signaling.server import SignalingServer

from .conftest import PATIENCE_S
from .manager import Manager


async def test_the_service_manager_is_told_from_start_to_end(manager: Manager):
    running = asyncio.create_task(serve.run(Config(serve=ServeConfig(port=0))))
    ready, status = (await manager.until("READY=1"))[-2:]
    assert ready == "READY=1"
    assert status.startswith("STATUS=Ready: serving on port ")
    await manager.until("WATCHDOG=1")
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_S):
        await running
    assert manager.next() == ["STOPPING=1", "STATUS=Stopping"]


@pytest.mark.parametrize(
    ("part", "work", "name"),
    [(Health, "run", "health"), (SignalingServer, "_keep_house", "housekeeping")],
)
async def test_a_vital_task_that_dies_ends_the_server_with_its_error(
    part: type, work: str, name: str, monkeypatch: pytest.MonkeyPatch
):
    async def die(_: object) -> None:
        raise RuntimeError("dead")

    monkeypatch.setattr(part, work, die)
    with pytest.raises(HomeCallError, match=rf"the {name} died: RuntimeError\('dead'\)"):
        async with asyncio.timeout(PATIENCE_S):
            await serve.run(Config(serve=ServeConfig(port=0)))


STUN = IceServer(urls=("stun:a",))
STATIC = IceServer(urls=("turn:b", "turns:b"), username="me", credential="x")
SHARED = IceServer(urls=("turn:c",), username="me", secret="the roof")


def test_the_page_is_given_servers_as_browsers_take_them():
    given = serve.page_config(IceConfig(servers=(STUN, STATIC)), now=0.0)
    static = {"urls": ("turn:b", "turns:b"), "username": "me", "credential": "x"}
    assert given == {"iceServers": [{"urls": ("stun:a",)}, static], "iceTransportPolicy": "all"}


def test_the_page_is_given_fresh_credentials_and_never_the_secret():
    config = IceConfig(servers=(SHARED,), policy="relay")
    given = serve.page_config(config, now=1_700_000_000.0)
    username, credential = turn.credentials("the roof", "me", 1_700_000_000.0)
    fresh = {"urls": ("turn:c",), "username": username, "credential": credential}
    assert given == {"iceServers": [fresh], "iceTransportPolicy": "relay"}
    assert "the roof" not in repr(given)
    assert serve.page_config(config, now=1_700_003_600.0) != given


async def test_a_server_whose_calls_could_never_connect_does_not_start():
    with pytest.raises(OperatorError, match=r"^ice\.policy: "):
        await serve.run(Config(ice=IceConfig(policy="relay", servers=(STUN,))))
