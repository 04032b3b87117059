"""Moves chunks between a sound card and the door both ways, and opens it again when it fails.

It goes at the microphone's pace as soon as that has one: a chunk in, a chunk out. So the echo
canceller knows exactly what the loudspeaker was given when a chunk was heard. Where the two have
clocks of their own, the loudspeaker skips a block, or runs dry for one, every few minutes.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.playout import Playout
from ..core.ports import CHUNK_BLOCKS, CHUNK_SAMPLES, SAMPLE_RATE
from ..core.samples import amplify
from ..errors import HardwareError
from .echo import EchoCanceller
from .portaudio import Devices, Input, Output
from .sound_messages import Halves

CARDS = Path("/proc/asound/cards")
RETRY_S = 1.0
"""Seconds between two attempts to open what is missing."""
RELIST_S = 60.0
"""Seconds, at most, between two new lists of devices while a half is missing. Sound servers have
devices that come and go without a word from ALSA; but the half that works is interrupted."""
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE
SHORTEST_S = 0.6 * CHUNK_S
"""Seconds from one chunk to the next when several wait."""
SILENCE = bytes(2 * CHUNK_SAMPLES)
STEADY_CHUNKS = 25
"""Chunks (0.5 s) after which a card works: some take a few before they fail."""


class Duplex:
    """The card, on the one thread that touches it.

    `deliver` gets what the microphone heard, each 20 ms; nothing while there is none. `report` gets
    what is wrong with which half whenever that is known, nothing when all works.
    """

    def __init__(
        self,
        halves: Halves,
        playout: Playout,
        deliver: Callable[[bytes], None],
        report: Callable[[dict[str, str]], None],
        *,
        load: Callable[[], Any],
    ) -> None:
        self._halves = halves
        self._playout = playout
        self._deliver = deliver
        self._report = report
        self._load = load
        self._cards_then = b""
        self._devices: Devices | None = None
        self._input: Input | None = None
        self._output: Output | None = None
        self._canceller: EchoCanceller | None = None
        self._preparing: threading.Thread | None = None
        self._faults: dict[str, str] = {}
        self._relist_at = 0.0
        self._relist_s = RETRY_S
        self._next_at = 0.0

    def make_ready(self) -> None:
        """Loads PortAudio, which is slow, ahead of the first sound."""
        with contextlib.suppress(Exception):  # `run` tries again, and reports it
            self._list_devices()

    def run(self, wanted: Callable[[], bool]) -> None:
        """Does all this while it is wanted. PortAudio stays in readiness."""
        self._canceller = None
        try:
            while wanted():
                self._open()
                self._prepare_canceller()
                try:
                    self._move(wanted)
                    self._relist()
                except HardwareError as error:
                    faults = dict.fromkeys(self._halves.used, str(error)) | self._faults
                    self._forget_devices()
                    self._report(faults)  # last: who waits for us may be less patient before it
                    self._play_to_nobody(wanted)
        finally:
            self._close()

    def _prepare_canceller(self) -> None:
        """It takes a moment, in which the chime is not to wait. Nobody is there to hear an echo."""

        def prepare() -> None:
            self._canceller = EchoCanceller()

        wanted = self._halves.cancel_echo and self._halves.microphone is not None
        if wanted and self._canceller is None:
            self._preparing = threading.Thread(target=prepare, name="echo", daemon=True)
            self._preparing.start()

    def _list_devices(self) -> Devices:
        """PortAudio's list of devices, made anew if a card came or went since."""
        if self._cards_now() != self._cards_then:
            self._forget_devices()
        if self._devices is None:
            self._cards_then = self._cards_now()
            self._devices = Devices(self._load())
        return self._devices

    def _relist(self) -> None:
        """Sees to a new list now and then, and less and less often, while a half is missing."""
        now = time.monotonic()
        if not self._faults:
            self._relist_s = RETRY_S
        elif now >= self._relist_at:
            self._forget_devices()
            self._relist_at = now + self._relist_s
            self._relist_s = min(2 * self._relist_s, RELIST_S)

    def _open(self) -> None:
        """Opens what is missing."""
        if self._preparing is not None:
            # It reads environment variables; what PortAudio loads sets some. At once, that crashes.
            self._preparing.join()
        try:
            self._faults = self._open_halves(self._list_devices())
        except Exception as error:
            self._faults = dict.fromkeys(self._halves.used, f"cannot be used ({error})")

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
            except HardwareError as error:
                faults["speaker"] = str(error)
        return faults

    def _move(self, wanted: Callable[[], bool]) -> None:
        """Moves chunks while wanted, or until it is time to look for a half that is missing.

        Raises:
            HardwareError: the card failed, or there is none.
        """
        if self._input is None and self._output is None:
            raise HardwareError("is missing")
        look_at = time.monotonic() + RETRY_S if self._faults else float("inf")
        steady = 0
        while steady < STEADY_CHUNKS or time.monotonic() < look_at:
            heard = self._hear(self._input, self._output)
            if not wanted():  # asked just now, so that the voice has come that is to be played now
                return
            self._answer(heard, self._output)
            if self._input is None or self._input.started:
                steady += 1
            if steady == STEADY_CHUNKS:
                self._report(self._faults)

    def _hear(self, source: Input | None, sink: Output | None) -> bytes | None:
        """Waits for the time of the next chunk; what the microphone heard until then, if it can."""
        heard = None
        if source is not None and (source.started or sink is None):
            if source.waiting:
                self._pause()
            heard = source.read() if sink is None else source.read(sink.flush)
        elif sink is not None:
            self._pause()
            sink.wait()
        self._next_at = time.monotonic() + SHORTEST_S
        return heard

    def _pause(self) -> None:
        """Sound servers deliver several chunks, or have room for them, at once.

        Moved at once, they would leave no time to whoever supplies the voice, chunk by chunk.
        """
        time.sleep(max(0.0, self._next_at - time.monotonic()))

    def _answer(self, heard: bytes | None, sink: Output | None) -> None:
        """Plays the next chunk, and delivers what was heard."""
        played = self._next_chunk()
        if sink is not None:
            sink.write(played)
        self._deliver(b"" if heard is None else self._clean(heard, played))

    def _next_chunk(self) -> bytes:
        chunk = b"".join(self._playout.next() for _ in range(CHUNK_BLOCKS))
        speaker = self._halves.speaker
        if speaker is None or speaker.mute:
            return SILENCE
        return amplify(chunk, speaker.gain_db)

    def _clean(self, heard: bytes, played: bytes) -> bytes:
        microphone = self._halves.microphone
        if microphone is None or microphone.mute:
            return SILENCE
        if self._canceller is not None:
            heard = self._canceller.clean(heard, played)
        return amplify(heard, microphone.gain_db)

    def _play_to_nobody(self, wanted: Callable[[], bool]) -> None:
        """Waits RETRY_S. Sounds go on meanwhile, so that a card that returns plays no old ones."""
        until = time.monotonic() + RETRY_S
        while time.monotonic() < until and wanted():
            time.sleep(CHUNK_S)
            self._next_chunk()
            self._deliver(b"")

    def _cards_now(self) -> bytes:
        """ALSA's list of cards, cheaper to look at than PortAudio's."""
        try:
            return CARDS.read_bytes()
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
