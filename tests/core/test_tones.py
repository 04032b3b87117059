"""Which tone is heard when, and how the tones sound."""

from __future__ import annotations

import itertools
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from homecall_pi.core.actions import Show
from homecall_pi.core.ports import SAMPLE_RATE
from homecall_pi.core.state import Reason, State
from homecall_pi.core.tones import Cue, Tone, cue, synthesise

Samples: TypeAlias = npt.NDArray[np.int64]

IN_A_CALL = (State.OFFERING, State.RINGING, State.CONNECTING)


@pytest.mark.parametrize("before", [State.IDLE, State.OFFLINE])
def test_a_press_is_answered_by_a_chime_and_ring_back(before: State):
    assert cue(before, Show(State.OFFERING)) == Cue(Tone.CHIME, Tone.RING_BACK)


@pytest.mark.parametrize("state", IN_A_CALL)
def test_another_press_chimes_again(state: State):
    assert cue(state, Show(state)) == Cue(Tone.CHIME, Tone.RING_BACK)


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(IN_A_CALL, 2)))
def test_ring_back_goes_on_until_a_person_answers(before: State, after: State):
    assert cue(before, Show(after)) is None


@pytest.mark.parametrize("before", IN_A_CALL)
def test_the_answer_ends_ring_back(before: State):
    assert cue(before, Show(State.TALKING)) == Cue(Tone.ANSWERED)


def test_the_visitor_hears_that_the_call_reconnects_until_it_is_back():
    reconnecting = Show(State.RECONNECTING)
    assert cue(State.TALKING, reconnecting) == Cue(then=Tone.RECONNECTING)
    assert cue(State.RECONNECTING, reconnecting) is None
    assert cue(State.RECONNECTING, Show(State.TALKING)) == Cue(Tone.ANSWERED)


def test_a_press_while_talking_disturbs_nobody():
    assert cue(State.TALKING, Show(State.TALKING)) is None


@pytest.mark.parametrize(
    ("reason", "before", "tone"),
    [
        (Reason.DECLINED, State.RINGING, Tone.DECLINED),
        (Reason.NO_ANSWER, State.RINGING, Tone.NO_ANSWER),
        (Reason.OFFLINE, State.RINGING, Tone.OFFLINE),
        (Reason.FAILED, State.CONNECTING, Tone.OFFLINE),
        (Reason.FAILED, State.TALKING, Tone.ENDED),
        (Reason.HUNG_UP, State.TALKING, Tone.ENDED),
        (Reason.PAGE_GONE, State.TALKING, Tone.ENDED),
        (Reason.TOO_LONG, State.TALKING, Tone.ENDED),
        (Reason.PAGE_GONE, State.RECONNECTING, Tone.ENDED),
    ],
)
@pytest.mark.parametrize("after", [State.IDLE, State.OFFLINE])
def test_every_end_has_its_tone(reason: Reason, before: State, tone: Tone, after: State):
    assert cue(before, Show(after, reason)) == Cue(tone)


def test_the_line_between_calls_is_not_heard_and_cuts_no_tone():
    assert cue(State.IDLE, Show(State.OFFLINE)) is None
    assert cue(State.OFFLINE, Show(State.IDLE)) is None


def test_a_daemon_that_stops_in_a_call_falls_silent():
    assert cue(State.RINGING, Show(State.OFFLINE)) == Cue()


@pytest.fixture(scope="module")
def sounds() -> dict[Tone, Samples]:
    return {tone: np.frombuffer(synthesise(tone), np.int16).astype(np.int64) for tone in Tone}


def test_tones_are_as_loud_as_a_voice_and_do_not_click(sounds: dict[Tone, Samples]):
    for tone, samples in sounds.items():
        assert 6000 < np.abs(samples).max() < 16000, tone
        assert np.abs(np.diff(samples, prepend=0, append=0)).max() < 2500, tone


def test_tones_are_distinct(sounds: dict[Tone, Samples]):
    assert len({samples.tobytes() for samples in sounds.values()}) == len(Tone)


def test_only_ring_back_is_long(sounds: dict[Tone, Samples]):
    lengths = {tone: len(samples) for tone, samples in sounds.items()}
    assert lengths.pop(Tone.RING_BACK) == pytest.approx(4.5 * SAMPLE_RATE)
    assert not sounds[Tone.RING_BACK][2 * SAMPLE_RATE :].any()
    assert max(lengths.values()) < 2.5 * SAMPLE_RATE


def test_ring_back_has_the_pitch_of_the_telephone(sounds: dict[Tone, Samples]):
    second = sounds[Tone.RING_BACK][SAMPLE_RATE // 2 :][:SAMPLE_RATE]
    rising = np.count_nonzero((second[:-1] < 0) & (second[1:] >= 0))
    assert rising == pytest.approx(425, abs=2)
