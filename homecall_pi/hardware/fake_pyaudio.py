"""PyAudio without hardware, as far as we call it, with the faults that real cards have.

A `Machine` stands for the module `pyaudio`. It behaves as PortAudio over ALSA does where that
matters: blocks come and go in real time; the list of devices is made with the first `PyAudio()` and
stays the same, whatever is plugged in, until the last one is terminated; the streams of a card that
is unplugged fail, where available frames are asked for by a negative number; a card that is silent
delivers nothing, and one that hangs does not even answer.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

_UNANTICIPATED_HOST_ERROR = -9999
_INVALID_DEVICE = -9996
_DEVICE_UNAVAILABLE = -9985
_STREAM_CLOSED = -9988
_KEPT_BLOCKS = 1000
_BLOCK_BYTES = 960


class Card:
    """A card with one microphone and one loudspeaker, or with one of the two."""

    def __init__(self, name: str, *, inputs: int = 1, outputs: int = 1) -> None:
        self.name = name
        self.info = {"name": name, "maxInputChannels": inputs, "maxOutputChannels": outputs}
        self.plugged = True
        self.busy = False
        self.silent = False
        self.answers = threading.Event()
        """Cleared, whatever is called never returns, until the end of the test."""
        self.answers.set()
        self.said: deque[bytes] = deque()
        """Blocks that the microphone will hear, before silence. They are read whole."""
        self.played: deque[bytes] = deque(maxlen=_KEPT_BLOCKS)
        """Blocks that the loudspeaker got in the last ten seconds that it was on."""
        self.opened = 0
        """Streams that were opened, in all."""


class Machine:
    """The module, and what is plugged in. All methods in small letters are for tests."""

    paInt16 = 8  # noqa: N815 - its name in the module

    def __init__(self, *cards: Card) -> None:
        self.cards = list(cards)
        self.instances = 0
        self.listed: list[Card] = []
        self.threads: set[int] = set()
        """Threads that called PortAudio."""

    def PyAudio(self) -> _PyAudio:  # noqa: N802 - its name in the module
        """A user of the list of devices."""
        return _PyAudio(self)

    def unplug(self, card: Card) -> None:
        """Takes the card off."""
        card.plugged = False
        self.cards.remove(card)

    def plug(self, card: Card) -> None:
        """Puts the card back."""
        card.plugged = True
        self.cards.append(card)


class _PyAudio:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._streams: set[_Stream] = set()
        if machine.instances == 0:
            machine.listed = list(machine.cards)
        machine.instances += 1

    def terminate(self) -> None:
        for stream in tuple(self._streams):
            stream.close()
        self._machine.instances -= 1

    def get_device_count(self) -> int:
        return len(self._machine.listed)

    def get_device_info_by_index(self, index: int) -> dict[str, Any]:
        return {"index": index, **self._machine.listed[index].info}

    def open(
        self,
        *,
        rate: int,
        channels: int,
        format: int,  # noqa: A002 - PyAudio's name for it
        frames_per_buffer: int,
        input: bool = False,  # noqa: A002 - likewise
        output: bool = False,
        input_device_index: int | None = None,
        output_device_index: int | None = None,
    ) -> _Stream:
        self._machine.threads.add(threading.get_ident())
        way = "Input" if input else "Output"
        index = input_device_index if input else output_device_index
        card = self._card(way, index)
        if not card.plugged or card.busy:
            raise OSError(_DEVICE_UNAVAILABLE, "Device unavailable")
        card.opened += 1
        stream = _Stream(card, rate, self._streams)
        self._streams.add(stream)
        return stream

    def _card(self, way: str, index: int | None) -> Card:
        able = [card for card in self._machine.listed if card.info[f"max{way}Channels"]]
        if index is None and not able:
            text = f"Invalid {way.lower()} device (no default {way.lower()} device)"
            raise OSError(_INVALID_DEVICE, text)
        return able[0] if index is None else self._machine.listed[index]


class _Stream:
    """Both ways: what was read or written is counted against the time that has passed."""

    _BUFFER_S = 0.05

    def __init__(self, card: Card, rate: int, siblings: set[_Stream]) -> None:
        self._card = card
        self._rate = rate
        self._siblings = siblings
        self._began = time.monotonic()
        self._done = 0
        self._open = True

    def _elapsed(self) -> int:
        self._card.answers.wait()
        if not self._open:
            raise OSError(_STREAM_CLOSED, "Stream closed")
        return int((time.monotonic() - self._began) * self._rate)

    def get_read_available(self) -> int:
        elapsed = self._elapsed()
        if not self._card.plugged:
            return _UNANTICIPATED_HOST_ERROR
        # What is not fetched in time is lost.
        self._done = max(self._done, elapsed - int(self._BUFFER_S * self._rate))
        return 0 if self._card.silent else elapsed - self._done

    def read(self, num_frames: int, *, exception_on_overflow: bool) -> bytes:
        while self._check(self.get_read_available()) < num_frames:
            time.sleep(0.001)
        self._done += num_frames
        sound = b""
        while len(sound) < 2 * num_frames and self._card.said:
            sound += self._card.said.popleft()
        return sound.ljust(2 * num_frames, b"\0")

    def get_write_available(self) -> int:
        elapsed = self._elapsed()
        if not self._card.plugged:
            return _UNANTICIPATED_HOST_ERROR
        self._done = max(self._done, elapsed)  # it ran dry
        waiting = self._done - elapsed
        return 0 if self._card.silent else int(self._BUFFER_S * self._rate) - waiting

    def write(self, frames: bytes, *, exception_on_underflow: bool) -> None:
        while self._check(self.get_write_available()) < len(frames) // 2:
            time.sleep(0.001)
        self._done += len(frames) // 2
        for start in range(0, len(frames), _BLOCK_BYTES):
            self._card.played.append(frames[start : start + _BLOCK_BYTES])

    def _check(self, frames: int) -> int:
        if frames < 0:
            raise OSError(frames, "Unanticipated host error")
        return frames

    def close(self) -> None:
        self._card.answers.wait()
        self._open = False
        self._siblings.discard(self)
