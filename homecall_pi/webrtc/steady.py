"""Clocks that nobody sets: of the day, for the libraries below and what is sent, and of age.

aiortc and aioice take intervals from the time of day. A Pi has no clock that runs while it is off:
its time jumps when a time server is reached, by months perhaps, and in the middle of a call. Then
aiortc's reports on the sound would fail, and closing the connection would wait for them for ever;
aioice would let a relay's channel expire; the control channel would take the jump for a round trip.
"""

from __future__ import annotations

import datetime
import time
from types import SimpleNamespace

import aioice.turn
import aiortc.clock
import aiortc.rtcrtpreceiver
import aiortc.rtcrtpsender
import aiortc.rtcsctptransport

MODULES = (
    aioice.turn,
    aiortc.rtcrtpreceiver,
    aiortc.rtcrtpsender,
    aiortc.rtcsctptransport,
)
"""Those that call time.time(), and use nothing else of that module."""
_START_S = time.time() - time.monotonic()  # noqa: TID251


def now() -> float:
    """Seconds since 1970 by the clock as it stood at the start, whatever became of it since."""
    return _START_S + time.monotonic()


def uptime() -> float:
    """Seconds since the start of the machine. A NAT forgets while the machine sleeps, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def take_over() -> None:
    """Has the libraries use this clock from now on."""
    for module in MODULES:
        vars(module)["time"] = SimpleNamespace(time=now)
    aiortc.clock.current_datetime = _datetime


def _datetime() -> datetime.datetime:
    return datetime.datetime.fromtimestamp(now(), datetime.UTC)
