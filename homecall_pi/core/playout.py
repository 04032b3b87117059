"""What the loudspeaker plays next: the family's voice, and a sound of the door's own over it.

It is filled on the event loop's thread and emptied on the loudspeaker's, block by block. Neither
waits for the other: a block is appended or taken in one step of the interpreter, and a sound is
replaced as a whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from .ports import BLOCK_SAMPLES
from .samples import mix

BLOCK_BYTES = 2 * BLOCK_SAMPLES
SILENCE = bytes(BLOCK_BYTES)
MAX_BLOCKS_WAITING = 4800 // BLOCK_SAMPLES
"""A tenth of a second. What waits longer than that, nobody wants to hear."""


class _Sound:
    """A sound that was begun."""

    def __init__(self, once: bytes, then: bytes) -> None:
        self.ended = not (once or then)
        # Of no method: it would hold this object, and the two their samples until all is collected.
        self._blocks = _cut(once, then)

    def next(self) -> bytes | None:
        block = next(self._blocks, None)
        self.ended = block is None
        return block


class Playout:
    """The queue of one loudspeaker."""

    def __init__(self) -> None:
        self._voice: deque[bytes] = deque(maxlen=MAX_BLOCKS_WAITING)
        self._received = 0
        self._sound = _Sound(b"", b"")

    def play(self, sound: bytes) -> None:
        """Queues whole blocks of the voice; the oldest are dropped when too many wait."""
        self._voice.extend(_blocks(sound))
        self._received += len(sound) // BLOCK_BYTES

    def sound(self, once: bytes, then: bytes = b"") -> None:
        """Plays `once`, and `then` over and over, instead of the sound before; empty: nothing."""
        self._sound = _Sound(once, then)

    def clear(self) -> None:
        """Drops what waits of the voice."""
        self._voice.clear()

    @property
    def waiting(self) -> int:
        """Blocks of the voice that are queued."""
        return len(self._voice)

    @property
    def done(self) -> int:
        """Blocks of the voice that were played or dropped, in all."""
        return self._received - len(self._voice)

    @property
    def sounding(self) -> bool:
        """Whether there is more of the sound to come."""
        return not self._sound.ended

    def next(self) -> bytes:
        """The block to play now, silence if there is nothing. The loudspeaker's thread."""
        sound = None if self._sound.ended else self._sound.next()
        try:
            voice = self._voice.popleft()
        except IndexError:
            return SILENCE if sound is None else sound
        return voice if sound is None else mix(voice, sound)


def _cut(once: bytes, then: bytes) -> Iterator[bytes]:
    yield from _blocks(once)
    while then:
        yield from _blocks(then)


def _blocks(samples: bytes) -> Iterator[bytes]:
    for start in range(0, len(samples), BLOCK_BYTES):
        yield samples[start : start + BLOCK_BYTES].ljust(BLOCK_BYTES, b"\0")
