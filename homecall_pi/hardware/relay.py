"""The daemon's side of a pin that is only ever on for a pulse; `pulse.py` is the other side."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable


def command(pin: int, active: str, pulse_s: float) -> list[str]:
    """The program that holds the pin."""
    return [sys.executable, "-m", "homecall_pi.hardware.pulse", str(pin), active, str(pulse_s)]


class Relay:
    """A relay, or whatever else is on for a moment only, held by a program of its own.

    `tell` gets each line that the program says, and `gone` once it has ended, on another thread.
    """

    def __init__(self, command: list[str], tell: Callable[[str], None]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, process_group=0
        )
        self._tell = tell
        threading.Thread(target=self._listen, name="relay", daemon=True).start()

    def pulse(self) -> None:
        """Starts a pulse, unless one is under way."""
        if self._process.stdin is not None:
            # Closed: the program has just ended, and `gone` is on its way.
            with contextlib.suppress(OSError, ValueError):
                self._process.stdin.write(b"\n")

    def close(self) -> None:
        """Ends the program, and the pulse that may be under way. Does not wait for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _listen(self) -> None:
        with self._process as process:
            for line in process.stdout or ():
                self._tell(line.decode(errors="replace").strip())
        self._tell("gone")
