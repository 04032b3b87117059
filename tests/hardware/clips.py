"""Small clips, made by PyAV's own test sources."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph


def write_video(
    path: Path, *, colour: str = "", width: int = 320, height: int = 240, frames: int = 10
) -> Path:
    """A clip of one colour, or of FFmpeg's moving test picture, at 10 frames per second."""
    graph = Graph()
    kind = f"size={width}x{height}:rate=10"
    graph.link_nodes(
        graph.add("color", f"color={colour}:{kind}") if colour else graph.add("testsrc2", kind),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ).configure()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg" if path.suffix == ".jpg" else "libx264", rate=10)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if path.suffix == ".jpg" else "yuv420p"
        for _ in range(frames):
            container.mux(stream.encode(graph.vpull()))
        container.mux(stream.encode(None))
    return path


def write_audio(path: Path, *, samples: int = 44_100, rate: int = 44_100) -> Path:
    """A tone in stereo."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="stereo")
        frame = av.AudioFrame(format="s16", layout="stereo", samples=samples)
        frame.planes[0].update(
            b"".join(
                (8000 if index // 50 % 2 else -8000).to_bytes(2, "little", signed=True) * 2
                for index in range(samples)
            )
        )
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
