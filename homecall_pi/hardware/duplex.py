"""The thread of a sound card: moves blocks both ways, and opens the card again when it fails.

It goes at the microphone's pace as soon as that has one: a block in, a block out. So the echo
canceller knows exactly what the loudspeaker was given when a block was heard. Where the two have
clocks of their own, the loudspeaker skips a block, or runs dry for one, every few minutes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..core.playout import SILENCE, Playout
from ..core.ports import BLOCK_SAMPLES, SAMPLE_RATE
from ..core.samples import amplify
from ..errors import HardwareError
from .echo import EchoCanceller
from .portaudio import Devices, Input, Output

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""Seconds between two attempts to open what is missing."""
SHORTEST_S = 0.6 * BLOCK_SAMPLES / SAMPLE_RATE
"""Seconds from one block to the next when several wait."""
BLOCK_S = BLOCK_SAMPLES / SAMPLE_RATE
CUSHION_BLOCKS = 3
"""Blocks of silence ahead of the first sound: a thread that is late by so much is not heard."""


class Half(msgspec.Struct, frozen=True):
    """How the microphone, or the loudspeaker, is set."""

    device: str = ""
    """Its index, or a part of its name; empty: PortAudio's default."""
    gain_db: float = 0.0
    mute: bool = False


class Halves(msgspec.Struct, frozen=True):
    """What of the card is used; None: not this half."""

    microphone: Half | None
    speaker: Half | None
    cancel_echo: bool = True


class Duplex:
    """The card as its thread sees it. `deliver` takes what the microphone hears, on this thread."""

    def __init__(
        self,
        halves: Halves,
        playout: Playout,
        deliver: Callable[[bytes], None],
        *,
        load: Callable[[], Any],
        cards: Path,
    ) -> None:
        self._halves = halves
        self._playout = playout
        self._deliver = deliver
        self._load = load
        self._cards = cards
        self._cards_then = b""
        self._devices: Devices | None = None
        self._input: Input | None = None
        self._output: Output | None = None
        self._canceller: EchoCanceller | None = None
        self._told: set[str] = set()
        self._next_at = 0.0

    def run(self, stopping: threading.Event) -> None:
        """Does all this until `stopping`. PortAudio stays in readiness: making it ready is slow."""
        if self._halves.cancel_echo and self._halves.microphone is not None:
            threading.Thread(target=self._prepare_canceller, name="echo", daemon=True).start()
        try:
            while not stopping.is_set():
                self._open()
                try:
                    self._move(stopping)
                except HardwareError as error:
                    self._warn(dict.fromkeys(self._used(), str(error)))
                    self._forget_devices()
                    self._play_to_nobody(stopping)
        finally:
            self._close()

    def _prepare_canceller(self) -> None:
        """It takes a moment, in which the chime is not to wait. Nobody is there to hear an echo."""
        self._canceller = EchoCanceller()

    def _open(self) -> None:
        """Opens what is missing."""
        try:
            if self._devices is None:
                self._cards_then = self._cards_now()
                self._devices = Devices(self._load())
            self._warn(self._open_halves(self._devices))
        except Exception as error:
            log.debug("where PortAudio failed", exc_info=True)
            self._warn(dict.fromkeys(self._used(), f"cannot be used ({error})"))

    def _open_halves(self, devices: Devices) -> dict[str, str]:
        faults = {}
        microphone, speaker = self._halves.microphone, self._halves.speaker
        if microphone is not None and self._input is None:
            try:
                self._input = devices.microphone(microphone.device)
            except HardwareError as error:
                faults["microphone"] = str(error)
        if speaker is not None and self._output is None:
            try:
                self._output = devices.speaker(speaker.device)
                for _ in range(CUSHION_BLOCKS):
                    self._output.write(SILENCE)
            except HardwareError as error:
                faults["speaker"] = str(error)
        return faults

    def _warn(self, faults: dict[str, str]) -> None:
        """Says in one line what is wrong, unless it was said."""
        if set(faults) - self._told:
            what = "; ".join(f"the {half} {fault}" for half, fault in faults.items())
            log.warning("%s; see that it is plugged in and free, or set `device`; retrying", what)
            self._told |= set(faults)

    def _tell_what_is_back(self) -> None:
        works = {"microphone": self._input, "speaker": self._output}
        back = {half for half in self._told if works[half] is not None}
        if back:
            log.info("the %s works again", " and the ".join(sorted(back)))
            self._told -= back

    def _move(self, stopping: threading.Event) -> None:
        """Moves blocks until `stopping`, or until it is time to look for a half that is missing.

        Raises:
            HardwareError: the card failed, or there is none.
        """
        if self._input is None and self._output is None:
            raise HardwareError("is missing")
        self._move_block(self._input, self._output)
        self._tell_what_is_back()
        look_at = time.monotonic() + RETRY_S if self._told else float("inf")
        while not stopping.is_set() and time.monotonic() < look_at:
            self._move_block(self._input, self._output)
        if self._cards_now() != self._cards_then:
            self._forget_devices()

    def _move_block(self, source: Input | None, sink: Output | None) -> None:
        # Sound servers deliver several blocks at once; taken at once, they would leave no time to
        # whoever supplies the voice, block by block.
        time.sleep(max(0.0, self._next_at - time.monotonic()))
        heard = None
        if source is not None and (source.started or sink is None):
            heard = source.read()
        elif sink is not None:
            sink.wait()
        self._next_at = time.monotonic() + SHORTEST_S
        played = self._next_block()
        if sink is not None:
            sink.write(played)
        if heard is not None:
            self._deliver(self._clean(heard, played))

    def _next_block(self) -> bytes:
        block = self._playout.next()
        speaker = self._halves.speaker
        if speaker is None or speaker.mute:
            return SILENCE
        return amplify(block, speaker.gain_db)

    def _clean(self, heard: bytes, played: bytes) -> bytes:
        microphone = self._halves.microphone
        if microphone is None or microphone.mute:
            return SILENCE
        if self._canceller is not None:
            heard = self._canceller.clean(heard, played)
        return amplify(heard, microphone.gain_db)

    def _play_to_nobody(self, stopping: threading.Event) -> None:
        """Waits RETRY_S. Sounds go on meanwhile, so that a card that returns plays no old ones."""
        until = time.monotonic() + RETRY_S
        while time.monotonic() < until and not stopping.wait(BLOCK_S):
            self._playout.next()

    def _used(self) -> list[str]:
        halves = {"microphone": self._halves.microphone, "speaker": self._halves.speaker}
        return [name for name, half in halves.items() if half is not None]

    def _cards_now(self) -> bytes:
        """ALSA's list of cards, cheaper to look at than PortAudio's."""
        try:
            return self._cards.read_bytes()
        except OSError:
            return b""

    def _forget_devices(self) -> None:
        """PortAudio's list is as old as PortAudio; a card that came since is not on it."""
        self._close()
        if self._devices is not None:
            self._devices.close()
            self._devices = None

    def _close(self) -> None:
        for stream in (self._input, self._output):
            if stream is not None:
                stream.close()
        self._input = self._output = None
