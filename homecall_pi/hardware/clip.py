"""Recorded clips, played round and round: pictures and sound for doors without the real parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
from av.filter import Graph

from ..core.ports import BLOCK_SAMPLES, SAMPLE_RATE
from ..errors import OperatorError

MEDIA = Path(__file__).parent / "media"


def check(path: Path, kind: str) -> None:
    """Makes sure that `path` is a clip with a stream of `kind` ("video" or "audio").

    Raises:
        OperatorError: it is not; the message says what to do.
    """
    try:
        with av.open(str(path)) as container:
            found = any(stream.type == kind for stream in container.streams)
    except (OSError, av.FFmpegError) as error:
        raise OperatorError(f"{path} cannot be played: {error}; give a readable clip") from None
    if not found:
        raise OperatorError(f"{path} has no {kind} in it; give a clip with a {kind} track")


def pictures(path: Path, width: int, height: int, fps: int) -> Iterator[av.VideoFrame]:
    """Endless writable frames of `width` x `height` in yuv420p, `fps` per second of the clip.

    A clip of another shape fills the picture and loses what stands over.
    """
    while True:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            graph = _picture_graph(stream, width, height, fps)
            for frame in container.decode(stream):
                graph.push(frame)
                yield from _pull(graph)


def _picture_graph(stream: av.VideoStream, width: int, height: int, fps: int) -> Graph:
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(template=stream),
        graph.add("fps", str(fps)),
        graph.add("scale", f"{width}:{height}:force_original_aspect_ratio=increase"),
        graph.add("crop", f"{width}:{height}"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ).configure()
    return graph


def _pull(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.vpull()
        except (BlockingIOError, av.EOFError):
            return
        frame.make_writable()
        yield frame


def blocks(path: Path) -> Iterator[bytes]:
    """Endless blocks of BLOCK_SAMPLES samples."""
    size = 2 * BLOCK_SAMPLES
    while True:
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE, frame_size=BLOCK_SAMPLES)
        with av.open(str(path)) as container:
            for frame in container.decode(audio=0):
                for block in resampler.resample(frame):
                    yield bytes(block.planes[0])[:size]
