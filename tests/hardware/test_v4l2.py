"""Webcams of all kinds: files stand in for the device, and FFmpeg reads them all the same."""

from __future__ import annotations

import errno
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from av.container import InputContainer

from homecall_pi.config.parts import CameraConfig
from homecall_pi.core.ports import AccessUnit
from homecall_pi.errors import HardwareError
from homecall_pi.hardware import clip
from homecall_pi.hardware.annexb import IDR, SLICES, units
from homecall_pi.hardware.encoder import SoftwareEncoder
from homecall_pi.hardware.v4l2 import V4l2Source

from .h264 import decode, is_whole_key_frame

SIZE = 160, 120


class Webcam:
    """A webcam with some of the formats, each a file."""

    def __init__(self, **formats: Path) -> None:
        self.formats = formats
        self.asked: list[dict[str, str]] = []
        self.error: OSError | None = None

    def open(self, device: str, options: dict[str, str]) -> InputContainer:
        assert device == "/dev/video0"
        self.asked.append(options)
        if self.error is not None:
            raise self.error
        path = self.formats.get(options["input_format"])
        if path is None:
            raise OSError(errno.EINVAL, "Invalid argument")
        return av.open(str(path))

    def config(self, **changes: Any) -> CameraConfig:
        size = {"width": SIZE[0], "height": SIZE[1]}
        return CameraConfig(**{"source": "v4l2", **size, "fps": 10, **changes})

    def film(self, *, stop_after: int = 100, **changes: Any) -> list[AccessUnit]:
        stopping = threading.Event()
        filmed: list[AccessUnit] = []

        def deliver(data: bytes, key_frame: bool, pts: int) -> None:
            filmed.append(AccessUnit(data, pts, key_frame))
            if len(filmed) == stop_after:
                stopping.set()

        V4l2Source(self.config(**changes), self.open).run(deliver, stopping)
        return filmed


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """H.264 as a webcam delivers it."""
    encoder = SoftwareEncoder(*SIZE, 10, 300_000)
    pictures = clip.test_pictures(*SIZE, 10)
    path = tmp_path_factory.mktemp("webcam") / "baseline.h264"
    path.write_bytes(b"".join(encoder.encode(next(pictures))[0] for _ in range(10)))
    return path


def written(path: Path, codec: str, pix_fmt: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height = SIZE
        stream.pix_fmt = pix_fmt
        pictures = clip.test_pictures(*SIZE, 10)
        for _ in range(10):
            container.mux(stream.encode(next(pictures).reformat(format=pix_fmt)))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def mjpeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("webcam") / "video.avi", "mjpeg", "yuvj422p")


@pytest.fixture(scope="session")
def yuyv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("webcam") / "video.nut", "rawvideo", "yuyv422")


def test_the_webcams_own_h264_is_passed_on(baseline: Path):
    filmed = Webcam(h264=baseline).film()
    data = baseline.read_bytes()
    assert len(filmed) == 10
    assert is_whole_key_frame(filmed[0])
    assert all(unit.data in data for unit in filmed)


def test_key_frames_get_the_parameter_sets_that_the_webcam_sends_once(
    tmp_path: Path, baseline: Path
):
    encoder = SoftwareEncoder(*SIZE, 10, 300_000)
    pictures = clip.test_pictures(*SIZE, 10)
    first, _ = encoder.encode(next(pictures))
    second, _ = encoder.encode(next(pictures), key_frame=True)
    bare = next(b"\0" + nal for kind, nal in units(second) if kind == IDR)
    path = tmp_path / "once.h264"
    path.write_bytes(first + bare)
    filmed = Webcam(h264=path).film()
    assert [is_whole_key_frame(unit) for unit in filmed] == [True, True]


@pytest.mark.parametrize("kind", ["mjpeg", "yuyv"])
def test_pictures_of_other_formats_are_encoded(kind: str, request: pytest.FixtureRequest):
    path = request.getfixturevalue(kind)
    webcam = Webcam(**{"mjpeg": {"mjpeg": path}, "yuyv": {"yuyv422": path}}[kind])
    filmed = webcam.film()
    assert [unit.key_frame for unit in filmed] == [True] + [False] * 9
    assert is_whole_key_frame(filmed[0])
    assert [unit.pts for unit in filmed] == [9000 * index for index in range(10)]
    assert {(frame.width, frame.height) for frame in decode(*filmed)} == {SIZE}


def test_h264_that_some_browsers_show_black_is_not_used(tmp_path: Path, mjpeg: Path):
    high = written(tmp_path / "high.h264", "libx264", "yuv420p")
    webcam = Webcam(h264=high, mjpeg=mjpeg)
    assert is_whole_key_frame(webcam.film()[0])
    assert [options["input_format"] for options in webcam.asked] == ["h264", "mjpeg"]


def test_a_webcam_whose_key_frames_are_too_rare_does_not_encode_any_more(
    tmp_path: Path, mjpeg: Path
):
    encoder = SoftwareEncoder(*SIZE, 10, 300_000)
    pictures = clip.test_pictures(*SIZE, 10)
    path = tmp_path / "rare.h264"
    path.write_bytes(b"".join(encoder.encode(next(pictures))[0] for _ in range(60)))
    webcam = Webcam(h264=path, mjpeg=mjpeg)
    filmed: list[bool] = []

    def deliver(data: bytes, key_frame: bool, pts: int) -> None:
        filmed.append(key_frame)
        if len(filmed) == 30:
            source.force_key_frame()

    source = V4l2Source(webcam.config(), webcam.open)
    source.run(deliver, threading.Event())
    assert [index for index, key_frame in enumerate(filmed) if key_frame] == [0, 50]
    assert len(filmed) == 60
    assert [options["input_format"] for options in webcam.asked] == ["h264", "mjpeg"]


