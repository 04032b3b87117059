"""Tells when the network may have changed, or be of use again.

The kernel tells of addresses and routes that come and go. Two clocks tell that this machine slept,
or this program was stopped, and what it was connected to may have given it up; and that the time of
day was set: before that, no certificate may have been valid, nor credentials for a TURN server.

Without all this a connection that is dead in truth is noticed only when its next ping is not
answered, and one that could be made waits for the next attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

SETTLE_S = 0.2
"""Seconds without another change after which one is told: they come in groups."""
MAX_GROUP = 20
"""Changes after which it is told even so: where routes never come to rest, too."""
LOOK_S = 1.0
"""Seconds between looks at the clocks."""
JUMP_S = 2.0
"""More than this is no late look, nor a clock that is corrected bit by bit."""
_LINK, _IPV4_ADDRESS, _IPV4_ROUTE, _IPV6_ADDRESS, _IPV6_ROUTE = 0x1, 0x10, 0x40, 0x100, 0x400
"""Groups of messages (RTMGRP_…, rtnetlink(7))."""
_GROUPS = _LINK | _IPV4_ADDRESS | _IPV4_ROUTE | _IPV6_ADDRESS | _IPV6_ROUTE
_LOOK_UPS = "timeout:1 attempts:1"
"""A second for each of the three name servers that there can be, which is less than an attempt to
connect may take. The next attempt asks them again."""


def hurry_look_ups() -> None:
    """Has name servers that are silent given up soon. To be called before the first look-up.

    By default one takes 10 seconds, two take 20 (resolv.conf(5)), and nothing can cancel that. As
    few look-ups run at once, those to come would wait, long after names can be resolved again.
    """
    os.environ.setdefault("RES_OPTIONS", _LOOK_UPS)


async def watch(tell: Callable[[], None]) -> None:
    """Calls `tell` after each change, for ever."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_watch_kernel(tell))
        tasks.create_task(_watch_clocks(tell))


async def _watch_kernel(tell: Callable[[], None]) -> None:
    try:
        netlink = _netlink()
    except OSError as error:
        log.warning("a change of the network is noticed late: %s", error)
        return
    with netlink:
        while True:
            await _is_told(netlink, None)
            for _ in range(MAX_GROUP):
                if not await _is_told(netlink, SETTLE_S):
                    break
            log.debug("the network may have changed")
            tell()


def _netlink() -> socket.socket:
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    netlink.setblocking(False)
    netlink.bind((0, _GROUPS))
    return netlink


async def _is_told(netlink: socket.socket, patience_s: float | None) -> bool:
    """Whether the kernel tells of a change within so many seconds. What changed does not matter."""
    with contextlib.suppress(OSError):  # ENOBUFS: more changed than the socket could hold
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.get_running_loop().sock_recv(netlink, 65536)
        except TimeoutError:
            return False
    return True


async def _watch_clocks(tell: Callable[[], None]) -> None:
    clocks = Clocks()
    while True:
        jump = clocks.look(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())  # noqa: TID251
        if jump:
            log.info("%s", jump, extra={"EVENT": "clock"})
            tell()
        await asyncio.sleep(LOOK_S)


class Clocks:
    """Notices what happened to the time between two looks, which are LOOK_S apart.

    The machine's own clock goes on while it sleeps, and nobody sets it (CLOCK_BOOTTIME,
    clock_gettime(2)); the time of day may be set at any time. Both are in seconds.
    """

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    def look(self, boottime: float, realtime: float) -> str:
        """What happened since the last look, in words, if anything did."""
        if self._last is None:
            self._last = boottime, realtime
        passed_s = boottime - self._last[0]
        set_by_s = realtime - self._last[1] - passed_s
        self._last = boottime, realtime
        if abs(set_by_s) > JUMP_S:
            way = "forward" if set_by_s > 0 else "back"
            return f"the clock was set {way} by {abs(set_by_s):.0f} s"
        if passed_s > LOOK_S + JUMP_S:
            return f"the program, or the machine, stood still for {passed_s - LOOK_S:.0f} s"
        return ""
