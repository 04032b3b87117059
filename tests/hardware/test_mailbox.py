"""The way from a thread to the loop: in order, the newest first of all, and never in the way."""

from __future__ import annotations

import asyncio
import threading

import pytest

from homecall_pi.hardware.mailbox import Mailbox

from ..conftest import PATIENCE_S


async def test_items_of_a_thread_arrive_in_order_on_the_loops_thread():
    arrived: list[int] = []
    threads: set[threading.Thread] = set()
    done = asyncio.Event()

    def deliver(item: int) -> None:
        arrived.append(item)
        threads.add(threading.current_thread())
        if item == 99:
            done.set()

    mailbox = Mailbox(deliver, capacity=100)
    await asyncio.to_thread(lambda: [mailbox.post(item) for item in range(100)])
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
    assert arrived == list(range(100))
    assert threads == {threading.current_thread()}


async def test_when_the_loop_is_late_the_oldest_items_are_dropped():
    arrived: list[int] = []
    mailbox = Mailbox(arrived.append, capacity=3)
    for item in range(10):
        mailbox.post(item)
    await asyncio.sleep(0)
    assert arrived == [7, 8, 9]


async def test_a_loop_that_is_late_is_called_once_for_all_that_waits(
    monkeypatch: pytest.MonkeyPatch,
):
    calls: list[object] = []
    loop = asyncio.get_running_loop()
    call = loop.call_soon_threadsafe

    def call_soon_threadsafe(*work: object) -> None:
        calls.append(work)
        call(*work)

    monkeypatch.setattr(loop, "call_soon_threadsafe", call_soon_threadsafe)
    arrived: list[int] = []
    mailbox = Mailbox(arrived.append, capacity=3)
    for item in range(1000):
        mailbox.post(item)
    assert len(calls) == 1
    await asyncio.sleep(0)
    mailbox.post(1000)
    await asyncio.sleep(0)
    assert arrived == [997, 998, 999, 1000]


async def test_nothing_is_delivered_after_close():
    arrived: list[int] = []
    mailbox = Mailbox(arrived.append, capacity=3)
    mailbox.post(1)
    mailbox.close()
    mailbox.post(2)
    await asyncio.sleep(0)
    assert arrived == []


async def test_a_delivery_may_close_the_mailbox():
    arrived: list[int] = []

    def deliver(item: int) -> None:
        arrived.append(item)
        mailbox.close()

    mailbox = Mailbox(deliver, capacity=3)
    mailbox.post(1)
    mailbox.post(2)
    await asyncio.sleep(0)
    assert arrived == [1]


def test_a_thread_that_outlives_the_loop_does_not_fail():
    async def make() -> Mailbox[int]:
        return Mailbox(lambda item: None, capacity=3)

    mailbox = asyncio.run(make())
    mailbox.post(1)
