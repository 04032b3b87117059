"""The daemon's end of the line to the sound card's program, and the program's life."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mmap
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec

from ..core.playout import BLOCK_BYTES
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
    decode_from_program,
    encode,
)

log = logging.getLogger(__name__)

HANG_S = 2.0
"""Seconds without a word from a program whose card works, after which it hangs. Cards that fall
silent it notices sooner by itself."""
OPENING_S = 10.0
"""The same while it starts, or opens a card that does not work."""
LOOK_S = 0.25
"""Seconds between two looks whether it hangs."""


class Process(Protocol):
    """A running program, as of subprocess.Popen."""

    def kill(self) -> None:
        """Ends it at once."""

    def wait(self) -> int:
        """Waits for its end."""


Spawn = Callable[[Halves, socket.socket], Process]


def spawn(halves: Halves, line: socket.socket) -> Process:
    """Starts the program with the other end of its line."""
    module = f"{__package__}.sound_process"
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", module, msgspec.json.encode(halves).decode()],
        stdin=line.fileno(),
        stdout=subprocess.DEVNULL,
        # PulseAudio and JACK write there what we say in one line.
        stderr=None if log.isEnabledFor(logging.DEBUG) else subprocess.DEVNULL,
        process_group=0,
    )


class Link:
    """The program from start to end.

    `take` gets what it says; `lost` gets the reason when it has died, or hangs. Close it then.

    Raises:
        OSError, RuntimeError: there is no memory, file or thread to be had for it.
    """

    def __init__(
        self,
        spawn: Spawn,
        halves: Halves,
        take: Callable[[FromProgram], None],
        lost: Callable[[str], None],
    ) -> None:
        self.busy = False
        """Whether it has something to do and, unless it hangs, says something all the time."""
        self._halves = halves
        self._take = take
        self._lost = lost
        self._works = False
        self._next_look: asyncio.TimerHandle | None = None
        self._silent_looks = 0
        self._sent = self._done = 0
        self._process: Process | None = None
        self._fault = "failed"
        self._line, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setblocking(False)
        asyncio.get_running_loop().add_reader(self._line, self._read)
        work = partial(self._run, spawn, other)
        try:
            threading.Thread(target=work, name="sound", daemon=True).start()
        except RuntimeError:
            other.close()
            self.close()
            raise

    def _run(self, spawn: Spawn, other: socket.socket) -> None:
        """A thread, for start and end take a moment. What the program is told meanwhile, waits."""
        with other:
            try:
                self._process = spawn(self._halves, other)
            except OSError as error:
                self._fault = f"cannot be started ({error.strerror})"
                return
        self._process.wait()

    def tell(self, message: Hear | Speak | Sound, samples: bytes = b"") -> None:
        """Gives it something to do."""
        self._expect_words()
        # What a program that hangs, or has just ended, does not take, its successor is told; a
        # sound for which there is no memory is not heard.
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            files = [_file(samples, stack)] if isinstance(message, Sound) else []
            socket.send_fds(self._line, [encode(message)], files)

    def play(self, sound: bytes) -> None:
        """Queues blocks of the voice. They wait for ever if the program does not take them."""
        self._sent += len(sound) // BLOCK_BYTES
        with contextlib.suppress(OSError):
            self._line.send(encode(Voice(sound)))

    @property
    def waiting(self) -> int:
        """Blocks of the voice that are queued, as of its last word."""
        return self._sent - self._done

    def close(self) -> None:
        """Ends it, whatever it does. Does not wait for that."""
        self._look_no_more()
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()
        if self._process is not None:  # else it is just starting, and finds its line closed
            self._process.kill()

    def _read(self) -> None:
        try:
            packet = self._line.recv(MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._lost(self._fault)
            return
        message = decode_from_program(packet)
        self._silent_looks = 0
        match message:
            case Moved(done, _):
                self._done = done
                self._expect_words()
            case Health(faults):
                self._works = len(faults) < len(self._halves.used)
            case Idle():
                self.busy = self._works = False
                self._look_no_more()
        self._take(message)

    def _expect_words(self) -> None:
        if not self.busy:
            self.busy, self._silent_looks = True, -1
            self._look()

    def _look(self) -> None:
        """Counts looks, not seconds: what the loop has had no time to read was said in time."""
        self._silent_looks += 1
        self._next_look = None
        limit_s = HANG_S if self._works else OPENING_S
        if self.busy and self._silent_looks * LOOK_S > limit_s:
            self._lost("does not respond")
        elif self.busy:
            self._next_look = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look_no_more(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
        self._next_look = None


def _file(samples: bytes, stack: contextlib.ExitStack) -> int:
    """A file in memory alone, until the stack ends."""
    file = os.memfd_create("sound")
    stack.callback(os.close, file)
    if samples:
        os.truncate(file, len(samples))
        with mmap.mmap(file, len(samples)) as memory:
            memory.write(samples)
    return file
