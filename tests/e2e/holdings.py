"""What a program holds on to while nothing goes on."""

from __future__ import annotations

import os
import statistics
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from .household import Door, until

REST_LOOKS = 25
"""Looks (half a second) in which nothing changed: the call is cleared away."""


async def at_rest(door: Door) -> dict[str, int]:
    """What the daemon holds once the call is cleared away and the next one is prepared."""
    process = door.process
    seen = deque([(0, 0)], maxlen=REST_LOOKS)

    def settled() -> bool:
        seen.append((process.num_threads(), process.num_fds()))
        return len(seen) == REST_LOOKS and len(set(seen)) == 1

    await until("a connection is ready for the next call", lambda: has_udp_sockets(process))
    await until("threads and files neither come nor go", settled)
    held = of(process)  # first: a question to the door is a file of its
    return {"tasks": door.status.tasks, **held}


def has_udp_sockets(process: psutil.Process) -> bool:
    """Whether it has any; psutil would look in the network of the tests alone."""
    place = Path(f"/proc/{process.pid}")
    own = {link[8:-1] for link in links(place / "fd") if link.startswith("socket:")}
    tables = [(place / "net" / name).read_text() for name in ("udp", "udp6")]
    rows = (line.split() for table in tables for line in table.splitlines()[1:])
    return any(row[9] in own for row in rows)


def links(folder: Path) -> Iterator[str]:
    """Where the links in there lead; some may vanish meanwhile."""
    for link in folder.iterdir():
        with suppress(FileNotFoundError):
            yield os.readlink(link)


def of(process: psutil.Process) -> dict[str, int]:
    """Threads, open files, and memory in bytes."""
    samples = [process.memory_info().rss for _ in range(3)]
    return {
        "threads": process.num_threads(),
        "files": process.num_fds(),
        "rss": int(statistics.median(samples)),
    }
