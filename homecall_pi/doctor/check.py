"""What a check is, and how all of them are run: together, each with a deadline.

A check is a function without arguments; what it reads was given to it before. It returns what it
found, or None where there is nothing for it to look at.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from .apart import apart
from .finding import Finding, broken, fail


class Check(msgspec.Struct, frozen=True):
    """One line of the report."""

    name: str
    work: Callable[[], Any]
    """A coroutine function, or a function that may block; it returns a Finding or None. One for a
    process of its own is of the latter kind, and fit for pickle."""
    deadline_s: float = 15.0
    apart: bool = False
    """Whether it needs a process of its own, since it calls libraries that may end or hang it."""


async def examine(checks: Sequence[Check]) -> AsyncIterator[tuple[str, Finding]]:
    """Runs the checks at once; names and findings come in their order.

    Processes run one after another: a Zero 2 W has no memory for several beside the daemon.
    """
    turns = asyncio.Lock()
    tasks = [asyncio.create_task(_take_turns(check, turns)) for check in checks]
    try:
        for check, task in zip(checks, tasks, strict=True):
            finding = await task
            if finding is not None:
                yield check.name, finding
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _take_turns(check: Check, turns: asyncio.Lock) -> Finding | None:
    if not check.apart:
        return await _find(check)
    async with turns:
        return await _find(check)


async def _find(check: Check) -> Finding | None:
    try:
        async with asyncio.timeout(check.deadline_s):
            finding: Finding | None = await _work(check)
            return finding
    except TimeoutError:
        return fail(
            f"no answer within {check.deadline_s:g} s",
            "start the board again; if that does not help, see what the kernel says: sudo dmesg",
        )
    except Exception as error:  # of whatever was looked at; the other checks go on
        return broken(error)


async def _work(check: Check) -> Any:
    if check.apart:
        return await apart(check.work)
    if inspect.iscoroutinefunction(check.work):
        return await check.work()
    return await _in_thread(check.work)


async def _in_thread(work: Callable[[], Any]) -> Any:
    """The result of a function that may block.

    The thread is none of the loop's own, which the program would wait for at its end.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def put(outcome: Any, error: Exception | None) -> None:
        if future.done():  # too late
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(outcome)

    def run() -> None:
        outcome, error = None, None
        try:
            outcome = work()
        except Exception as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(put, outcome, error)

    threading.Thread(target=run, name="check", daemon=True).start()
    return await future
