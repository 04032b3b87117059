"""A pin that is on for one pulse at most, whatever becomes of the daemon: a process of its own.

A door release that stays on is an open door, and Raspberry Pi's kernels leave a pin driven when
the program that held it dies. So the pin belongs to this small program: it holds the pin off, and
ends each pulse by itself. A hung daemon cannot lengthen a pulse; when the daemon dies, the pipe
between them closes and the pulse ends at once.

    python -m homecall_pi.hardware.pulse PIN high|low SECONDS

A line on standard input is one pulse; lines that come during a pulse are dropped. On standard
output it says `ready`, `on`, `off`, or `failed` and why; then it tries again.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import IO, Any, NoReturn, Protocol

from ..errors import HardwareError
from . import pins

RETRY_S = 2.0
"""Seconds until a pin that could not be had is tried again. A new process for each try would keep a
small Pi busy."""
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT)
"""Signals by which a service manager or a terminal ends us, SIGABRT being the watchdog's."""


class Output(Protocol):
    """The pin."""

    def on(self) -> None:
        """Drives it."""

    def off(self) -> None:
        """Lets go."""


def serve(output: Output, pulse_s: float, commands: int, say: Callable[[str], None]) -> None:
    """Makes a pulse of `pulse_s` seconds for a line from the pipe `commands`, until it closes."""
    say("ready")
    while _read(commands, None):
        try:
            output.on()
            say("on")
            _wait(commands, time.monotonic() + pulse_s)
        finally:
            output.off()
        say("off")


def _wait(commands: int, until: float) -> None:
    """Waits, dropping what comes, or returns at once when the pipe closes."""
    while (left_s := until - time.monotonic()) > 0:
        if not _read(commands, left_s):
            return


def _read(commands: int, timeout_s: float | None) -> bool:
    """Whether the pipe is still open after something came or the time passed."""
    ready, _, _ = select.select([commands], [], [], timeout_s)
    return not ready or bool(os.read(commands, 4096))


def claim(pin: int, *, active_high: bool) -> Any:
    """The pin as an output, off.

    Raises:
        HardwareError: it cannot be had; the message says what to do.
    """
    pin_factory = pins.factory()
    from gpiozero import DigitalOutputDevice

    try:
        return DigitalOutputDevice(pin, active_high=active_high, pin_factory=pin_factory)
    except Exception as error:
        raise HardwareError(pins.cure(error, pin)) from error


def main(pin: str, active: str, pulse_s: str, out: IO[str] = sys.stdout) -> None:
    """Serves the pin until standard input closes or a signal comes."""
    for number in ENDINGS:
        signal.signal(number, _end)

    def say(text: str) -> None:
        out.write(text + "\n")
        out.flush()

    commands = sys.stdin.fileno()
    with contextlib.suppress(BrokenPipeError):  # the daemon is dead
        output = _wait_for(int(pin), active == "high", commands, say)
        if output is not None:
            try:
                serve(output, float(pulse_s), commands, say)
            finally:
                output.close()


def _wait_for(pin: int, active_high: bool, commands: int, say: Callable[[str], None]) -> Any:
    """Claims the pin as soon as it can be had; None if the pipe closes before."""
    while True:
        try:
            return claim(pin, active_high=active_high)
        except HardwareError as error:
            say(f"failed {error}")
        if not _read(commands, RETRY_S):
            return None


def _end(number: int, _: object) -> NoReturn:
    for further in ENDINGS:  # nothing may come between this and letting go
        signal.signal(further, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
