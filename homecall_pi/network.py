"""Tells when the network may have changed: an address or route came or went, or the machine slept.

Without it a connection that is dead in truth is noticed only when its next ping is not answered,
and one that could be made waits for the next attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

SETTLE_S = 0.2
"""Seconds without another change after which one is told: they come in groups."""
LOOK_S = 1.0
"""Seconds between looks at the clocks."""
SLEPT_S = 2.0
"""More than this between the two clocks is sleep, not the time between two readings."""
_LINK, _IPV4_ADDRESS, _IPV4_ROUTE, _IPV6_ADDRESS, _IPV6_ROUTE = 0x1, 0x10, 0x40, 0x100, 0x400
"""Groups of messages (RTMGRP_…, rtnetlink(7))."""
_GROUPS = _LINK | _IPV4_ADDRESS | _IPV4_ROUTE | _IPV6_ADDRESS | _IPV6_ROUTE


async def watch(tell: Callable[[], None]) -> None:
    """Calls `tell` after each change, for ever.

    Raises:
        OSError: the kernel tells this program nothing.
    """
    with _netlink() as netlink:
        slept = Sleep()
        while True:
            changed = await _is_told(netlink, LOOK_S)
            while changed and await _is_told(netlink, SETTLE_S):
                pass
            if slept.since_last(time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)):
                changed = True
            if changed:
                log.debug("the network may have changed")
                tell()


class Sleep:
    """Notices that the machine was suspended: one clock goes on meanwhile, and one does not."""

    def __init__(self) -> None:
        self._asleep: float | None = None

    def since_last(self, monotonic: float, boottime: float) -> bool:
        """Whether it slept since the last call. Both clocks are in seconds (clock_gettime(2))."""
        asleep, self._asleep = self._asleep, boottime - monotonic
        return asleep is not None and self._asleep - asleep > SLEPT_S


def _netlink() -> socket.socket:
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    netlink.setblocking(False)
    netlink.bind((0, _GROUPS))
    return netlink


async def _is_told(netlink: socket.socket, patience_s: float) -> bool:
    """Whether the kernel tells of a change within so many seconds. What changed does not matter."""
    with contextlib.suppress(OSError):  # ENOBUFS: more changed than the socket could hold
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.get_running_loop().sock_recv(netlink, 65536)
        except TimeoutError:
            return False
    return True
