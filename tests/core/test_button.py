"""The button: every press once, however the contact bounces; a stuck one is told once."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecall_pi.core import button as core
from homecall_pi.core.button import Button, Event, Pressed, Released, Rules, Stuck

RULES = Rules(debounce_s=0.02, gap_s=1.0, stuck_s=30.0)
Told: TypeAlias = list[tuple[float, Event]]
Edges: TypeAlias = list[tuple[float, bool]]


def told(edges: Edges, until: float, button: Button | None = None) -> Told:
    """What a contact with these edges makes the button tell, coming back at each deadline."""
    button = button or core.start(closed=False, now=0.0)
    events: Told = []
    for at, closed in [*edges, (until, None)]:
        while (due := core.deadline(button, RULES)) is not None and due <= at:
            button, new = core.settle(button, due, RULES)
            events += [(due, event) for event in new]
        if closed is not None:
            button, new = core.edge(button, closed, at, RULES)
            events += [(at, event) for event in new]
    return events


def test_a_press_counts_once_the_contact_has_settled():
    assert told([(1.0, True), (1.3, False)], 10.0) == [(1.02, Pressed())]


def test_a_contact_that_bounces_on_its_way_down_and_up_is_one_press():
    down = [(1.0, True), (1.001, False), (1.003, True), (1.004, False), (1.006, True)]
    up = [(1.3, False), (1.302, True), (1.305, False)]
    assert told(down + up, 10.0) == [(1.026, Pressed())]


@pytest.mark.parametrize("width_s", [0.000_1, 0.005, 0.019])
def test_a_spike_on_the_wire_is_no_press(width_s: float):
    assert told([(1.0, True), (1.0 + width_s, False)], 10.0) == []


def test_an_opening_as_short_as_a_bounce_does_not_press_again():
    assert told([(1.0, True), (5.0, False), (5.01, True), (6.0, False)], 10.0) == [
        (1.02, Pressed())
    ]


def test_hammering_presses_once_in_every_gap():
    edges = [(1.0 + 0.2 * n, n % 2 == 0) for n in range(15)]
    assert [at for at, _ in told(edges, 10.0)] == pytest.approx([1.02, 2.22, 3.42])


def test_a_button_that_stays_down_is_told_as_stuck_once_and_then_as_released():
    events = told([(1.0, True), (500.0, False), (501.0, True)], 502.0)
    assert events == [
        (1.02, Pressed()),
        (31.02, Stuck()),
        (500.02, Released()),
        (501.02, Pressed()),
    ]


def test_bounces_do_not_hide_that_a_button_is_stuck():
    edges = [(1.0, True)]
    for n in range(10):
        edges += [(5.0 + n, False), (5.001 + n, True)]
    assert told(edges, 100.0) == [(1.02, Pressed()), (31.02, Stuck())]


def test_a_button_that_is_down_at_the_start_does_not_ring_but_is_told_as_stuck():
    start = core.start(closed=True, now=0.0)
    assert told([], 100.0, start) == [(30.0, Stuck())]
    assert told([(3.0, False), (4.0, True)], 10.0, start) == [(4.02, Pressed())]


def test_an_edge_that_comes_late_tells_what_was_before_it():
    """The thread that should have come back at the deadline may have been held up."""
    button, _ = core.edge(core.start(closed=False, now=0.0), True, 1.0, RULES)
    button, events = core.edge(button, False, 1.5, RULES)
    assert events == (Pressed(),)
    assert not button.closed


def test_the_same_level_twice_is_no_edge():
    """An edge may be lost, or both of a spike be read as the level after it."""
    assert told([(1.0, True), (1.015, True), (2.0, False), (2.015, False)], 9.0) == [
        (1.02, Pressed())
    ]


contacts = st.lists(st.floats(0.000_1, 40.0), max_size=20).map(
    lambda gaps: [(sum(gaps[: n + 1]), n % 2 == 0) for n in range(len(gaps))]
)


@settings(max_examples=50)
@given(contacts)
def test_presses_are_never_closer_than_the_gap(edges: Edges):
    presses = [at for at, event in told(edges, 5000.0) if event == Pressed()]
    assert all(b - a >= RULES.gap_s for a, b in pairwise(presses))


@settings(max_examples=50)
@given(contacts)
def test_stuck_and_released_take_turns(edges: Edges):
    others = [event for _, event in told(edges, 5000.0) if event != Pressed()]
    assert others == [Stuck(), Released()] * (len(others) // 2) + [Stuck()] * (len(others) % 2)


@settings(max_examples=50)
@given(contacts)
def test_no_press_while_the_contact_has_not_been_closed_long_enough(edges: Edges):
    for at, event in told(edges, 5000.0):
        if event == Pressed():
            last, closed = [edge for edge in edges if edge[0] <= at][-1]
            assert closed or at == last
            began = [when for when, level in edges if level and when <= at][-1]
            assert at - began >= RULES.debounce_s * 0.999


@settings(max_examples=50)
@given(contacts)
def test_time_alone_comes_to_rest(edges: Edges):
    """Nobody may be woken for ever by a button that nobody touches."""
    button = core.start(closed=False, now=0.0)
    for at, closed in edges:
        button, _ = core.edge(button, closed, at, RULES)
    for _ in range(3):
        due = core.deadline(button, RULES)
        if due is not None:
            button, _ = core.settle(button, due, RULES)
    assert core.deadline(button, RULES) is None
