"""A picture that says why there is none."""

from __future__ import annotations

import textwrap

import av

from . import glyphs
from .encoder import SoftwareEncoder

FPS = 2
"""Pictures of a card per second: nothing moves, but a viewer that joins must not wait long."""
BITRATE_BPS = 100_000
_LETTERS = 20
"""Letters that fit into one line."""


class Card:
    """The same still picture again and again, in H.264 like the camera's."""

    def __init__(self, width: int, height: int, text: str) -> None:
        self._frame = draw(width, height, text)
        self._encoder = SoftwareEncoder(width, height, FPS, BITRATE_BPS)

    def encode(self, *, key_frame: bool) -> tuple[bytes, bool]:
        """One access unit, and whether it is a key frame; the first always is."""
        return self._encoder.encode(self._frame, key_frame=key_frame)


def draw(width: int, height: int, text: str) -> av.VideoFrame:
    """A dark picture with `text` in the middle."""
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(frame.planes, (glyphs.PAPER, b"\x80", b"\x80"), strict=True):
        plane.update(value * plane.buffer_size)
    lines = textwrap.wrap(text, _LETTERS)
    high = glyphs.ROWS + 2
    dot = max(1, min(width // glyphs.width("m" * _LETTERS), height // (high * (len(lines) + 1))))
    top = max(0, (height - len(lines) * high * dot) // 2)
    for number, line in enumerate(lines):
        left = (width - glyphs.width(line) * dot) // 2
        glyphs.write(frame, line, left, top + number * high * dot, dot)
    return frame
