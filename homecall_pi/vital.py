"""Tasks without which a program is of no use: one that dies ends it, and it is started anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from .errors import HomeCallError

log = logging.getLogger(__name__)


async def first_death(
    tasks: Collection[asyncio.Task[None]], stop: asyncio.Event
) -> asyncio.Task[None] | None:
    """Waits for `stop` or, if one of the tasks ends before it, returns that one."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    return next((task for task in tasks if task.done()), None)


def last_words(task: asyncio.Task[None]) -> HomeCallError:
    """Logs why a task died, and where. The error says why once more, when the program ends."""
    error = None if task.cancelled() else task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = f"the {task.get_name()} died: {error!r}; the program ends"
    log.critical("%s", text, exc_info=error, extra={"EVENT": "died"})
    return HomeCallError(text)
