"""When the other side counts as lost, and when as back."""

from __future__ import annotations

from homecall_pi.core.silence import LOST_S, Silence


def test_who_is_heard_now_and_then_is_not_lost():
    silence = Silence()
    assert {silence.look(count, count * (LOST_S - 0.1)) for count in range(20)} == {None}


def test_a_silence_is_told_once_and_so_is_its_end():
    silence = Silence()
    seconds = (0.0, 1.0, LOST_S - 0.1, LOST_S, LOST_S + 1, 60.0)
    assert [silence.look(7, now) for now in seconds] == [None, None, None, True, None, None]
    assert [silence.look(8, now) for now in (61.0, 61.5)] == [False, None]


def test_each_silence_is_told():
    silence = Silence()
    told = [silence.look(count, now) for count, now in ((1, 0), (1, 5), (2, 6), (2, 7), (2, 9))]
    assert told == [None, True, False, None, True]


def test_a_connection_over_which_nothing_ever_came_is_lost():
    silence = Silence()
    assert silence.look(0, 100.0) is None
    assert silence.look(0, 100.0 + LOST_S) is True
