"""The time of day, drawn into a picture: whoever watches sees that it is live, and how late."""

from __future__ import annotations

import av

# A 3x5 dot matrix per character, one row per string.
_GLYPHS = {
    "0": ("###", "# #", "# #", "# #", "###"),
    "1": (" # ", "## ", " # ", " # ", "###"),
    "2": ("###", "  #", "###", "#  ", "###"),
    "3": ("###", "  #", "###", "  #", "###"),
    "4": ("# #", "# #", "###", "  #", "  #"),
    "5": ("###", "#  ", "###", "  #", "###"),
    "6": ("###", "#  ", "###", "# #", "###"),
    "7": ("###", "  #", "  #", "  #", "  #"),
    "8": ("###", "# #", "###", "# #", "###"),
    "9": ("###", "# #", "###", "  #", "###"),
    ":": ("   ", " # ", "   ", " # ", "   "),
    ".": ("   ", "   ", "   ", "   ", " # "),
}
_COLUMNS, _ROWS = 3, 5
_INK, _PAPER = b"\xeb", b"\x20"  # near white and near black in limited-range luma


def draw(frame: av.VideoFrame, text: str) -> None:
    """Writes `text` (digits, colon, point) on a dark plate at the top right of a yuv420p frame.

    It keeps clear of the margin that a page with a screen of another shape cuts off.
    """
    dot = max(1, frame.height // 120)
    luma = memoryview(frame.planes[0])
    stride = frame.planes[0].line_size
    for y, row in enumerate(_rows(text)):
        line = b"".join((_INK if mark == "#" else _PAPER) * dot for mark in row)
        line = line[: frame.width]
        left = max(0, frame.width * 15 // 16 - len(line))
        for repeat in range(dot):
            start = ((y + 2) * dot + repeat) * stride + left
            luma[start : start + len(line)] = line


def _rows(text: str) -> list[str]:
    blank = " " * ((_COLUMNS + 1) * len(text) + 1)
    rows = [" " + " ".join(_GLYPHS[char][y] for char in text) + " " for y in range(_ROWS)]
    return [blank, *rows, blank]
