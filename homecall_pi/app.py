"""The daemon: builds everything, runs the vital tasks, and stops in order."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import __version__, control, network, notify
from .config.ice import require_ice
from .config.link import is_guessable, link_key, require_room, require_server
from .config.schema import Config
from .control import Command, ControlServer, Status
from .core.events import HangUp, Pressed
from .core.messages import Join
from .core.seal import Guard
from .core.state import Limits, State
from .doorbell import Doorbell
from .errors import HomeCallError, OperatorError
from .hardware import door as doors
from .health import Health
from .signaling.client import Line
from .vital import first_death, last_words, stop_wanted
from .webrtc.ice import Servers
from .webrtc.peers import Peers

log = logging.getLogger(__name__)

GOODBYE_S = 3.0
"""Seconds that ending a call and leaving the room may take, of the 5 until the service manager
kills us; closing the line takes another at most."""
EXIT_S = 0.5
"""Seconds that the interpreter may take to end after that."""
JOIN_S = 10.0
"""Seconds that joining may take at the start; without a line, the door is ready after that."""


PARTS = ("camera", "microphone", "speaker")
"""What a door has, as a rule."""


class App:
    """All parts of one daemon."""

    def __init__(self, config: Config) -> None:
        self._config = config
        url, room = require_server(config), require_room(config)
        limits = Limits(
            ring_s=config.call.ring_s,
            connect_s=config.call.connect_s,
            talk_s=config.call.talk_s,
        )
        guard = Guard(room, link_key(config), required=config.verify == "require")
        self.doorbell = Doorbell(guard, config.name, limits)
        self._door = doors.build(config)
        self._peers = Peers(self._door, Servers(require_ice(config.ice)), self.doorbell.post)
        self._line = Line(url, Join(room, config.name), self.doorbell.post)
        self.doorbell.connect(self._line, self._peers, self._door.panel)
        path = Path(config.control) if config.control else control.default_path()
        self._control = ControlServer(path, self._answer)
        parts = (self._line.progress, self._peers.progress, *self._door.progress)
        self._health = Health(parts, lambda: self.doorbell.call.deadline is not None)

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop`.

        Raises:
            OperatorError: the control socket is of no use.
            HomeCallError: a vital task died, and with it the daemon.
        """
        await self._control.start()
        self._announce()
        self._door.panel.start(lambda: self.doorbell.post(Pressed()))
        vital = [
            asyncio.create_task(self.doorbell.run(), name="doorbell"),
            asyncio.create_task(self._line.run(), name="line"),
            asyncio.create_task(self._peers.run(), name="peers"),
            asyncio.create_task(self._health.run(), name="health"),
            asyncio.create_task(network.watch(self._look_again), name="watch"),
        ]
        ready = asyncio.create_task(self._get_ready())
        try:
            died = await first_death(vital, stop)
            notify.send("STOPPING=1", "STATUS=Stopping")
            self._door.panel.stop()
            await self._say_goodbye(died)
        finally:
            await self._control.stop()
            tasks = (*vital, ready)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if died is not None:
            raise last_words(died)

    def _announce(self) -> None:
        """Begins the log's story, with what may not be as it was meant."""
        room = require_room(self._config)
        started = "started: homecall-pi %s, room %s…"
        log.info(started, __version__, room[:8], extra={"EVENT": "started"})
        if is_guessable(room):
            log.warning("the room is no random UUID (version 4): `homecall-pi doctor` has the cure")
        if missing := [part for part in PARTS if getattr(self._config, part).source == "none"]:
            log.warning("no %s: the source is none; set it, or try --fake", ", ".join(missing))

    async def _get_ready(self) -> None:
        """Tells the service manager when the room is joined or refused, or when that takes long."""
        try:
            async with asyncio.timeout(JOIN_S):
                await self.doorbell.joined.wait()
                await self._line.flush()
                await self._line.hear_out()
                await self.doorbell.settle()
        except TimeoutError:
            log.warning("ready, but not joined: the signaling server is not reached yet")
        notify.send("READY=1", f"STATUS={self.doorbell.status}")

    def _look_again(self) -> None:
        """What was of no use may be by now, and the other way round."""
        self._line.wake()
        self._peers.look()

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
            line="up" if call.line else "refused" if call.refusal else "down",
            call_id=None if call.state in {State.OFFLINE, State.IDLE} else call.number,
            calls=call.number,
            last_reason=reason.value if reason else None,
            frames_sent=self._peers.frames_sent,
            audio_samples=self._peers.audio_samples,
            audio_dbfs=self._peers.audio_dbfs,
            tasks=len(asyncio.all_tasks()),
            door=self._door.panel.door,
            verified=call.verified,
            refusal=call.refusal or None,
        )


async def run(config: Config) -> None:
    """Runs the daemon until it is wanted to end. Soon after, the process ends.

    Raises:
        OperatorError: the configuration is of no use.
        HomeCallError: a vital task died; a new process may do better.
    """
    stop = stop_wanted()
    # A part may need a moment of a thread; more threads would only hold memory.
    asyncio.get_running_loop().set_default_executor(
        ThreadPoolExecutor(2, thread_name_prefix="helper")
    )
    app = App(config)
    try:
        await app.run(stop)
    except OperatorError:
        raise  # nothing has begun that could keep the process
    except HomeCallError as error:
        _end_soon(error.exit_code)
        raise
    log.info("stopped", extra={"EVENT": "stopped"})
    _end_soon(0)


def _end_soon(exit_code: int) -> None:
    """Ends the process if it does not end by itself.

    All is in order by now. But a name that is being looked up keeps uvloop from closing for
    seconds, a call into a library that does not return for ever, and nothing can cancel them.
    """
    timer = threading.Timer(EXIT_S, os._exit, [exit_code])
    timer.daemon = True
    timer.start()
