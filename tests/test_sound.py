"""Telling what is said from what is not, in recordings."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
import pytest

from homecall_pi.hardware import clip

from . import sound

STRETCH = slice(5 * sound.RATE, 11 * sound.RATE)


@pytest.fixture(scope="module")
def said() -> array[int]:
    return sound.decode(clip.MEDIA / "speech.ogg")


def parts(samples: array[int], seconds: float) -> Iterator[array[int]]:
    size = int(seconds * sound.RATE)
    return (samples[start : start + size] for start in range(0, len(samples) - size, size))


def joined(pieces: list[array[int]]) -> array[int]:
    return array("h", b"".join(piece.tobytes() for piece in pieces))


def test_a_stretch_of_speech_is_found_wherever_it_is(said: array[int]):
    assert sound.similarity(said[STRETCH], said) > 0.98
    round_the_end = said[-3 * sound.RATE :] + said[: 3 * sound.RATE]
    assert sound.similarity(round_the_end, said) > 0.95


def test_speech_that_a_browser_played_faster_is_the_same(said: array[int]):
    faster = [part[: len(part) * 85 // 100] for part in parts(said[STRETCH], 0.08)]
    assert sound.similarity(joined(faster), said) > sound.SAME_SPEECH


def test_speech_with_holes_is_the_same(said: array[int]):
    holes = [
        array("h", bytes(2 * len(part))) if index % 8 == 0 else part
        for index, part in enumerate(parts(said[STRETCH], 0.06))
    ]
    assert sound.similarity(joined(holes), said) > sound.SAME_SPEECH


def test_other_speech_is_not(said: array[int]):
    heard = said[STRETCH]
    assert sound.similarity(heard, said[::-1]) < sound.SAME_SPEECH - 0.15
    words = list(parts(said, 0.4))
    order = np.random.default_rng(1).permutation(len(words))
    shuffled = joined([words[index] for index in order])
    assert sound.similarity(heard, shuffled) < sound.SAME_SPEECH - 0.15


def test_silence_and_a_tone_are_not(said: array[int]):
    tone = array("h", (8000 if index % 100 < 50 else -8000 for index in range(3 * sound.RATE)))
    assert sound.similarity(tone, said) < 0.3
    assert sound.similarity(array("h", bytes(6 * sound.RATE)), said) < 0.3
