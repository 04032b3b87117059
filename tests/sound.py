"""Listening to recordings: loudness, tones, and whether two of them say the same."""

from __future__ import annotations

import io
import math
import statistics
import wave
from array import array
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt

RATE = 48_000
FRAME_S = 0.02
BANDS = 16
SPEECH_HZ = (150.0, 6000.0)
FLOOR = 1e-7
"""Power, relative to the loudest, below which there is silence."""
PIECE = 15
"""Frames (0.3 s) in which browsers stretch sound too little to matter."""
DRIFT = 3
"""Frames (60 ms) that a browser stretches or shrinks a piece by at most."""
SAME_SPEECH = 0.65
"""Similarity: 0.78 to 0.99 in 16 calls, most of them on a busy machine; other speech up to 0.49."""

Matrix: TypeAlias = npt.NDArray[np.float64]


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


def dbfs(samples: array[int]) -> float:
    """Root mean square in dB below full scale."""
    power = sum(sample * sample for sample in samples) / max(1, len(samples))
    return 10 * math.log10(max(power, 1e-9) / 32768**2)


def similarity(heard: array[int], said: array[int]) -> float:
    """How much `heard` is a stretch of `said`, played round: 1 if it is, below 0.5 if it is not.

    Pieces of it are looked for in their order. From one to the next, time may stretch or shrink:
    browsers play sound slower and faster when it comes unevenly.
    """
    part, whole = _spectrogram(heard), _spectrogram(said)
    whole = np.concatenate([whole, whole[: len(part) + PIECE]])
    starts = range(0, len(part) - PIECE + 1, PIECE)
    likeness = [_likeness(part[start : start + PIECE], whole[start:]) for start in starts]
    count = min(len(each) for each in likeness)
    best = np.zeros(count)
    for each in likeness:
        best = np.max([np.roll(best, lag) for lag in range(-DRIFT, DRIFT + 1)], axis=0)
        best += each[:count]
    return float(best.max() / len(likeness))


def _likeness(piece: Matrix, whole: Matrix) -> Matrix:
    """Pearson's correlation of the piece with each stretch of the whole."""
    windows = np.lib.stride_tricks.sliding_window_view(whole, len(piece), axis=0)
    flat = windows.transpose(0, 2, 1).reshape(len(windows), -1)
    one = _normal(piece.reshape(1, -1))
    return np.asarray(_normal(flat) @ one[0])


def _normal(rows: Matrix) -> Matrix:
    centred = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(centred / (np.linalg.norm(centred, axis=1, keepdims=True) + 1e-9))


def _spectrogram(samples: array[int]) -> Matrix:
    """Loudness in dB of each 20 ms in each of BANDS bands, as the ear divides them."""
    size = int(RATE * FRAME_S)
    frames = np.lib.stride_tricks.sliding_window_view(np.array(samples, float), 2 * size)[::size]
    power = np.abs(np.fft.rfft(frames * np.hanning(2 * size))) ** 2
    mel = np.linspace(*(2595 * np.log10(1 + hz / 700) for hz in SPEECH_HZ), BANDS + 1)
    edges = np.searchsorted(np.fft.rfftfreq(2 * size, 1 / RATE), 700 * (10 ** (mel / 2595) - 1))
    bands = np.stack([power[:, a:b].mean(axis=1) for a, b in pairwise(edges)], axis=1)
    loudness = 10 * np.log10(bands + FLOOR * bands.max() + 1)
    return np.asarray(loudness - loudness.mean(axis=0))


def loudest_pitch(samples: array[int]) -> float:
    """Frequency (Hz) of the loud stretches, by their zero crossings.

    It is the median, since a machine under load may leave a gap in one. They are short, so that
    more than a quarter of them lie within the beeps of `write_beeps`.
    """
    size = int(RATE * 0.05)
    stretches = [samples[start : start + size] for start in range(0, len(samples) - size, size)]
    loud = sorted(stretches, key=dbfs)[-max(1, len(stretches) // 4) :]
    found = statistics.median(pitch(stretch) for stretch in loud)
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
