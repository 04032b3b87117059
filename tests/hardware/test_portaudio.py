"""Streams of PyAudio, beyond what the whole card's tests show."""

from __future__ import annotations

from homecall_pi.core.ports import CHUNK_SAMPLES
from homecall_pi.hardware.portaudio import MAX_CHUNKS_HEARD, Input


class Stream:
    """A card that kept all it heard while nobody asked."""

    def __init__(self, chunks: int) -> None:
        numbers = range(chunks)
        self._sound = b"".join(n.to_bytes(2, "big") * CHUNK_SAMPLES for n in numbers)

    def get_read_available(self) -> int:
        return len(self._sound) // 2

    def read(self, frames: int, *, exception_on_overflow: bool) -> bytes:
        sound, self._sound = self._sound[: 2 * frames], self._sound[2 * frames :]
        return sound


def test_of_what_was_heard_long_ago_the_newest_is_kept():
    microphone = Input(Stream(3 * MAX_CHUNKS_HEARD))
    heard = [microphone.read() for _ in range(MAX_CHUNKS_HEARD)]
    numbers = [int.from_bytes(chunk[:2], "big") for chunk in heard]
    assert numbers == list(range(2 * MAX_CHUNKS_HEARD, 3 * MAX_CHUNKS_HEARD))


def test_what_came_at_once_waits_to_be_read():
    microphone = Input(Stream(3))
    assert microphone.waiting == 0
    microphone.read()
    assert microphone.waiting == 2
