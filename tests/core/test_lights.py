"""The light: a rhythm of its own for every state, and trouble before it."""

from __future__ import annotations

import itertools
import math

import pytest

from homecall_pi.core import lights
from homecall_pi.core.actions import Show
from homecall_pi.core.state import Reason, State

TROUBLE = [Reason.FAILED, Reason.OFFLINE]


def first(show: Show, count: int) -> list[tuple[bool, float]]:
    return list(itertools.islice(lights.changes(show), count))


def test_ready_is_steady():
    assert first(Show(State.IDLE), 2) == [(True, math.inf)] * 2


@pytest.mark.parametrize("state", [state for state in State if state is not State.IDLE])
def test_other_states_blink_for_ever(state: State):
    changes = first(Show(state), 100)
    assert [on for on, _ in changes] == [True, False] * 50
    assert all(0.05 <= seconds < 2 for _, seconds in changes)


def test_what_differs_for_the_visitor_looks_different():
    alike = [lights.OFFLINE, lights.READY, lights.RINGING, lights.CONNECTING, lights.TALKING]
    assert len({*alike, lights.ERROR}) == 6
    assert set(lights.RHYTHMS) == set(State)


@pytest.mark.parametrize("reason", TROUBLE)
def test_trouble_is_told_before_the_state_that_follows(reason: Reason):
    changes = lights.changes(Show(State.IDLE, reason))
    flashes = 2 * len(lights.ERROR) * lights.ERROR_TIMES
    told = list(itertools.islice(changes, flashes))
    assert [on for on, _ in told] == [True, False] * (flashes // 2)
    assert sum(seconds for _, seconds in told) < 5
    assert next(changes) == (True, math.inf)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in TROUBLE])
def test_an_end_that_somebody_chose_is_no_trouble(reason: Reason):
    assert first(Show(State.IDLE, reason), 1) == [(True, math.inf)]
