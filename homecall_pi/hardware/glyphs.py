"""Letters as dots: enough to write into a picture without any font."""

from __future__ import annotations

import av

COLUMNS, ROWS = 3, 5
INK, PAPER = b"\xeb", b"\x20"  # near white and near black in limited-range luma

# A 3x5 dot matrix per character, its rows from above with a slash between them.
_GLYPHS = {
    char: dots.split("/")
    for char, dots in {
        "0": "###/# #/# #/# #/###",
        "1": " # /## / # / # /###",
        "2": "###/  #/###/#  /###",
        "3": "###/  #/###/  #/###",
        "4": "# #/# #/###/  #/  #",
        "5": "###/#  /###/  #/###",
        "6": "###/#  /###/# #/###",
        "7": "###/  #/  #/  #/  #",
        "8": "###/# #/###/# #/###",
        "9": "###/# #/###/  #/###",
        "A": " # /# #/###/# #/# #",
        "B": "## /# #/## /# #/## ",
        "C": " ##/#  /#  /#  / ##",
        "D": "## /# #/# #/# #/## ",
        "E": "###/#  /## /#  /###",
        "F": "###/#  /## /#  /#  ",
        "G": " ##/#  /# #/# #/ ##",
        "H": "# #/# #/###/# #/# #",
        "I": "###/ # / # / # /###",
        "J": "  #/  #/  #/# #/ # ",
        "K": "# #/# #/## /# #/# #",
        "L": "#  /#  /#  /#  /###",
        "M": "# #/###/###/# #/# #",
        "N": "###/# #/# #/# #/# #",
        "O": " # /# #/# #/# #/ # ",
        "P": "## /# #/## /#  /#  ",
        "Q": " # /# #/# #/ ##/  #",
        "R": "## /# #/## /# #/# #",
        "S": " ##/#  / # /  #/## ",
        "T": "###/ # / # / # / # ",
        "U": "# #/# #/# #/# #/###",
        "V": "# #/# #/# #/# #/ # ",
        "W": "# #/# #/###/###/# #",
        "X": "# #/# #/ # /# #/# #",
        "Y": "# #/# #/ # / # / # ",
        "Z": "###/  #/ # /#  /###",
        ":": "   / # /   / # /   ",
        ".": "   /   /   /   / # ",
        "-": "   /   /###/   /   ",
        " ": "   /   /   /   /   ",
    }.items()
}


def rows(text: str) -> list[str]:
    """The text with a margin of one dot all around; a sign that is not known is a blank."""
    blank = " " * width(text)
    glyphs = [_GLYPHS.get(char, _GLYPHS[" "]) for char in text.upper()]
    return [blank, *(f" {' '.join(g[y] for g in glyphs)} " for y in range(ROWS)), blank]


def width(text: str) -> int:
    """Dots from margin to margin."""
    return (COLUMNS + 1) * len(text) + 1


def write(frame: av.VideoFrame, text: str, left: int, top: int, dot: int) -> None:
    """Writes `text` on a dark plate into a yuv420p frame, its dots `dot` pixels wide and high.

    What does not fit to the right is cut off.
    """
    luma = memoryview(frame.planes[0])
    stride = frame.planes[0].line_size
    for y, row in enumerate(rows(text)):
        line = b"".join((INK if mark == "#" else PAPER) * dot for mark in row)
        line = line[: frame.width - left]
        for repeat in range(dot):
            start = (top + y * dot + repeat) * stride + left
            luma[start : start + len(line)] = line
