"""What strangers wrote, on one line."""

from __future__ import annotations

import pytest

from homecall_pi.core.text import printable


@pytest.mark.parametrize("text", ["", "Анна", "Türklingel 🔔", "a b", "%s {x} \\n"])
def test_what_can_be_printed_stays_as_it_is(text: str):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("\r\t\0", r"\r\t\x00"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u2028b", r"a\u2028b"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_moves_the_cursor_or_the_direction_is_escaped(text: str, shown: str):
    assert printable(text) == shown
    assert printable(text).isprintable()
