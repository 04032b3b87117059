"""The bench's ears, on sounds that are known."""

from __future__ import annotations

import numpy as np
import pytest

from homecall_pi.hardware import clip
from tests.bench import listening
from tests.bench.listening import CHIRPS, RATE, Recording, Samples, to_bytes

BLOCK = 960
LATE_S = 0.123


def recorded(samples: Samples, *, late_s: float = 0.0, jitter_s: float = 0.0) -> Recording:
    """In chunks that come up to `jitter_s` later than they could."""
    luck = np.random.default_rng(1)
    content = to_bytes(samples)
    chunks = [content[start : start + BLOCK] for start in range(0, len(content), BLOCK)]
    ends = np.cumsum([len(chunk) // 2 for chunk in chunks]) / RATE + late_s
    return Recording(zip(ends + jitter_s * luck.random(len(chunks)), chunks, strict=True))


@pytest.fixture(scope="module")
def speech() -> Samples:
    samples = np.frombuffer(clip.samples(clip.MEDIA / "speech.ogg"), np.int16)[: 10 * RATE]
    return np.asarray(samples / 32768)


def with_holes(samples: Samples, seconds: float) -> Samples:
    holed = samples.copy()
    for start in range(0, len(holed), RATE // 2):
        holed[start : start + int(seconds * RATE)] = 0
    return holed


def test_chirps_are_found_when_they_were():
    said = np.tile(np.pad(CHIRPS["family"], (0, RATE)), 5)
    noise = 0.01 * np.random.default_rng(2).standard_normal(len(said))
    mouth = recorded(said, jitter_s=0.01).chirps(CHIRPS["family"])
    ear = recorded(0.1 * said + noise, late_s=LATE_S, jitter_s=0.01).chirps(CHIRPS["family"])
    assert listening.delays(mouth, ear) == pytest.approx([LATE_S] * 5, abs=0.002)
    assert recorded(said).chirps(CHIRPS["visitor"]) == []


def test_a_chirp_that_is_not_heard_is_left_out():
    assert listening.delays([1.0, 2.0, 3.0], [1.1, 3.1]) == pytest.approx([0.1, 0.1])


def test_speech_that_comes_late_and_softer_is_whole(speech: Samples):
    heard = recorded(0.5 * speech, late_s=LATE_S, jitter_s=0.01)
    assert listening.whole_share(recorded(speech), heard) == 1
    assert listening.lateness(recorded(speech), heard) == pytest.approx(LATE_S, abs=0.02)


@pytest.mark.parametrize(("hole_s", "least", "most"), [(0.04, 1, 1), (0.07, 0.8, 0.95)])
def test_only_gaps_of_more_than_40_ms_count(
    hole_s: float, least: float, most: float, speech: Samples
):
    heard = recorded(with_holes(speech, hole_s), late_s=LATE_S)
    assert least <= listening.whole_share(recorded(speech), heard) <= most
