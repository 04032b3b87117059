"""Recordings that know when they were made, and what can be found in them."""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

RATE = 48_000
Samples: TypeAlias = npt.NDArray[np.float64]
Chunk: TypeAlias = tuple[float, bytes]
"""When its last sample was there (seconds since the epoch), and its samples (signed 16 bit)."""

CHIRP_S = 0.04
SOON_S = 1.0
"""Seconds around a chunk over which the earliest tells when samples come; others were late."""
MIN_LIKENESS = 0.5
"""Of a chirp that counts as heard, to the one that was played."""
ACCURACY_S = 0.02
LATEST_S = 0.9
FRAME_S = 0.01
SPOKEN_DBFS = -40.0
MISSING_DB = -20.0
"""Level of a frame, relative to what was said, below which nothing has come out."""
GAP_S = 0.04
LOCAL_S = 1.0
"""Stretch over which the delay is taken as steady, when speech is compared."""


class Recording:
    """Samples, and the time of each."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        kept = [(at, np.frombuffer(content, np.int16)) for at, content in chunks if content]
        self.samples: Samples = np.concatenate([part for _, part in kept]) / 32768
        self._ends = np.cumsum([len(part) for _, part in kept]).tolist()
        zeros = np.array([at for at, _ in kept]) - np.array(self._ends) / RATE
        times = np.array([at for at, _ in kept])
        first = np.searchsorted(times, times - SOON_S)
        last = np.searchsorted(times, times + SOON_S, "right")
        self._zeros = [zeros[a:b].min() for a, b in zip(first, last, strict=True)]

    def at(self, index: int) -> float:
        """When a sample was there."""
        chunk = min(bisect.bisect_right(self._ends, index), len(self._ends) - 1)
        return float(self._zeros[chunk] + index / RATE)

    def chirps(self, chirp: Samples) -> list[float]:
        """When the chirp began, each time."""
        likeness = _likeness(self.samples, chirp)
        found = []
        while likeness.max() > MIN_LIKENESS:
            best = int(likeness.argmax())
            found.append(self.at(best))
            likeness[max(0, best - RATE // 5) : best + RATE // 5] = 0
        return sorted(found)

    def levels(self, start: float) -> Samples:
        """Level in dB below full scale, each FRAME_S from the time `start` on."""
        size = int(FRAME_S * RATE)
        first = bisect.bisect_left(range(len(self.samples)), start, key=self.at)
        count = (len(self.samples) - first) // size
        frames = self.samples[first : first + count * size].reshape(count, size)
        return np.asarray(10 * np.log10(np.mean(frames**2, axis=1) + 1e-12))


def chirp(from_hz: float, to_hz: float) -> Samples:
    """A tone that glides: a click that codecs and noise suppressors let through."""
    t = np.arange(int(CHIRP_S * RATE)) / RATE
    glide = from_hz * t + (to_hz - from_hz) * t**2 / 2 / CHIRP_S
    return np.asarray(0.5 * np.hanning(len(t)) * np.sin(2 * np.pi * glide))


CHIRPS = {"family": chirp(600.0, 2400.0), "visitor": chirp(2400.0, 600.0)}
"""What each says: two sounds that are not taken for each other's echo."""


def to_bytes(samples: Samples) -> bytes:
    """Signed 16 bit."""
    return np.rint(samples * 32767).astype(np.int16).tobytes()


def _likeness(samples: Samples, chirp: Samples) -> Samples:
    """Correlation (0..1) of the chirp with what begins at each sample."""
    size = len(samples) + len(chirp)
    product = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(chirp, size)), size)
    power = np.convolve(samples**2, np.ones(len(chirp)))[len(chirp) - 1 :]
    product = product[: len(power)]
    norm = np.sqrt(np.maximum(power, 1e-6) * np.sum(chirp**2))
    return np.asarray(np.abs(product) / norm)


def delays(said: list[float], heard: list[float]) -> list[float]:
    """Seconds from each chirp said to the same one heard; those not heard are left out."""
    found = []
    for at in said:
        index = bisect.bisect_left(heard, at - ACCURACY_S)
        if index < len(heard) and heard[index] - at < LATEST_S:
            found.append(heard[index] - at)
    return found


def whole_share(said: Recording, heard: Recording) -> float:
    """Share of the time of speech that came out without a gap of more than GAP_S.

    No number if nothing was said.
    """
    good = total = 0
    for part, lag, came in _stretches(said, heard):
        active = part > SPOKEN_DBFS
        missing = active & (came[lag : lag + len(part)] < part + MISSING_DB)
        total += int(active.sum())
        good += int(active.sum()) - _in_gaps(missing)
    return good / total if total else math.nan


def lateness(said: Recording, heard: Recording) -> float:
    """Seconds by which speech comes out later, in the middle, to FRAME_S.

    No number if nothing was said.
    """
    lags = [lag for _, lag, _ in _stretches(said, heard)]
    return FRAME_S * statistics.median(lags) if lags else math.nan


def _stretches(said: Recording, heard: Recording) -> Iterator[tuple[Samples, int, Samples]]:
    """Levels of what was said in LOCAL_S, frames by which they come later, levels of what came."""
    start = max(said.at(0), heard.at(0))
    spoken, came = said.levels(start), heard.levels(start)
    size = int(LOCAL_S / FRAME_S)
    for first in range(0, min(len(spoken), len(came)) - 2 * size, size):
        part, window = spoken[first : first + size], came[first : first + 2 * size]
        if (part > SPOKEN_DBFS).any():
            yield part, _lag(part, window), window


def _lag(part: Samples, came: Samples) -> int:
    """Frames by which `part` comes later: those at which the levels are most alike."""
    floor = SPOKEN_DBFS - 20
    one, other = np.maximum(part, floor), np.maximum(came, floor)

    def likeness(lag: int) -> float:
        stretch = other[lag : lag + len(one)]
        return float(np.cov(one, stretch)[0, 1] / (stretch.std() + 1))

    return max(range(len(came) - len(part) + 1), key=likeness)


def _in_gaps(missing: npt.NDArray[np.bool_]) -> int:
    """Frames in runs of more than GAP_S."""
    count = run = 0
    for each in (*missing, False):
        if each:
            run += 1
            continue
        if run * FRAME_S > GAP_S + FRAME_S / 2:
            count += run
        run = 0
    return count
