"""H.264 in software, for pictures that come raw.

Constrained baseline, no delay, key frames on request, a bitrate that can change while it runs.
"""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Final

import av
from av.codec.context import ThreadType
from av.video.frame import PictureType

GOP_S: Final = 10
"""Seconds between key frames that nobody asked for. Viewers ask when they need one."""


class SoftwareEncoder:
    """One stream of pictures of one size through x264. Used on one thread at a time."""

    def __init__(
        self, width: int, height: int, fps: int, bitrate_bps: int, max_bitrate_bps: int = 0
    ) -> None:
        self._count = 0
        self._fps = fps
        self._context = _context(width, height, fps)
        # x264 follows another bitrate later on only if it opened with the most that it may spend.
        bound_bps = max(bitrate_bps, max_bitrate_bps)
        self._context.bit_rate = bound_bps
        self._context.options |= {"maxrate": str(bound_bps), "bufsize": str(bound_bps // 2)}
        self._context.open()
        self._context.bit_rate = bitrate_bps

    def encode(self, frame: av.VideoFrame, *, key_frame: bool = False) -> tuple[bytes, bool]:
        """The picture as one access unit, and whether it is a key frame; the first always is."""
        if frame.format.name != "yuv420p":
            frame = frame.reformat(format="yuv420p")
        frame.pts = self._count
        frame.time_base = Fraction(1, self._fps)
        frame.pict_type = PictureType.I if key_frame else PictureType.NONE
        self._count += 1
        packets = self._context.encode(frame)  # without delay: one in, one out
        return b"".join(map(bytes, packets)), any(packet.is_keyframe for packet in packets)

    def set_bitrate(self, bps: int) -> None:
        """Aims at another bitrate from the next picture on."""
        self._context.bit_rate = bps


def _context(width: int, height: int, fps: int) -> av.VideoCodecContext:
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)  # noqa: S101 - narrows the type
    context.width, context.height = width, height
    context.pix_fmt = "yuv420p"
    context.framerate = Fraction(fps)
    context.time_base = Fraction(1, fps)
    context.gop_size = GOP_S * fps
    # Threads share one picture in slices: threads that take a picture each would delay them.
    context.thread_type = ThreadType.SLICE
    context.thread_count = os.cpu_count() or 1
    context.profile = "Baseline"
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"}
    return context
