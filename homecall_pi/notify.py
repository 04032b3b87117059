"""Messages to the service manager, one datagram each: the protocol of sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)


def send(*assignments: str) -> None:
    """Tells the service manager, if there is one: "READY=1", "STATUS=…", "WATCHDOG=1", ….

    It does not wait. A line break within an assignment would begin another one and is left out.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    message = "\n".join(assignment.replace("\n", " ") for assignment in assignments)
    if address.startswith("@"):  # a name without a file: unix(7), abstract
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        try:
            manager.sendto(message.encode(errors="replace"), address)
        except OSError as error:
            log.debug("the service manager is not told: %s", error)


def watchdog_s() -> float | None:
    """How often, in seconds, the service manager wants "WATCHDOG=1" at least; None: never.

    See sd_watchdog_enabled(3).
    """
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    period_us = int(os.environ.get("WATCHDOG_USEC", "0"))
    return period_us / 1e6 if period_us and pid == str(os.getpid()) else None
