"""What ends a program: who runs it, or a task that dies and without which it is of no use."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Collection

from .errors import HomeCallError

log = logging.getLogger(__name__)


def stop_wanted() -> asyncio.Event:
    """Is set when whoever runs the program wants it to end, or closes the terminal that it is in.

    Not so by SIGHUP where that was to be ignored, as `nohup` has it.
    """
    stop, numbers = asyncio.Event(), [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


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
