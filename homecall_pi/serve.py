"""The signaling server as a program: its settings, and an end in good order."""

from __future__ import annotations

import asyncio
import logging
import time

import msgspec

from . import notify
from .config.ice import IceConfig, IceServer, require_ice
from .config.schema import Config
from .health import Health
from .signaling.server import SignalingServer
from .vital import first_death, last_words, stop_wanted

log = logging.getLogger(__name__)


async def run(config: Config) -> None:
    """Serves until it is wanted to end.

    Raises:
        OperatorError: the settings are of no use.
        HomeCallError: a vital task died; a new process may do better.
    """
    ice = require_ice(config.ice)
    stop = stop_wanted()
    server = SignalingServer(
        **msgspec.structs.asdict(config.serve),
        page_config=lambda: page_config(ice, time.time()),  # noqa: TID251 - as TURN counts
    )
    await server.start()
    notify.send("READY=1", f"STATUS=Ready: serving on port {server.port}")
    health = asyncio.create_task(Health().run(), name="health")
    died = await first_death([health, server.housekeeping], stop)
    notify.send("STOPPING=1", "STATUS=Stopping")
    health.cancel()
    await server.stop()
    if died is not None:
        raise last_words(died)
    log.info("stopped", extra={"EVENT": "stopped"})


def page_config(config: IceConfig, now: float) -> dict[str, object]:
    """The page's RTCConfiguration, with credentials that are good at `now`."""
    servers = [_rtc_ice_server(server, now) for server in config.servers]
    return {"iceServers": servers, "iceTransportPolicy": config.policy}


def _rtc_ice_server(server: IceServer, now: float) -> dict[str, object]:
    """Just what browsers know of it: they refuse null for a missing name or password."""
    username, credential = server.login(now)
    fields = {"urls": server.urls, "username": username, "credential": credential}
    return {key: value for key, value in fields.items() if value is not None}
