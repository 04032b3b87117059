"""What the visitor hears of a call: which tone at which moment, and the tones themselves."""

from __future__ import annotations

import cmath
import enum
import itertools
import math
import operator
from array import array
from collections.abc import Iterator

import msgspec

from .actions import Show
from .ports import SAMPLE_RATE
from .samples import LOUDEST
from .state import Reason, State


class Tone(enum.Enum):
    """A tone. Its value is its key in the configuration."""

    CHIME = "chime"
    RING_BACK = "ring_back"
    ANSWERED = "answered"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    OFFLINE = "offline"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


class Cue(msgspec.Struct, frozen=True):
    """What to play from now on, instead of what plays; None is silence."""

    once: Tone | None = None
    then: Tone | None = None
    """Repeated after it until the next cue."""


_ENDINGS = {
    Reason.DECLINED: Tone.DECLINED,
    Reason.NO_ANSWER: Tone.NO_ANSWER,
    Reason.OFFLINE: Tone.OFFLINE,
}
_BETWEEN_CALLS = {State.IDLE, State.OFFLINE}


def cue(before: State, show: Show) -> Cue | None:
    """What a new state sounds like; None: what plays goes on."""
    if show.reason is not None:
        failed = show.reason is Reason.FAILED and before is not State.TALKING
        return Cue(Tone.OFFLINE if failed else _ENDINGS.get(show.reason, Tone.ENDED))
    if show.state in _BETWEEN_CALLS:
        return None if before in _BETWEEN_CALLS else Cue()
    if show.state is State.RECONNECTING:
        return None if before is State.RECONNECTING else Cue(then=Tone.RECONNECTING)
    if show.state is State.TALKING:
        return None if before is State.TALKING else Cue(Tone.ANSWERED)
    pressed = before in _BETWEEN_CALLS or before is show.state
    return Cue(Tone.CHIME, Tone.RING_BACK) if pressed else None


class _Note(msgspec.Struct, frozen=True):
    """A sine with its octave; bells fade out, beeps do not."""

    at_s: float
    pitch_hz: float
    length_s: float
    fade_s: float = math.inf
    """Seconds in which it falls to 37 %."""


_C5, _E5, _G5, _A4, _F4 = 523.25, 659.26, 783.99, 440.0, 349.23
_LINE_HZ = 425.0
"""Of ring-back and busy tones in most of the world (ITU-T E.180)."""

_NOTES = {
    Tone.CHIME: (_Note(0, _E5, 1.6, 0.35), _Note(0.6, _C5, 1.6, 0.45)),
    Tone.RING_BACK: (_Note(0.5, _LINE_HZ, 1.0),),
    Tone.ANSWERED: (_Note(0, _C5, 0.12), _Note(0.12, _G5, 0.18)),
    Tone.DECLINED: tuple(
        _Note(at_s, pitch_hz, 0.5, 0.2) for at_s, pitch_hz in ((0, _G5), (0.22, _E5), (0.44, _C5))
    ),
    Tone.NO_ANSWER: (_Note(0, _A4, 0.4), _Note(0.55, _A4, 0.4), _Note(1.1, _F4, 0.7)),
    Tone.OFFLINE: tuple(_Note(0.4 * number, _LINE_HZ, 0.2) for number in range(4)),
    Tone.RECONNECTING: (_Note(0, _A4, 0.15, 0.1), _Note(0.3, _A4, 0.15, 0.1)),
    Tone.ENDED: (_Note(0, _G5, 0.12), _Note(0.12, _C5, 0.18)),
}
_PAUSE_S = {Tone.RING_BACK: 3.0, Tone.RECONNECTING: 1.5}
"""Silence at the end, for what is repeated."""
_PEAK = 0.22 * LOUDEST
"""Of a note: as loud as a voice, which leaves room for one beside it."""
_OCTAVE = 0.2
_RAMP_S = 0.008
"""Seconds in which a note starts and stops: at once, it would click."""


def synthesise(tone: Tone) -> bytes:
    """The tone's samples."""
    notes = _NOTES[tone]
    length_s = max(note.at_s + note.length_s for note in notes)
    samples = array("d", bytes(8 * round(length_s * SAMPLE_RATE)))
    for note in notes:
        start = round(note.at_s * SAMPLE_RATE)
        for index, value in enumerate(_sound(note), start):
            samples[index] += value
    pause = bytes(2 * round(_PAUSE_S.get(tone, 0.0) * SAMPLE_RATE))
    return array("h", (int(_PEAK * value) for value in samples)).tobytes() + pause


def _sound(note: _Note) -> array[float]:
    count = round(note.length_s * SAMPLE_RATE)
    pairs = zip(_sine(note, 1, count), _sine(note, 2, count), strict=True)
    samples = array("d", (base + _OCTAVE * octave for base, octave in pairs))
    ramp = round(_RAMP_S * SAMPLE_RATE)
    for index in range(ramp):
        samples[index] *= index / ramp
        samples[-1 - index] *= index / ramp
    return samples


def _sine(note: _Note, partial: int, count: int) -> Iterator[float]:
    """A vector that turns and shrinks by the same step for each sample: quicker than `sin`."""
    turn = 2 * math.pi * note.pitch_hz * partial / SAMPLE_RATE
    step = cmath.exp(complex(-partial / (note.fade_s * SAMPLE_RATE), turn))
    return (z.imag for z in itertools.accumulate(itertools.repeat(step, count), operator.mul))
