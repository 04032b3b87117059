"""A sound card by PyAudio: microphone and loudspeaker in one, for the echo canceller needs both.

The card itself is driven by a program of its own (`sound_process.py`); here is the daemon's side.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections.abc import Callable

from ..config.parts import MicrophoneConfig, SpeakerConfig
from ..core.playout import MAX_BLOCKS_WAITING
from ..errors import OperatorError
from .sound_link import Link, Spawn, spawn
from .sound_messages import FromProgram, Half, Halves, Health, Hear, Moved, Sound, Speak

log = logging.getLogger(__name__)

RETRY_S = 0.5
"""Seconds until a program that was lost is started anew."""


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
        self._link: Link | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._sink: Callable[[bytes], None] | None = None
        self._on_room: Callable[[], None] | None = None
        self._repeated = b""
        """The sound of the door's own that goes on until the next."""
        self._told: set[str] = set()

    def hear(self, sink: Callable[[bytes], None] | None) -> None:
        """Delivers what the microphone hears to `sink` from now on; None: to nobody."""
        self._sink = sink
        self._tell(Hear(sink is not None))

    def speak(self, on_room: Callable[[], None] | None) -> None:
        """Opens the loudspeaker to the voice, telling whenever there is room; None: closes it."""
        self._on_room = on_room
        self._tell(Speak(on_room is not None))

    def sound(self, once: bytes, then: bytes) -> None:
        """Plays a sound of the door's own; an empty one makes the program ready for others."""
        self._repeated = then
        self._tell(Sound(len(once)), once + then)

    def play(self, sound: bytes) -> None:
        """Queues blocks of the voice."""
        if self._link is not None:
            self._link.play(sound)

    @property
    def waiting(self) -> int:
        """Blocks of the voice that are queued; without a program, as many as can be."""
        return MAX_BLOCKS_WAITING if self._link is None else self._link.waiting

    def _tell(self, message: Hear | Speak | Sound, samples: bytes = b"") -> None:
        link = self._link or self._start()
        if link is not None:
            link.tell(message, samples)

    def _start(self) -> Link | None:
        """Starts the program, and tells it what is wanted; None if that cannot be just now."""
        try:
            link = self._link = Link(self._spawn, self._halves, self._take, self._lost)
        except (OSError, RuntimeError) as error:
            self._lost(f"cannot be started ({error})")
            return None
        if self._sink is not None:
            link.tell(Hear(True))
        if self._on_room is not None:
            link.tell(Speak(True))
        if self._repeated:
            link.tell(Sound(0), self._repeated)
        return link

    def _take(self, message: FromProgram) -> None:
        match message:
            case Moved(_, heard):
                if heard and self._sink is not None:
                    self._sink(heard)
                if self._on_room is not None:
                    self._on_room()
            case Health(faults):
                self._judge(faults)

    def _lost(self, fault: str) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None
        self._judge(dict.fromkeys(self._halves.used, fault))
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._restart)

    def _restart(self) -> None:
        self._retry = None
        if self._link is None and (self._sink or self._on_room or self._repeated):
            self._start()

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

    def start(self, on_room: Callable[[], None]) -> None:
        """Opens the loudspeaker."""
        self._card.speak(on_room)

    @property
    def waiting(self) -> int:
        """Blocks of the voice that are queued."""
        return self._card.waiting

    def play(self, sound: bytes) -> None:
        """Queues blocks of the voice."""
        self._card.play(sound)

    def sound(self, once: bytes, then: bytes = b"") -> None:
        """Plays a sound of the door's own, mixed with the voice."""
        self._card.sound(once, then)

    def stop(self) -> None:
        """Closes the loudspeaker; the voice that waits is dropped."""
        self._card.speak(None)
