"""Recorded clips, played round and round: pictures and sound for doors without the real parts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import av
from av.filter import Graph

from ..core.ports import BLOCK_SAMPLES, SAMPLE_RATE
from ..errors import HardwareError, OperatorError

MEDIA = Path(__file__).parent / "media"
MAX_SOUND_S = 30
"""Seconds of a recording that are kept in memory as a whole (96 kB each)."""

_T = TypeVar("_T")


def check(path: Path, kind: str, key: str) -> None:
    """Makes sure that `path` is a clip with a stream of `kind` ("video" or "audio").

    `key` of the configuration names it.

    Raises:
        OperatorError: it is not; the message says what to do.
    """
    try:
        with av.open(str(path)) as container:
            streams = [stream for stream in container.streams if stream.type == kind]
            found = next(container.decode(streams[0]), None) if streams else None
    except (OSError, av.FFmpegError) as error:
        why = error.strerror or error  # the whole names the path again
        raise OperatorError(
            f"{key}: {path} cannot be played: {why}; give a readable clip"
        ) from None
    if found is None:
        raise OperatorError(f"{key}: {path} has no {kind} in it; give a clip with a {kind} track")


def pictures(path: Path, width: int, height: int, fps: int) -> Iterator[av.VideoFrame]:
    """Endless writable frames of `width` x `height` in yuv420p, `fps` per second of the clip.

    A clip of another shape fills the picture and loses what stands over.
    """
    return _endless(lambda: _pictures_once(path, width, height, fps), path)


def _pictures_once(path: Path, width: int, height: int, fps: int) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        graph = _picture_graph(stream, width, height, fps)
        for frame in itertools.chain(container.decode(stream), [None]):
            graph.push(frame)  # None: the last ones come out
            yield from _pull(graph)


def test_pictures(width: int, height: int, fps: int) -> Iterator[av.VideoFrame]:
    """FFmpeg's moving test picture, endless, `fps` per second."""
    graph = Graph()
    graph.link_nodes(
        graph.add("testsrc2", f"size={width}x{height}:rate={fps}"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ).configure()
    return _pull(graph)


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


def samples(path: Path) -> bytes:
    """The first MAX_SOUND_S seconds of a recording, as samples."""
    count = MAX_SOUND_S * SAMPLE_RATE // BLOCK_SAMPLES
    return b"".join(itertools.islice(_blocks_once(path), count))


def blocks(path: Path) -> Iterator[bytes]:
    """Endless blocks of BLOCK_SAMPLES samples."""
    return _endless(lambda: _blocks_once(path), path)


def _blocks_once(path: Path) -> Iterator[bytes]:
    size = 2 * BLOCK_SAMPLES
    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE, frame_size=BLOCK_SAMPLES)
    with av.open(str(path)) as container:
        for frame in itertools.chain(container.decode(audio=0), [None]):
            for block in resampler.resample(frame):  # None: the last ones come out
                yield bytes(block.planes[0])[: 2 * block.samples].ljust(size, b"\0")


def _endless(once: Callable[[], Iterator[_T]], path: Path) -> Iterator[_T]:
    """The items again and again.

    Raises:
        HardwareError: there are none, and the search for the first would never end.
    """
    while True:
        empty = True
        for item in once():
            empty = False
            yield item
        if empty:
            raise HardwareError(f"{path} is too short to be played")
