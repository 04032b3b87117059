"""The time of day, drawn into a picture: whoever watches sees that it is live, and how late."""

from __future__ import annotations

import av

from . import glyphs


def draw(frame: av.VideoFrame, text: str) -> None:
    """Writes `text` (digits, colon, point) on a dark plate at the top right of a yuv420p frame.

    It keeps clear of the margin that a page with a screen of another shape cuts off.
    """
    dot = max(1, frame.height // 120)
    long = min(frame.width, glyphs.width(text) * dot)
    left = max(0, frame.width * 15 // 16 - long)
    glyphs.write(frame, text, left, 2 * dot, dot)
