"""PyAudio's calls: finding a device by its name, and streams that never wait without end.

Two streams, one each way, take 0.2 s of processor time per 10 s over PulseAudio. It is not asked
for less delay (PULSE_LATENCY_MSEC): at 40 ms, what the microphone hears came in bursts of that, the
loudspeaker needed as much in store, and both took half again. One stream for both ways, and
callbacks out of PortAudio's own thread, were tried there: the first stood still, the second
underflowed and took a whole core.
"""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ..core.ports import BLOCK_SAMPLES, CHUNK_SAMPLES, SAMPLE_RATE
from ..core.samples import blend
from ..errors import HardwareError

POLL_S = 0.005
"""Seconds between two looks whether a chunk is there. Waiting inside PortAudio could not be ended,
and some cards that are unplugged, or wedged, deliver nothing for ever without an error."""
START_S = 2.5
"""Seconds that a card may take to its first sample; a sound server that slept takes two."""
STALL_S = 1.0
"""Seconds without a sample after which a card has failed."""
MAX_WAITING = 4 * BLOCK_SAMPLES
"""Samples (40 ms) that may wait for room in the card."""
CUSHION = 4 * BLOCK_SAMPLES
"""Samples in store at the start, and after the card ran dry. Half of it is that chunk itself: a
thread that is late by the other half, or sound that comes in bursts, is not heard."""
SETTLED_CHUNKS = 50
"""Chunks (1 s) over which the least in store is what can be given back."""
ALMOST_DRY = 120
"""Samples (2.5 ms) in store, below which nothing can come in time."""
MAX_CHUNKS_HEARD = 25
"""Chunks of the microphone (0.5 s) that may wait for us. Nobody wants to hear older ones."""


def load() -> Any:
    """The module `pyaudio`, which takes a moment."""
    _silence_alsa()
    import pyaudio

    return pyaudio


class Devices:
    """PortAudio's list of devices, made once and for all.

    A card that comes later is not on it, and while one such list is open, a new one is the same.
    """

    def __init__(self, pyaudio: Any) -> None:
        self._format = pyaudio.paInt16
        self._library = pyaudio.PyAudio()

    def close(self) -> None:
        """Closes the list, and all streams with it."""
        self._library.terminate()

    def microphone(self, device: str) -> Input:
        """Opens a microphone.

        Raises:
            HardwareError: it is not there or cannot be opened.
        """
        return Input(self._open("input", device))

    def speaker(self, device: str) -> Output:
        """Opens a loudspeaker.

        Raises:
            HardwareError: it is not there or cannot be opened.
        """
        return Output(self._open("output", device))

    def _open(self, way: str, device: str) -> Any:
        try:
            return self._library.open(
                rate=SAMPLE_RATE,
                channels=1,
                format=self._format,
                # Of two or three of these, PortAudio makes the card's own buffer.
                frames_per_buffer=CHUNK_SAMPLES,
                **{way: True, f"{way}_device_index": self._find(way, device)},
            )
        except (OSError, ValueError) as error:
            raise HardwareError(f"cannot be opened ({error})") from None

    def _find(self, way: str, device: str) -> int | None:
        """The device's index; None is PortAudio's default."""
        if not device:
            return None
        names = self._names(way)
        if device.isdecimal() and int(device) in names:
            return int(device)
        for index, name in names.items():
            if device.casefold() in name.casefold():
                return index
        there = ", ".join(f"{index} {name!r}" for index, name in names.items()) or "none"
        raise HardwareError(f"is not there as {device!r} (there are: {there})")

    def _names(self, way: str) -> dict[int, str]:
        count = self._library.get_device_count()
        infos = [self._library.get_device_info_by_index(index) for index in range(count)]
        channels = f"max{way.capitalize()}Channels"
        return {index: info["name"] for index, info in enumerate(infos) if info[channels] > 0}


