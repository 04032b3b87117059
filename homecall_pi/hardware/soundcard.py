"""A sound card by PyAudio: microphone and loudspeaker in one, for the echo canceller needs both."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..config import MicrophoneConfig, SpeakerConfig
from ..core.playout import Playout
from ..errors import OperatorError
from . import portaudio
from .duplex import Duplex, Half, Halves
from .mailbox import Mailbox

log = logging.getLogger(__name__)

LINGER_S = 0.5
"""Seconds that the card stays open when nobody wants it: a tone may follow at once, or a call."""
BLOCKS_WAITING = 10
"""Blocks that may wait for the event loop."""
CARDS = Path("/proc/asound/cards")


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
    """Looks for it without importing it, which takes memory that an idle door has no use for."""
    if importlib.util.find_spec(library) is None:
        raise OperatorError(f"the sound card needs {library}, which is not installed: {cure}")


class SoundCard:
    """The card, and the two ports that it serves: `microphone` and `speaker`."""

    def __init__(
        self, halves: Halves, *, load: Callable[[], Any] = portaudio.load, cards: Path = CARDS
    ) -> None:
        self.microphone = CardMicrophone(self)
        self.speaker = CardSpeaker(self)
        self.playout = Playout()
        self._duplex = Duplex(halves, self.playout, self._deliver, load=load, cards=cards)
        self._mailbox: Mailbox[bytes] | None = None
        self._speaking = False
        self._run: _Run | None = None
        self._last_run: _Run | None = None

    def hear(self, sink: Callable[[bytes], None] | None) -> None:
        """Delivers what the microphone hears to `sink` from now on; None: to nobody."""
        if self._mailbox is not None:
            self._mailbox.close()
        self._mailbox = None if sink is None else Mailbox(sink, capacity=BLOCKS_WAITING)
        self.attend()

    def speak(self, *, on: bool) -> None:
        """Opens the loudspeaker for the voice, or closes it."""
        self._speaking = on
        self.playout.clear()
        self.attend()

    def attend(self) -> None:
        """Opens the card if anybody wants it, and closes it after nobody did for a while."""
        if self._run is None and self._wanted:
            self._run = self._last_run = _Run(self._duplex.run, after=self._last_run)
            asyncio.get_running_loop().call_later(LINGER_S, self._look)

    @property
    def _wanted(self) -> bool:
        return self._mailbox is not None or self._speaking or self.playout.sounding

    def _look(self) -> None:
        if self._wanted:
            asyncio.get_running_loop().call_later(LINGER_S, self._look)
        elif self._run is not None:
            self._run.stopping.set()
            self._run = None

    def _deliver(self, block: bytes) -> None:
        """The card's thread."""
        mailbox = self._mailbox
        if mailbox is not None:
            mailbox.post(block)


class _Run:
    """The thread from opening the card to closing it. It begins when the one before has ended."""

    def __init__(self, work: Callable[[threading.Event], None], *, after: _Run | None) -> None:
        self.stopping = threading.Event()
        self._work = work
        self._before: threading.Thread | None = after._thread if after else None
        self._thread: threading.Thread = threading.Thread(
            target=self._guard, name="sound-card", daemon=True
        )
        self._thread.start()

    def _guard(self) -> None:
        if self._before is not None:
            self._before.join()
            self._before = None
        try:
            self._work(self.stopping)
        except Exception:
            log.exception("the sound card's thread died")


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
        return self._card.playout.waiting

    def play(self, block: bytes) -> None:
        """Queues one block of the voice."""
        self._card.playout.play(block)

    def sound(self, once: bytes, then: bytes = b"") -> None:
        """Plays a sound of the door's own, mixed with the voice."""
        self._card.playout.sound(once, then)
        self._card.attend()

    def stop(self) -> None:
        """Closes the loudspeaker; the voice that waits is dropped."""
        self._card.speak(on=False)
