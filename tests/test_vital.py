"""How a task that dies ends the program."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from homecall_pi.vital import first_death, last_words, stop_wanted

from .conftest import PATIENCE_S


async def die() -> None:
    raise RuntimeError("dead")


async def live() -> None:
    await asyncio.Future()


async def in_a_group() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(die())


@pytest.fixture
def hang_up() -> Iterator[Callable[[Any], object]]:
    """Sets what SIGHUP does, and leaves it as it was; tests may run under `nohup` themselves."""
    before = signal.getsignal(signal.SIGHUP)
    yield lambda what: signal.signal(signal.SIGHUP, what)
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_program_ends_when_it_is_told_to_or_its_terminal_closes(
    number: signal.Signals, hang_up: Callable[[Any], object]
):
    hang_up(signal.SIG_DFL)
    stop = stop_wanted()
    os.kill(os.getpid(), number)
    async with asyncio.timeout(PATIENCE_S):
        await stop.wait()


async def test_under_nohup_it_outlives_its_terminal(hang_up: Callable[[Any], object]):
    hang_up(signal.SIG_IGN)
    stop_wanted()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


async def test_without_a_death_it_waits_to_be_stopped():
    stop, task = asyncio.Event(), asyncio.create_task(live())
    waiting = asyncio.create_task(first_death([task], stop))
    await asyncio.sleep(0)
    assert not waiting.done()
    stop.set()
    assert await waiting is None
    task.cancel()


async def test_the_first_that_dies_is_found():
    tasks = [asyncio.create_task(live()), asyncio.create_task(die())]
    async with asyncio.timeout(PATIENCE_S):
        assert await first_death(tasks, asyncio.Event()) is tasks[1]
    tasks[0].cancel()
    with pytest.raises(RuntimeError):
        await tasks[1]


@pytest.mark.parametrize("work", [die, in_a_group])
async def test_the_reason_is_one_line_and_where_it_was_stands_below(
    work: object, caplog: pytest.LogCaptureFixture
):
    task = asyncio.create_task(work(), name="line")  # type: ignore[operator]
    await asyncio.wait([task])
    error = last_words(task)
    assert str(error) == "the line died: RuntimeError('dead'); the program ends"
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.CRITICAL, str(error))
    assert 'raise RuntimeError("dead")' in caplog.text


async def test_an_end_without_an_error_is_told_as_well(caplog: pytest.LogCaptureFixture):
    task = asyncio.create_task(live(), name="line")
    task.cancel()
    await asyncio.wait([task])
    assert str(last_words(task)) == "the line died: None; the program ends"
