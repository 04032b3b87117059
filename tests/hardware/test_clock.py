"""The time of day in the picture."""

from __future__ import annotations

import av
import pytest

from homecall_pi.hardware import clock

INK, PAPER = 0xEB, 0x20


def picture(width: int, height: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    return frame


def rows(frame: av.VideoFrame) -> list[bytes]:
    plane = frame.planes[0]
    data = bytes(plane)
    return [data[y * plane.line_size :][: frame.width] for y in range(frame.height)]


def plate(frame: av.VideoFrame) -> list[bytes]:
    """What was drawn on, which must be a rectangle."""
    drawn = [row.strip(b"\x80") for row in rows(frame)]
    found = [row for row in drawn if row]
    assert len({len(row) for row in found}) == 1
    return found


def test_digits_are_bright_on_a_dark_plate():
    frame = picture(320, 120)
    clock.draw(frame, "1")
    assert {dot for row in plate(frame) for dot in row} == {INK, PAPER}
    shape = ["".join("#" if dot == INK else " " for dot in row) for row in plate(frame)]
    assert shape == ["     ", "  #  ", " ##  ", "  #  ", "  #  ", " ### ", "     "]


def test_the_colours_and_most_of_the_picture_are_left_alone():
    frame = picture(320, 240)
    clock.draw(frame, "12:34:56.7")
    assert len(plate(frame)) == 14
    assert set(bytes(frame.planes[1])) == {128}


def test_digits_grow_with_the_picture():
    small, large = picture(640, 120), picture(640, 720)
    clock.draw(small, "0")
    clock.draw(large, "0")
    assert sum(row.count(INK) for row in rows(large)) == 36 * sum(
        row.count(INK) for row in rows(small)
    )


@pytest.mark.parametrize("width", [2, 16, 30])
def test_what_does_not_fit_is_cut_off(width: int):
    frame = picture(width, 120)
    clock.draw(frame, "12:34:56.7")
    assert all(len(row) == width for row in rows(frame))


def test_two_times_look_different():
    before, after = picture(320, 240), picture(320, 240)
    clock.draw(before, "12:34:56.7")
    clock.draw(after, "12:34:56.8")
    assert rows(before) != rows(after)
