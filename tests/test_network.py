"""What is told of the network, by the kernel itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys

import pytest

from homecall_pi import network
from homecall_pi.network import SLEPT_S, Sleep

from .conftest import PATIENCE_S
from .doubles import in_background

WATCH = """
import asyncio
import contextlib
from homecall_pi import network
network.SETTLE_S = 0.01
asyncio.run(network.watch(lambda: print("changed", flush=True)))
"""


def test_a_machine_that_slept_is_noticed_once():
    sleep = Sleep()
    clocks = [(0.0, 5.0), (1.0, 6.0), (2.0, 3607.0), (3.0, 3608.0), (4.0, 3609.0 + SLEPT_S)]
    assert [sleep.since_last(*each) for each in clocks] == [False, False, True, False, False]


async def test_nothing_is_told_while_nothing_changes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network, "LOOK_S", 0.001)
    told: list[None] = []
    async with in_background(network.watch(lambda: told.append(None))):
        await asyncio.sleep(0.05)
    assert len(told) <= 1  # the machine's own network may change at any time


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
                    async with asyncio.timeout(0.5):
                        assert await process.stdout.readline() == b"changed\n"
                        break
                process.stdin.write(b"del\n")
        process.stdin.close()
        await process.wait()
