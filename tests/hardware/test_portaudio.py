"""Streams of PyAudio, beyond what the whole card's tests show."""

from __future__ import annotations

from homecall_pi.core.ports import BLOCK_SAMPLES
from homecall_pi.hardware.portaudio import MAX_BLOCKS_HEARD, Input


class Stream:
    """A card that kept all it heard while nobody asked."""

    def __init__(self, blocks: int) -> None:
        numbers = range(blocks)
        self._sound = b"".join(n.to_bytes(2, "big") * BLOCK_SAMPLES for n in numbers)

    def get_read_available(self) -> int:
        return len(self._sound) // 2

    def read(self, frames: int, *, exception_on_overflow: bool) -> bytes:
        sound, self._sound = self._sound[: 2 * frames], self._sound[2 * frames :]
        return sound


def test_of_what_was_heard_long_ago_the_newest_is_kept():
    microphone = Input(Stream(3 * MAX_BLOCKS_HEARD))
    heard = [microphone.read() for _ in range(MAX_BLOCKS_HEARD)]
    numbers = [int.from_bytes(block[:2], "big") for block in heard]
    assert numbers == list(range(2 * MAX_BLOCKS_HEARD, 3 * MAX_BLOCKS_HEARD))
