"""The daemon: builds everything, runs the vital tasks, and stops in order."""

from __future__ import annotations

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiortc import RTCIceServer

from . import __version__, control
from .config import Config, IceConfig, require_room, require_server
from .control import Command, ControlServer, Status
from .core.call import HangUp, Limits, Pressed, State
from .core.messages import Join
from .doorbell import Doorbell
from .hardware import door as doors
from .signaling.client import Line
from .webrtc.peers import Peers

log = logging.getLogger(__name__)

GOODBYE_S = 5.0
"""Seconds that ending a call and leaving the room may take."""


class App:
    """All parts of one daemon."""

    def __init__(self, config: Config) -> None:
        url, room = require_server(config), require_room(config)
        limits = Limits(
            ring_s=config.call.ring_s,
            connect_s=config.call.connect_s,
            talk_s=config.call.talk_s,
        )
        self.doorbell = Doorbell(room, config.name, limits)
        self._door = doors.build(config)
        self._peers = Peers(self._door, ice_servers(config.ice), self.doorbell.post)
        self._line = Line(url, Join(room, config.name), self.doorbell.post)
        self.doorbell.connect(self._line, self._peers, self._door.panel)
        path = Path(config.control) if config.control else control.default_path()
        self._control = ControlServer(path, self._answer)

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop`. A vital task that dies ends the daemon with its error."""
        await self._control.start()
        self._door.panel.start(lambda: self.doorbell.post(Pressed()))
        vital = [
            asyncio.create_task(self.doorbell.run(), name="doorbell"),
            asyncio.create_task(self._line.run(), name="line"),
            asyncio.create_task(self._peers.run(), name="peers"),
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*vital, stopping], return_when=asyncio.FIRST_COMPLETED)
            self._door.panel.stop()
            died = next((task for task in vital if task.done()), None)
            await self._say_goodbye(died)
        finally:
            await self._control.stop()
            for task in (*vital, stopping):
                task.cancel()
            await asyncio.gather(*vital, stopping, return_exceptions=True)
        if died is not None:
            log.critical("the %s died; the daemon ends", died.get_name())
            died.result()

    async def _say_goodbye(self, died: asyncio.Task[None] | None) -> None:
        try:
            async with asyncio.timeout(GOODBYE_S):
                if died is None:
                    await self.doorbell.stop()
                await self._peers.stop()
                await self._line.flush()
        except TimeoutError:
            log.warning("not everything ended in good order")

    async def _answer(self, command: Command) -> Status:
        if command == "ring":
            self.doorbell.post(Pressed())
        elif command == "hangup":
            self.doorbell.post(HangUp())
        elif command == "release":
            self._door.panel.release_door()
        await self.doorbell.settle()
        return self._status()

    def _status(self) -> Status:
        call = self.doorbell.call
        reason = self.doorbell.last_reason
        return Status(
            state=call.state.value,
            line="up" if call.line else "down",
            call_id=None if call.state in {State.OFFLINE, State.IDLE} else call.number,
            calls=call.number,
            last_reason=reason.value if reason else None,
            frames_sent=self._peers.frames_sent,
            audio_samples=self._peers.audio_samples,
            audio_dbfs=self._peers.audio_dbfs,
            tasks=len(asyncio.all_tasks()),
            door=self._door.panel.door,
        )


def ice_servers(config: IceConfig) -> list[RTCIceServer]:
    """The servers as aiortc wants them. An empty list means none, not aiortc's default."""
    return [
        RTCIceServer(list(server.urls), server.username, server.credential)
        for server in config.servers
    ]


def _is_off(config: Config, part: str) -> bool:
    return bool(getattr(config, part).source == "none")


async def run(config: Config) -> None:
    """Runs the daemon until SIGTERM or SIGINT.

    Raises:
        OperatorError: the configuration is of no use.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # A part may need a moment of a thread; more threads would only hold memory.
    loop.set_default_executor(ThreadPoolExecutor(2, thread_name_prefix="helper"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = App(config)
    log.info("homecall-pi %s, room %s…", __version__, require_room(config)[:8])
    missing = [part for part in ("camera", "microphone", "speaker") if _is_off(config, part)]
    if missing:
        log.warning("no %s: the source is none; set it, or try --fake", ", ".join(missing))
    await app.run(stop)
    log.info("stopped")
