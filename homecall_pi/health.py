"""The service manager's watchdog, fed as long as the program goes on.

That the event loop runs is shown by feeding it at all. Tasks and threads that could hang beside it
tell their progress. What can heal itself does so without this: a camera that is missing or fails,
or a server that is not reached, is work that goes on. Only a new process mends a call into a
library or driver that never returns.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from . import notify
from .core.progress import Progress

log = logging.getLogger(__name__)

LOOK_S = 10.0
"""Seconds between two looks where no watchdog asks for more."""


class Health:
    """Looks after the progress of `parts`.

    While `busy`, a part that hangs is left alone: the call goes on without it, and a new process
    would end it.
    """

    def __init__(
        self, parts: Sequence[Progress] = (), busy: Callable[[], bool] = lambda: False
    ) -> None:
        self._parts = parts
        self._busy = busy
        self._hanging: set[str] = set()

    async def run(self) -> None:
        """Feeds the watchdog, for ever."""
        watchdog_s = notify.watchdog_s()
        pause_s = LOOK_S if watchdog_s is None else watchdog_s / 3
        while True:
            if self.look(time.monotonic()):
                notify.send("WATCHDOG=1")
            await asyncio.sleep(pause_s)

    def look(self, now: float) -> bool:
        """Whether the program may go on. What hangs, or does so no more, is told once."""
        hanging = {part.name for part in self._parts if part.hangs(now)}
        for name in sorted(hanging - self._hanging):
            log.critical("the %s hangs; only a restart mends that", name, extra={"EVENT": "hung"})
        for name in sorted(self._hanging - hanging):
            log.info("the %s goes on again", name, extra={"EVENT": "recovered"})
        self._hanging = hanging
        return not hanging or self._busy()
