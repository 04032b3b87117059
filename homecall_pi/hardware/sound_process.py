"""The sound card's program: PortAudio in a process of its own, which the daemon can end.

A sound card is driven by C that may never return: when PulseAudio dies, its client library waits
for ever in about every other case. A thread in there cannot be ended, and while it uses PortAudio,
the process gets no new list of devices. A process can be ended, whatever it does; a crash in there
costs the sound and not the call; and blocks move in time, whatever the daemon's threads do.

    python -m homecall_pi.hardware.sound_process HALVES

HALVES are those of `sound_messages.py` as JSON; standard input is its end of the line to the
daemon. The program ends when the line closes.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import sys
import time
from collections.abc import Callable
from struct import Struct
from typing import Any

import msgspec

from ..core.playout import Playout
from . import portaudio
from .denormals import flush_denormals
from .duplex import Duplex
from .sound_messages import (
    MAX_MESSAGE_BYTES,
    FromProgram,
    Halves,
    Health,
    Hear,
    Idle,
    Moved,
    Sound,
    Speak,
    Voice,
    decode_to_program,
    encode,
)

LINGER_S = 0.5
"""Seconds that the card stays open when nobody wants it: a tone may follow at once, or a call."""
SWITCH_S = 0.0005
"""Python's time slice: the canceller is made ready beside the chime, and is not to hold it up."""
_FILE = Struct("i")
_FILE_SPACE = socket.CMSG_SPACE(_FILE.size)
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Program:
    """The program, between the line to the daemon and the card."""

    def __init__(
        self, line: socket.socket, halves: Halves, *, load: Callable[[], Any] = portaudio.load
    ) -> None:
        self._line = line
        self._playout = Playout()
        self._duplex = Duplex(halves, self._playout, self._moved, self._health, load=load)
        self._hearing = self._speaking = self._ended = False
        self._wanted_at = float("-inf")

    def run(self) -> None:
        """Serves the card until the daemon closes the line."""
        self._duplex.make_ready()
        while not self._ended:
            self._obey()
            if self._wanted():
                self._duplex.run(self._wanted)
            self._say(Idle())

    def _wanted(self) -> bool:
        """Whether the card is still wanted, after all that the daemon has said meanwhile."""
        with contextlib.suppress(BlockingIOError):
            while not self._ended:
                self._obey(socket.MSG_DONTWAIT)
        now = time.monotonic()
        if self._hearing or self._speaking or self._playout.sounding:
            self._wanted_at = now
        return now - self._wanted_at < LINGER_S and not self._ended

    def _obey(self, flags: int = 0) -> None:
        """Does what the next packet says.

        Raises:
            BlockingIOError: `flags` are not to wait for one, and there is none.
        """
        content, file = self._receive(flags)
        if not content:
            self._ended = True
            return
        match decode_to_program(content):
            case Voice(sound):
                self._playout.play(sound)
            case Hear(on):
                self._hearing = on
            case Speak(on):
                self._speaking = on
                self._playout.clear()
            case Sound(once_bytes):
                samples = _read(file)
                self._playout.sound(samples[:once_bytes], samples[once_bytes:])

    def _receive(self, flags: int) -> tuple[bytes, int]:
        """One packet, and the file that came with it (or -1); nothing when the line is closed."""
        try:  # not by socket.recv_fds, which forgets its flags
            content, notes, _, _ = self._line.recvmsg(MAX_MESSAGE_BYTES, _FILE_SPACE, flags)
        except ConnectionResetError:
            return b"", -1
        return content, _FILE.unpack(notes[0][2])[0] if notes else -1

    def _moved(self, heard: bytes) -> None:
        message = Moved(self._playout.done, heard if self._hearing else b"")
        with contextlib.suppress(BlockingIOError):  # the daemon is late: live sound is dropped
            self._say(message, socket.MSG_DONTWAIT)

    def _health(self, faults: dict[str, str]) -> None:
        self._say(Health(faults))

    def _say(self, message: FromProgram, flags: int = 0) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `_obey` sees it, too
            self._line.send(encode(message), flags)


def _read(file: int) -> bytes:
    with open(file, "rb") as samples:
        samples.seek(0)
        return samples.read()


def main(halves: str) -> None:
    """Serves the card until the daemon closes the line."""
    # A service manager tells all processes to end. Gone before the daemon, it would be missed.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Does it hang when the daemon dies, it is not to keep the card.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.setswitchinterval(SWITCH_S)
    flush_denormals()
    Program(socket.socket(fileno=0), msgspec.json.decode(halves, type=Halves)).run()


if __name__ == "__main__":
    main(sys.argv[1])
