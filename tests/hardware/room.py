"""A porch without hardware: far-end speech out of the loudspeaker, its echo, and what is left.

Everything is computed sample by sample. In real time, the machine that measures would spoil the
figures.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from homecall_pi.core.ports import BLOCK_SAMPLES, SAMPLE_RATE
from homecall_pi.hardware import clip
from homecall_pi.hardware.echo import EchoCanceller

Samples = npt.NDArray[np.int16]

SPEECH_S = 16.3
"""The shipped recording, once round."""
LEARNING_S = 5.0
"""Seconds that the canceller may take to learn the room."""
ENVELOPE_S = 0.02


def speech(seconds: float) -> Samples:
    """The shipped recording, round and round."""
    count = int(seconds * SAMPLE_RATE) // BLOCK_SAMPLES
    blocks = itertools.islice(clip.blocks(clip.MEDIA / "speech.ogg"), count)
    return np.frombuffer(b"".join(blocks), np.int16)


def echo(played: Samples, *, delay_s: float, gain_db: float, drift_ppm: float = 0.0) -> Samples:
    """What comes back into a microphone whose clock differs by `drift_ppm`."""
    delay = round(delay_s * SAMPLE_RATE)
    late = np.pad(played[: len(played) - delay].astype(np.float64), (delay, 0))
    if drift_ppm:
        late = _at(late, np.arange(len(late)) * (1 + drift_ppm * 1e-6))
    return np.rint(10 ** (gain_db / 20) * late).astype(np.int16)


def _at(
    samples: npt.NDArray[np.float64], position: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The signal between its samples, by a windowed sinc; silence around it."""
    reach = 8
    padded = np.pad(samples, reach)
    whole = np.floor(position).astype(np.int64)
    value = np.zeros(len(position))
    for tap in range(1 - reach, reach + 1):
        index = np.clip(whole + tap + reach, 0, len(padded) - 1)
        distance = position - whole - tap
        window = 0.5 + 0.5 * np.cos(np.pi * np.clip(distance / reach, -1, 1))
        value += padded[index] * np.sinc(distance) * window
    return value


def clean(heard: Samples, played: Samples) -> Samples:
    """What a new canceller makes of it, block by block."""
    canceller = EchoCanceller()
    blocks = [
        canceller.clean(
            heard[start : start + BLOCK_SAMPLES].tobytes(),
            played[start : start + BLOCK_SAMPLES].tobytes(),
        )
        for start in range(0, len(heard) - BLOCK_SAMPLES + 1, BLOCK_SAMPLES)
    ]
    return np.frombuffer(b"".join(blocks), np.int16)


def reduction_db(before: Samples, after: Samples) -> float:
    """How much quieter it is once the room is learned."""
    learned = slice(int(LEARNING_S * SAMPLE_RATE), min(len(before), len(after)))
    return float(_power_db(before[learned]) - _power_db(after[learned]))


def _power_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-9))


def likeness(before: Samples, after: Samples) -> float:
    """Correlation of the two envelopes; the canceller delays by up to two frames of theirs."""
    one, other = _envelope(before), _envelope(after)
    length = min(len(one), len(other)) - 2
    return float(
        max(np.corrcoef(one[:length], other[lag : lag + length])[0, 1] for lag in range(3))
    )


def _envelope(samples: Samples) -> npt.NDArray[np.float64]:
    size = int(ENVELOPE_S * SAMPLE_RATE)
    frames = samples[: len(samples) // size * size].astype(np.float64).reshape(-1, size)
    return np.asarray(np.sqrt(np.mean(frames**2, axis=1)))
