"""What is told of the network and of time: by the kernel itself, and by clocks as they may go."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket
import subprocess
import sys

import pytest

from homecall_pi import network
from homecall_pi.network import JUMP_S, LOOK_S, Clocks

from .conftest import PATIENCE_S
from .doubles import in_background

WATCH = """
import asyncio
import contextlib
from homecall_pi import network
network.SETTLE_S = 0.01
asyncio.run(network.watch(lambda: print("changed", flush=True)))
"""


DAY_S = 86_400.0
STILL = f"the program, or the machine, stood still for {DAY_S:.0f} s"


@pytest.mark.parametrize(
    ("later", "told"),
    [
        pytest.param((LOOK_S, LOOK_S), "", id="a look like others"),
        pytest.param((LOOK_S + JUMP_S, LOOK_S + JUMP_S), "", id="a late look"),
        pytest.param((LOOK_S, LOOK_S + JUMP_S - 0.1), "", id="a clock that is corrected"),
        pytest.param((LOOK_S + DAY_S, LOOK_S + DAY_S), STILL, id="suspended or stopped"),
        pytest.param(
            (LOOK_S, LOOK_S + DAY_S), "the clock was set forward by 86400 s", id="forward"
        ),
        pytest.param((LOOK_S, LOOK_S - DAY_S), "the clock was set back by 86400 s", id="back"),
        pytest.param(
            (LOOK_S + DAY_S, LOOK_S), "the clock was set back by 86400 s", id="woken, and set back"
        ),
    ],
)
def test_what_happened_to_time_is_told_once(later: tuple[float, float], told: str):
    clocks = Clocks()
    looks = [(0.0, 0.0), later, (later[0] + LOOK_S, later[1] + LOOK_S)]
    assert [clocks.look(up, 1_700_000_000.0 + day) for up, day in looks] == ["", told, ""]


async def test_nothing_is_told_while_nothing_changes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network, "LOOK_S", 0.001)
    told: list[None] = []
    async with in_background(network.watch(lambda: told.append(None))):
        await asyncio.sleep(0.05)
    assert len(told) <= 1  # the machine's own network may change at any time


async def test_a_clock_that_is_set_is_told_even_where_the_kernel_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def forbidden() -> socket.socket:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    days = itertools.count(step=DAY_S)
    monkeypatch.setattr(network, "LOOK_S", 0.0)
    monkeypatch.setattr(network, "_netlink", forbidden)
    monkeypatch.setattr(network.time, "time", lambda: next(days))
    told: asyncio.Queue[None] = asyncio.Queue()
    async with in_background(network.watch(lambda: told.put_nowait(None))):
        async with asyncio.timeout(PATIENCE_S):
            await told.get()
    assert "a change of the network is noticed late" in caplog.text


def test_name_servers_that_are_silent_are_soon_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RES_OPTIONS", raising=False)
    network.hurry_look_ups()
    assert os.environ["RES_OPTIONS"] == "timeout:1 attempts:1"
    monkeypatch.setenv("RES_OPTIONS", "timeout:3")  # somebody knows better
    network.hurry_look_ups()
    assert os.environ["RES_OPTIONS"] == "timeout:3"


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace, which needs root")
async def test_an_address_that_comes_and_goes_is_told():
    shell = (
        'ip link set lo up; "$PYTHON" -c "$WATCH" & watch=$!; trap "kill $watch" EXIT;'
        "while read verb; do ip address $verb 192.0.2.1/32 dev lo 2>/dev/null; done"
    )
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--net", "bash", "-c", shell),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "WATCH": WATCH, "PYTHON": sys.executable},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        for verb in ("add", "del", "add"):
            while True:  # until the watch has begun
                process.stdin.write(f"{verb}\n".encode())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        assert await process.stdout.readline() == b"changed\n"
                        break
                process.stdin.write(b"del\n")
        process.stdin.close()
        await process.wait()
