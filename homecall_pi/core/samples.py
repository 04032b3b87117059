"""Arithmetic on sound: signed 16-bit samples, the loud ones clipped. It needs no numpy."""

from __future__ import annotations

from array import array

LOUDEST = 32767


def mix(one: bytes, other: bytes) -> bytes:
    """Both at once; they are of the same length."""
    both = zip(memoryview(one).cast("h"), memoryview(other).cast("h"), strict=True)
    return array("h", [_clip(a + b) for a, b in both]).tobytes()


def amplify(block: bytes, gain_db: float) -> bytes:
    """The block, louder or, with a negative gain, softer."""
    if gain_db == 0:
        return block
    factor = 10 ** (gain_db / 20)
    samples = memoryview(block).cast("h")
    return array("h", [_clip(int(sample * factor)) for sample in samples]).tobytes()


def blend(first: bytes, second: bytes) -> bytes:
    """One piece of sound that begins as the first and ends as the second, with no click between.

    Of different length, they are joined instead.
    """
    if len(first) != len(second):
        return first + second
    one, other = array("h", first), array("h", second)
    size = len(one)
    pairs = enumerate(zip(one, other, strict=True))
    return array("h", ((a * (size - i) + b * i) // size for i, (a, b) in pairs)).tobytes()


def _clip(sample: int) -> int:
    return -LOUDEST if sample < -LOUDEST else min(sample, LOUDEST)
