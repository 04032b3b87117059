"""Listening to recordings: loudness, tones, and whether two of them say the same."""

from __future__ import annotations

import io
import math
import wave
from array import array
from itertools import pairwise
from pathlib import Path

import av

RATE = 48_000
FRAME_S = 0.02


def decode(recording: bytes | Path) -> array[int]:
    """The samples of any recording: mono, 16 bit, RATE."""
    source = io.BytesIO(recording) if isinstance(recording, bytes) else str(recording)
    resampler = av.AudioResampler("s16", "mono", RATE)
    samples = array("h")
    with av.open(source) as container:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                samples.frombytes(bytes(part.planes[0])[: 2 * part.samples])
    return samples


def envelope(samples: array[int]) -> list[float]:
    """Root mean square of each 20 ms."""
    size = int(RATE * FRAME_S)
    return [
        math.sqrt(sum(sample * sample for sample in samples[start : start + size : 4]) * 4 / size)
        for start in range(0, len(samples) - size + 1, size)
    ]


def dbfs(samples: array[int]) -> float:
    """Root mean square in dB below full scale."""
    power = sum(sample * sample for sample in samples) / max(1, len(samples))
    return 10 * math.log10(max(power, 1e-9) / 32768**2)


def similarity(heard: array[int], said: array[int]) -> float:
    """Best correlation of the loudness of `heard` with any stretch of `said`, played round."""
    part, whole = envelope(heard), envelope(said)
    whole = whole + whole[: len(part)]
    return max(
        correlation(part, whole[lag : lag + len(part)]) for lag in range(len(whole) - len(part) + 1)
    )


def correlation(one: list[float], other: list[float]) -> float:
    """Pearson's correlation."""
    mean, other_mean = sum(one) / len(one), sum(other) / len(other)
    one, other = [x - mean for x in one], [y - other_mean for y in other]
    norm = math.sqrt(sum(x * x for x in one) * sum(y * y for y in other))
    return sum(x * y for x, y in zip(one, other, strict=True)) / norm if norm else 0.0


def loudest_pitch(samples: array[int]) -> float:
    """Frequency (Hz) of the loudest stretch, by its zero crossings."""
    size = int(RATE * 0.1)
    loudest = max(
        (samples[start : start + size] for start in range(0, len(samples) - size, size)), key=dbfs
    )
    found = pitch(loudest)
    assert found, "nothing to be heard"
    return found


def pitch(samples: array[int]) -> float:
    """Frequency (Hz) by zero crossings, 0 if there is none."""
    rising = [index for index, (a, b) in enumerate(pairwise(samples)) if a < 0 <= b]
    if len(rising) < 3:
        return 0.0
    return RATE * (len(rising) - 1) / (rising[-1] - rising[0])


def write_beeps(path: Path, pitch_hz: float, seconds: float = 10.0, beep_s: float = 0.2) -> None:
    """A WAV of beeps, with pauses as long: unlike a steady tone, no noise suppressor eats it."""
    samples = array("h")
    for index in range(int(RATE * seconds)):
        on = (index // int(RATE * beep_s)) % 2 == 0
        samples.append(int(12000 * math.sin(2 * math.pi * pitch_hz * index / RATE)) if on else 0)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        file.writeframes(samples.tobytes())