class PulledOut:
    """A webcam that is gone after three pictures, as FFmpeg tells it."""

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        self.streams = container.streams

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def demux(self, **streams: int) -> Iterator[Any]:
        return self._three(self._container.demux(**streams))

    def decode(self, **streams: int) -> Iterator[Any]:
        return self._three(self._container.decode(**streams))

    def _three(self, items: Iterator[Any]) -> Iterator[Any]:
        yield from itertools.islice(items, 3)
        raise av.error.OSError(errno.ENODEV, "No such device", "/dev/video0")


@pytest.mark.parametrize("kind", ["h264", "mjpeg"])
def test_a_webcam_that_is_pulled_out_while_it_films_is_missing(
    kind: str, baseline: Path, mjpeg: Path
):
    webcam = Webcam(**{kind: {"h264": baseline, "mjpeg": mjpeg}[kind]})
    filmed: list[bytes] = []

    def open_device(device: str, options: dict[str, str]) -> Any:
        return PulledOut(webcam.open(device, options))

    source = V4l2Source(webcam.config(), open_device)
    with pytest.raises(HardwareError, match="no camera is connected"):
        source.run(lambda data, *_: filmed.append(data), threading.Event())
    assert len(filmed) == 3


def test_what_is_asked_for_is_what_the_configuration_says(mjpeg: Path):
    webcam = Webcam(mjpeg=mjpeg)
    webcam.film(fps=15)
    assert webcam.asked[-1] == {
        "input_format": "mjpeg",
        "video_size": "160x120",
        "framerate": "15",
    }


@pytest.mark.parametrize(
    ("changes", "corner"),
    [
        ({}, (0, 0)),
        ({"rotation": 180}, (1, 1)),
        ({"hflip": True}, (1, 0)),
        ({"vflip": True}, (0, 1)),
        ({"rotation": 180, "hflip": True}, (0, 1)),
    ],
)
def test_a_picture_can_be_turned_and_mirrored_though_not_if_it_is_h264(
    tmp_path: Path, changes: dict[str, Any], corner: tuple[int, int]
):
    """A white quarter shows where the upper left corner went."""
    frame = av.VideoFrame(*SIZE, "yuv420p")
    luma = bytearray(frame.planes[0].buffer_size)
    for y in range(SIZE[1] // 2):
        start = y * frame.planes[0].line_size
        luma[start : start + SIZE[0] // 2] = b"\xeb" * (SIZE[0] // 2)
    frame.planes[0].update(bytes(luma))
    for plane in frame.planes[1:]:
        plane.update(b"\x80" * plane.buffer_size)
    path = tmp_path / "corner.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p"
        container.mux(stream.encode(frame.reformat(format="yuvj420p")))
        container.mux(stream.encode(None))
    webcam = Webcam(mjpeg=path)
    (shown,) = decode(*webcam.film(**changes))
    plane = shown.planes[0]
    data = bytes(plane)
    bright = {
        (x, y)
        for x in (0, 1)
        for y in (0, 1)
        if data[(30 + 60 * y) * plane.line_size + 40 + 80 * x] > 128
    }
    assert bright == {corner}
    assert ("h264" in [options["input_format"] for options in webcam.asked]) == (not changes)


def test_it_stops_when_it_is_told_to(mjpeg: Path, baseline: Path):
    assert len(Webcam(mjpeg=mjpeg).film(stop_after=3)) == 3
    assert len(Webcam(h264=baseline).film(stop_after=3)) == 3


def test_key_frame_and_bitrate_can_be_wanted_while_it_films(mjpeg: Path):
    webcam = Webcam(mjpeg=mjpeg)
    filmed: list[bool] = []

    def deliver(data: bytes, key_frame: bool, pts: int) -> None:
        filmed.append(key_frame)
        source.set_bitrate(200_000)
        if len(filmed) == 4:
            source.force_key_frame()

    source = V4l2Source(CameraConfig(width=SIZE[0], height=SIZE[1]), webcam.open)
    source.set_bitrate(100_000)
    source.run(deliver, threading.Event())
    assert [index for index, key_frame in enumerate(filmed) if key_frame] == [0, 4]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOENT, "no camera is connected"),
        (errno.ENODEV, "no camera is connected"),
        (errno.EBUSY, "another program uses the camera"),
        (errno.EACCES, "the camera may not be used by this user"),
        (errno.EIO, "the camera cannot be opened"),
    ],
)
def test_the_reason_is_told_in_words(number: int, reason: str):
    webcam = Webcam()
    webcam.error = OSError(number, "")
    with pytest.raises(HardwareError, match=f"^{reason}$"):
        webcam.film()


def test_ffmpegs_own_errors_are_of_the_kind_that_is_expected():
    with pytest.raises(HardwareError, match="^no camera is connected$"):
        V4l2Source(CameraConfig(device="/nonexistent/video0")).run(
            lambda *_: None, threading.Event()
        )


def test_the_first_slice_ends_what_is_looked_at(baseline: Path):
    kinds = [kind for kind, _ in units(baseline.read_bytes())]
    assert kinds[-1] in SLICES
    assert sum(kind in SLICES for kind in kinds) == 1
