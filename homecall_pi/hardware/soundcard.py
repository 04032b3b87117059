"""A sound card by PyAudio: microphone and loudspeaker in one, for the echo canceller needs both.

The card itself is driven by a program of its own (`sound_process.py`); here is the daemon's side.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import mmap
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Protocol

import msgspec

from ..config import MicrophoneConfig, SpeakerConfig
from ..errors import OperatorError
from .duplex import Half, Halves
from .sound_process import (
    MAX_MESSAGE_BYTES,
    FromProgram,
    Health,
    Hear,
    Idle,
    Moved,
    Sound,
    Speak,
    Voice,
)

log = logging.getLogger(__name__)

HANG_S = 2.0
"""Seconds without a word from a program whose card works, after which it hangs. Cards that fall
silent it notices sooner by itself."""
OPENING_S = 10.0
"""The same while it starts, or opens a card that does not work."""
LOOK_S = 0.25
"""Seconds between two looks whether it hangs."""
RETRY_S = 1.0
"""Seconds until a program that died is started anew."""


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


def build(microphone: MicrophoneConfig, speaker: SpeakerConfig) -> SoundCard:
    """The card as the configuration wants it.

    Raises:
        OperatorError: a library that it needs is not installed.
    """
    _require("pyaudio", "`apt install python3-pyaudio`")
    if microphone.source == "pyaudio" and microphone.echo_canceller:
        _require("pywebrtc_audio", "`pip install pywebrtc-audio`, or set echo_canceller = false")
    return SoundCard(
        Halves(_half(microphone), _half(speaker), cancel_echo=microphone.echo_canceller)
    )


def _half(config: MicrophoneConfig | SpeakerConfig) -> Half | None:
    if config.source != "pyaudio":
        return None
    return Half(config.device, config.gain_db, config.mute)


def _require(library: str, cure: str) -> None:
    """Looks for it without importing it: only the program has a use for it."""
    if importlib.util.find_spec(library) is None:
        raise OperatorError(f"the sound card needs {library}, which is not installed: {cure}")


class SoundCard:
    """The card, and the two ports that it serves: `microphone` and `speaker`."""

    def __init__(self, halves: Halves, *, spawn: Spawn = spawn) -> None:
        self.microphone = CardMicrophone(self)
        self.speaker = CardSpeaker(self)
        self._halves = halves
        self._spawn = spawn
        self._program: _Program | None = None
        self._sink: Callable[[bytes], None] | None = None
        self._speaking = False
        self._repeated = b""
        """The sound of the door's own that goes on until the next."""
        self._next_look: asyncio.TimerHandle | None = None
        self._told: set[str] = set()

    def hear(self, sink: Callable[[bytes], None] | None) -> None:
        """Delivers what the microphone hears to `sink` from now on; None: to nobody."""
        self._sink = sink
        self._tell(Hear(sink is not None))

    def speak(self, *, on: bool) -> None:
        """Opens the loudspeaker for the voice, or closes it."""
        self._speaking = on
        self._tell(Speak(on))

    def sound(self, once: bytes, then: bytes) -> None:
        """Plays a sound of the door's own; an empty one makes the program ready for others."""
        self._repeated = then
        self._tell(Sound(len(once)), once + then)

    def play(self, block: bytes) -> None:
        """Queues one block of the voice."""
        if self._program is not None:
            self._program.play(block)

    @property
    def waiting(self) -> int:
        """Blocks of the voice that are queued."""
        return 0 if self._program is None else self._program.waiting

    def _tell(self, message: Hear | Speak | Sound, samples: bytes = b"") -> None:
        program = self._program or self._start()
        program.tell(message, samples)
        self._look_in(LOOK_S)

    def _start(self) -> _Program:
        """Starts the program, and tells it what is wanted."""
        program = self._program = _Program(self._spawn, self._halves, self._take, self._died)
        if self._sink is not None:
            program.tell(Hear(True))
        if self._speaking:
            program.tell(Speak(True))
        if self._repeated:
            program.tell(Sound(0), self._repeated)
        return program

    def _take(self, message: FromProgram) -> None:
        match message:
            case Moved(_, heard):
                if heard and self._sink is not None:
                    self._sink(heard)
            case Health(faults):
                self._judge(faults)

    def _look_in(self, seconds: float) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
        self._next_look = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Sees to it that the program runs and does not hang, if anything is wanted of it."""
        if self._program is not None and self._program.hangs(_now()):
            self._lose("does not respond")
        if self._program is None and (self._sink or self._speaking or self._repeated):
            self._start()
        if self._program is not None and self._program.busy:
            self._look_in(LOOK_S)

    def _died(self) -> None:
        self._lose("failed")
        self._look_in(RETRY_S)

    def _lose(self, fault: str) -> None:
        if self._program is not None:
            self._program.close()
        self._program = None
        self._judge(dict.fromkeys(self._halves.used, fault))

    def _judge(self, faults: dict[str, str]) -> None:
        """Says in one line what is wrong, or works again, unless it was said."""
        if set(faults) - self._told:
            what = "; ".join(f"the {half} {fault}" for half, fault in faults.items())
            log.warning("%s; see that it is plugged in and free, or set `device`; retrying", what)
        back = sorted(self._told - set(faults))
        if back:
            works = "work" if len(back) > 1 else "works"
            log.info("the %s %s again", " and the ".join(back), works)
        self._told = set(faults)


class _Program:
    """The program while it runs. `take` gets what it says, `died` learns if it ends by itself."""

    def __init__(
        self,
        spawn: Spawn,
        halves: Halves,
        take: Callable[[FromProgram], None],
        died: Callable[[], None],
    ) -> None:
        self.busy = False
        """Whether it has something to do and, unless it hangs, says something all the time."""
        self._halves = halves
        self._take = take
        self._died = died
        self._works = False
        self._heard_at = 0.0
        self._sent = self._done = 0
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(FromProgram).decode
        self._process: Process | None = None
        self._line, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setblocking(False)
        asyncio.get_running_loop().add_reader(self._line, self._read)
        run = threading.Thread(target=self._run, args=(spawn, other), name="sound", daemon=True)
        run.start()

    def _run(self, spawn: Spawn, other: socket.socket) -> None:
        """A thread, for start and end take a moment. What the program is told meanwhile, waits."""
        with other:
            self._process = spawn(self._halves, other)
        self._process.wait()

    def tell(self, message: Hear | Speak | Sound, samples: bytes = b"") -> None:
        """Gives it something to do."""
        if not self.busy:
            self.busy, self._heard_at = True, _now()
        files = [_file(samples)] if isinstance(message, Sound) else []
        # What a program that hangs, or has just ended, does not take, its successor is told.
        with contextlib.suppress(OSError):
            socket.send_fds(self._line, [self._encode(message)], files)
        for file in files:
            os.close(file)

    def play(self, block: bytes) -> None:
        """Queues one block of the voice."""
        with contextlib.suppress(OSError):
            self._line.send(self._encode(Voice(block)))
            self._sent += 1

    @property
    def waiting(self) -> int:
        """Blocks of the voice that are queued, as of its last word."""
        return self._sent - self._done

    def hangs(self, now: float) -> bool:
        """Whether it has not said anything for too long."""
        limit_s = HANG_S if self._works else OPENING_S
        return self.busy and now - self._heard_at > limit_s

    def close(self) -> None:
        """Ends it, whatever it does. Does not wait for that."""
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()
        if self._process is not None:  # else it is just starting, and finds its line closed
            self._process.kill()

    def _read(self) -> None:
        packet = b""
        with contextlib.suppress(OSError):
            packet = self._line.recv(MAX_MESSAGE_BYTES)
        if not packet:
            self._died()
            return
        message = self._decode(packet)
        self._heard_at = _now()
        match message:
            case Moved(done, _):
                self._done = done
                self.busy = True
            case Health(faults):
                self._works = len(faults) < len(self._halves.used)
            case Idle():
                self.busy = self._works = False
        self._take(message)


def _file(samples: bytes) -> int:
    """A file in memory alone."""
    file = os.memfd_create("sound")
    if samples:
        os.truncate(file, len(samples))
        with mmap.mmap(file, len(samples)) as memory:
            memory.write(samples)
    return file


def _now() -> float:
    return asyncio.get_running_loop().time()


class CardMicrophone:
    """The card's microphone, with echo and noise taken out."""

    def __init__(self, card: SoundCard) -> None:
        self._card = card

    def start(self, sink: Callable[[bytes], None]) -> None:
        """Starts capture."""
        self._card.hear(sink)

    def stop(self) -> None:
        """Stops capture."""
        self._card.hear(None)


class CardSpeaker:
    """The card's loudspeaker."""

    def __init__(self, card: SoundCard) -> None:
        self._card = card

    def start(self) -> None:
        """Opens the loudspeaker."""
        self._card.speak(on=True)

    @property
    def waiting(self) -> int:
        """Blocks of the voice that are queued."""
        return self._card.waiting

    def play(self, block: bytes) -> None:
        """Queues one block of the voice."""
        self._card.play(block)

    def sound(self, once: bytes, then: bytes = b"") -> None:
        """Plays a sound of the door's own, mixed with the voice."""
        self._card.sound(once, then)

    def stop(self) -> None:
        """Closes the loudspeaker; the voice that waits is dropped."""
        self._card.speak(on=False)
