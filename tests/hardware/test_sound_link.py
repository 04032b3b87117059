"""Whether the sound card's program hangs is looked at by one timer, while it is busy."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

import pytest

from homecall_pi.hardware.sound_link import Link
from homecall_pi.hardware.sound_messages import Half, Halves, Hear, Idle, encode

from ..conftest import PATIENCE_S


class Timers:
    """Stands in for a loop's `call_later`."""

    def __init__(self) -> None:
        self.pending: list[Timer] = []

    def call_later(self, _: float, look: Callable[[], None]) -> Timer:
        self.pending.append(Timer(self))
        return self.pending[-1]


class Timer:
    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    def cancel(self) -> None:
        if self in self._timers.pending:
            self._timers.pending.remove(self)


class Program:
    """One that runs until it is killed, and says what the test wants."""

    def __init__(self) -> None:
        self.started, self._killed = threading.Event(), threading.Event()

    def spawn(self, _: Halves, line: socket.socket) -> Program:
        self.line = line.dup()
        self.started.set()
        return self

    def kill(self) -> None:
        self._killed.set()

    def wait(self) -> int:
        self._killed.wait(PATIENCE_S)
        self.line.close()
        return 0


async def test_however_often_it_falls_idle_there_is_one_timer(monkeypatch: pytest.MonkeyPatch):
    timers, program = Timers(), Program()
    said: asyncio.Queue[object] = asyncio.Queue()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", timers.call_later)
    link = Link(program.spawn, Halves(Half(), Half()), said.put_nowait, said.put_nowait)
    await asyncio.to_thread(program.started.wait)
    for _ in range(3):
        link.tell(Hear(True))
        assert len(timers.pending) == 1
        program.line.send(encode(Idle()))
        async with asyncio.timeout(PATIENCE_S):
            assert await said.get() == Idle()
        assert not link.busy
        assert timers.pending == []
    link.tell(Hear(True))
    link.close()
    assert timers.pending == []
    assert said.empty()
