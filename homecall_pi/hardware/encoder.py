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

GOP_S: Final = 60
"""Seconds between key frames that nobody asked for. Viewers ask when they need one, and each is a
burst that a narrow network has to swallow."""
BURST_S: Final = 0.5
"""Of the bitrate, what a picture may take at most; key frames take about two thirds of it."""
RANGE: Final = 2.0
"""How far the bitrate may go up, or down, without a new beginning."""


class SoftwareEncoder:
    """One stream of pictures of one size through x264. Used on one thread at a time.

    x264 bounds pictures, and key frames above all, for the bitrate it is opened with, and never
    goes far beyond. So it is opened anew where the bitrate has moved away; that takes 4 ms, and
    makes a key frame. Where the bitrate goes down, one that is asked for comes soon enough.
    """

    def __init__(self, width: int, height: int, fps: int, bitrate_bps: int) -> None:
        self._picture = width, height, fps
        self._count = 0
        self._bitrate_bps = bitrate_bps
        self._open()

    def encode(self, frame: av.VideoFrame, *, key_frame: bool = False) -> tuple[bytes, bool]:
        """The picture as one access unit, and whether it is a key frame; the first always is."""
        if self._is_misfit(key_frame=key_frame):
            self._open()
        self._context.bit_rate = self._bitrate_bps
        if frame.format.name != "yuv420p":
            frame = frame.reformat(format="yuv420p")
        frame.pts = self._count
        frame.time_base = self._context.time_base
        frame.pict_type = PictureType.I if key_frame else PictureType.NONE
        self._count += 1
        packets = self._context.encode(frame)  # without delay: one in, one out
        return b"".join(map(bytes, packets)), any(packet.is_keyframe for packet in packets)

    def set_bitrate(self, bps: int) -> None:
        """Aims at another bitrate from the next picture on."""
        self._bitrate_bps = bps

    def _is_misfit(self, *, key_frame: bool) -> bool:
        ratio = self._bitrate_bps / self._opened_bps
        return ratio > RANGE or (key_frame and ratio < 1 / RANGE)

    def _open(self) -> None:
        bps = self._opened_bps = self._bitrate_bps
        most_bps = int(RANGE * bps)
        self._context = _context(*self._picture)
        # It follows another bitrate only if it opens with the most that it may spend.
        self._context.bit_rate = most_bps
        self._context.options |= {"maxrate": str(most_bps), "bufsize": str(int(BURST_S * bps))}
        self._context.open()


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
