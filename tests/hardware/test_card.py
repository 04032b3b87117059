"""The picture that says why there is none."""

from __future__ import annotations

import pytest

from homecall_pi.core.ports import AccessUnit
from homecall_pi.hardware import card, glyphs

from .h264 import decode, is_whole_key_frame


@pytest.mark.parametrize(("width", "height"), [(160, 120), (1280, 720), (320, 1080)])
def test_the_reason_stands_in_the_middle_in_full(width: int, height: int):
    plane = card.draw(width, height, "another program uses the camera").planes[0]
    data = bytes(plane)
    rows = [data[y * plane.line_size :][:width] for y in range(height)]
    inked = [y for y, row in enumerate(rows) if glyphs.INK in row]
    assert abs(inked[0] - (height - 1 - inked[-1])) <= height // 20
    for row in rows:
        assert glyphs.INK not in row[:1]
        assert glyphs.INK not in row[-1:]


def test_two_reasons_look_different():
    assert bytes(card.draw(160, 120, "one").planes[0]) != bytes(
        card.draw(160, 120, "two").planes[0]
    )


def test_it_is_sent_like_the_cameras_picture():
    shown = card.Card(160, 120, "no camera is connected")
    units = [
        AccessUnit(*shown.encode(key_frame=index == 2)[:1], index, index in {0, 2})
        for index in range(4)
    ]
    assert [is_whole_key_frame(unit) for unit in units] == [True, False, True, False]
    assert len(decode(*units)) == 4
    assert len(units[1].data) < 200  # a still picture costs nothing


def test_signs_that_are_not_known_are_blanks():
    assert glyphs.rows("é") == glyphs.rows(" ")
    assert glyphs.rows("a") == glyphs.rows("A")