class Input:
    """An open microphone."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._started = False
        self._patience = time.monotonic() + START_S
        self._chunks: deque[bytes] = deque(maxlen=MAX_CHUNKS_HEARD)
        self._next_at = 0.0
        """Before then, there cannot be another chunk."""

    @property
    def started(self) -> bool:
        """Whether it delivers already.

        Raises:
            HardwareError: the card is gone or delivers nothing.
        """
        if not self._started:
            self._started = _ask(self._stream.get_read_available) >= CHUNK_SAMPLES
            if not self._started and time.monotonic() > self._patience:
                raise HardwareError("does not work")
        return self._started

    @property
    def waiting(self) -> int:
        """Chunks that can be read without waiting for them."""
        return len(self._chunks)

    def read(self, meanwhile: Callable[[], bool] = lambda: False) -> bytes:
        """The next chunk, waiting for it.

        As long as `meanwhile` says so, it is called every POLL_S.

        Raises:
            HardwareError: the card is gone or delivers nothing.
        """
        if not self._chunks:
            self._fetch(meanwhile)
        return self._chunks.popleft()

    def _fetch(self, meanwhile: Callable[[], bool]) -> None:
        """All the chunks that are there: asking for each costs more than it does."""
        while (left_s := self._next_at - time.monotonic()) > 0:
            time.sleep(min(left_s, POLL_S) if meanwhile() else left_s)
        patience = time.monotonic() + STALL_S
        frames = _wait_for_a_chunk(self._stream.get_read_available, patience, meanwhile)
        count, rest = divmod(frames, CHUNK_SAMPLES)
        try:
            sound = self._stream.read(count * CHUNK_SAMPLES, exception_on_overflow=False)
        except OSError as error:
            raise HardwareError(f"is gone ({error})") from None
        size = len(sound) // count
        self._chunks += (sound[index * size :][:size] for index in range(count))
        self._next_at = time.monotonic() + (CHUNK_SAMPLES - rest) / SAMPLE_RATE

    def close(self) -> None:
        """Closes it, whatever has become of the card."""
        _close(self._stream)


class Output:
    """An open loudspeaker.

    Sound for which the card has no room waits. Were it dropped, a thread that was late, and then
    has several chunks at once, would leave the card with less in store than before. The card's own
    buffer may be shorter than the time between two bursts of chunks: `flush` it meanwhile.

    When it runs dry, silence goes ahead of the next chunk, so that there is something in store
    again. Else it would be dry after each. What is in store is delay, however: of more than the
    card has been found to need, a block a second is blended away.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._size = 0
        self._waiting = bytearray()
        self._patience = time.monotonic() + START_S
        self._needed = CUSHION - BLOCK_SAMPLES
        """Samples in store with which it does not run dry; the start is the first time it was."""
        self._stores: list[int] = []
        """Samples that were in store when a chunk came, of up to SETTLED_CHUNKS."""

    def wait(self) -> None:
        """Returns when there is room for a chunk: the pace, where no microphone gives one.

        Raises:
            HardwareError: the card is gone or takes nothing.
        """
        _wait_for_a_chunk(self._stream.get_write_available, self._patience)
        self._stores.clear()  # at this pace, the card's buffer is always full

    def write(self, sound: bytes) -> None:
        """Hands over a chunk; of too many that wait for room, the oldest are dropped.

        Raises:
            HardwareError: the card is gone or takes nothing.
        """
        room = self._room()
        self._stores.append(self._size - room + len(self._waiting) // 2)
        self._waiting += self._shortened(sound)
        del self._waiting[: -2 * MAX_WAITING]
        self._supply(room)

    def flush(self) -> bool:
        """Hands over what waits, as far as there is room now; whether there is haste with the rest.

        There is none with a chunk: the card has no room for it before the next one comes.

        Raises:
            HardwareError: the card is gone or takes nothing.
        """
        if self._waiting:
            self._supply(self._room())
        return len(self._waiting) > 2 * CHUNK_SAMPLES

    def _room(self) -> int:
        """Samples that the card takes now."""
        room = _ask(self._stream.get_write_available)
        now = time.monotonic()
        if room >= BLOCK_SAMPLES:
            self._patience = max(self._patience, now + STALL_S)
        elif now > self._patience:
            raise HardwareError("does not work")
        self._size = max(self._size, room)
        return room

    def _shortened(self, chunk: bytes) -> bytes:
        """The chunk, a block shorter if there has been too much in store for a while."""
        if len(self._stores) < SETTLED_CHUNKS:
            return chunk
        excess = min(self._stores) - self._needed
        self._stores.clear()
        return blend(chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]) if excess > 0 else chunk

    def _supply(self, room: int) -> None:
        if room > self._size - ALMOST_DRY:
            self._needed += BLOCK_SAMPLES
            self._stores.clear()
            self._waiting[:0] = bytes(max(0, 2 * CUSHION - len(self._waiting)))
        self._hand_over(min(room, len(self._waiting) // 2) // BLOCK_SAMPLES * BLOCK_SAMPLES)

    def _hand_over(self, frames: int) -> None:
        if frames == 0:
            return
        sound = bytes(self._waiting[: 2 * frames])
        del self._waiting[: 2 * frames]
        try:
            # Told of an underflow by an exception, PyAudio would close the stream.
            self._stream.write(sound, exception_on_underflow=False)
        except OSError as error:
            raise HardwareError(f"is gone ({error})") from None

    def close(self) -> None:
        """Closes it, whatever has become of the card."""
        _close(self._stream)


def _ask(available: Callable[[], int]) -> int:
    """Frames that are available. PyAudio hands PortAudio's errors over as negative numbers.

    Raises:
        HardwareError: the card is gone.
    """
    try:
        frames = available()
    except OSError as error:
        raise HardwareError(f"is gone ({error})") from None
    if frames < 0:
        raise HardwareError(f"is gone (PortAudio's error {frames})")
    return frames


def _wait_for_a_chunk(
    available: Callable[[], int], patience: float, meanwhile: Callable[[], object] = lambda: None
) -> int:
    """Waits until a chunk is available, or the time `patience`; the frames that are.

    Raises:
        HardwareError: none comes, or the card is gone.
    """
    while (frames := _ask(available)) < CHUNK_SAMPLES:
        if time.monotonic() > patience:
            raise HardwareError("does not work")
        meanwhile()
        time.sleep(POLL_S)
    return frames


def _close(stream: Any) -> None:
    with contextlib.suppress(OSError):
        stream.close()


_Handler = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p
)


_ignore = _Handler(lambda *_: None)
"""Lives as long as ALSA may call it."""


def _silence_alsa() -> None:
    """ALSA writes a screenful about cards that are not there; we say in one line what matters."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_ignore)
