"""The signaling server as a program: its settings, and an end in good order."""

from __future__ import annotations

import asyncio
import signal

import msgspec

from .config import Config
from .signaling.server import SignalingServer


async def run(config: Config) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        OperatorError: the settings are of no use.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = SignalingServer(
        **msgspec.structs.asdict(config.serve),
        ice_servers=[_without_none(server) for server in msgspec.to_builtins(config.ice.servers)],
    )
    await server.start()
    await stop.wait()
    await server.stop()


def _without_none(server: dict[str, object]) -> dict[str, object]:
    """A server as browsers take it: they refuse null for a missing name or password."""
    return {key: value for key, value in server.items() if value is not None}
