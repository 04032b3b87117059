"""A USB webcam by Video4Linux: its own H.264 where that is of use, else x264 on its pictures."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import av
from av.container import InputContainer
from av.filter import Graph

from ..config.parts import CameraConfig
from ..core.ports import VIDEO_CLOCK_HZ
from ..errors import HardwareError
from . import annexb
from .camera import WatchedCamera
from .encoder import SoftwareEncoder
from .watch import Deliver, Patience

log = logging.getLogger(__name__)

OpenDevice = Callable[[str, dict[str, str]], InputContainer]

INPUTS = ("h264", "mjpeg", "yuyv422")
"""What a webcam is asked for, in this order. MJPEG before raw: USB 2 carries that in 720p alone."""
KEY_FRAME_S = 2.0
"""Seconds that the family may wait for a key frame of the webcam's own."""
_GONE = {errno.ENODEV, errno.ENXIO, errno.ENOENT}


def open_device(device: str, options: dict[str, str]) -> InputContainer:
    """The webcam, through FFmpeg."""
    return av.open(device, format="v4l2", options=options)


def build(config: CameraConfig, patience: Patience | None = None) -> WatchedCamera:
    """The camera."""
    return WatchedCamera(
        lambda: V4l2Source(config),
        size=(config.width, config.height),
        warm_s=config.warm_s,
        patience=patience,
    )


class V4l2Source:
    """One opening of the webcam."""

    def __init__(self, config: CameraConfig, open_device: OpenDevice = open_device) -> None:
        self._config = config
        self._open_device = open_device
        turned = config.rotation == 180
        flips = {"hflip": config.hflip != turned, "vflip": config.vflip != turned}
        self._filters = [name for name, wanted in flips.items() if wanted]
        self._encoder: SoftwareEncoder | None = None
        self._key_frame = False
        self._bitrate_bps = config.bitrate_bps

    def run(self, deliver: Deliver, stopping: threading.Event) -> None:
        """Films until `stopping`."""
        try:
            for wanted in INPUTS:
                # What the webcam compressed cannot be turned any more.
                if not (wanted == "h264" and self._filters) and self._film(
                    wanted, deliver, stopping
                ):
                    return
        except OSError as error:  # FFmpeg's errors are of this kind, too
            raise HardwareError(_reason(error)) from error
        raise HardwareError("the webcam delivers no format that is known")

    def force_key_frame(self) -> None:
        """Makes the next picture a key frame.

        A webcam that encodes takes no requests. If it sends none by itself within KEY_FRAME_S, its
        pictures are encoded here from then on.
        """
        self._key_frame = True

    def set_bitrate(self, bps: int) -> None:
        """Aims at another bitrate, unless the webcam encodes."""
        self._bitrate_bps = bps
        encoder = self._encoder
        if encoder is not None:
            encoder.set_bitrate(bps)

    def _film(self, wanted: str, deliver: Deliver, stopping: threading.Event) -> bool:
        """Films in one format; False: the webcam has it not, or it is of no use."""
        config = self._config
        options = {
            "input_format": wanted,
            "video_size": f"{config.width}x{config.height}",
            "framerate": str(config.fps),
        }
        try:
            container = self._open_device(config.device, options)
        except OSError as error:
            if error.errno in _GONE | {errno.EBUSY, errno.EACCES} or wanted == INPUTS[-1]:
                raise
            log.debug("the webcam has no %s: %r", wanted, error)
            return False
        with container:
            if container.streams.video[0].codec_context.name != "h264":
                self._encode(container, deliver, stopping)
                return True
            return self._pass_on(container, deliver, stopping)

    def _pass_on(
        self, container: InputContainer, deliver: Deliver, stopping: threading.Event
    ) -> bool:
        sets = annexb.ParameterSets()
        self._key_frame = True
        waited = 0
        for packet in container.demux(video=0):
            if stopping.is_set():
                return True
            data = bytes(packet)
            if not annexb.is_baseline(data):
                log.debug("the webcam's H.264 is not of the baseline profile")
                return False
            key_frame = annexb.is_key_frame(data)
            if key_frame:
                self._key_frame = False
            waited = waited + 1 if self._key_frame else 0
            if waited > KEY_FRAME_S * self._config.fps:
                log.info("the webcam's own key frames are too rare; its pictures are encoded here")
                return False
            if data:
                deliver(sets.complete(data) if key_frame else data, key_frame, _ticks(packet))
        return True

    def _encode(
        self, container: InputContainer, deliver: Deliver, stopping: threading.Event
    ) -> None:
        for frame in self._pictures(container):
            if stopping.is_set():
                return
            if self._encoder is None:
                self._encoder = self._make_encoder(frame)
            ticks = _ticks(frame)
            key_frame, self._key_frame = self._key_frame, False
            data, is_key_frame = self._encoder.encode(frame, key_frame=key_frame)
            deliver(data, is_key_frame, ticks)

    def _pictures(self, container: InputContainer) -> Iterator[av.VideoFrame]:
        frames = container.decode(video=0)
        if not self._filters:
            yield from frames
            return
        graph = Graph()
        graph.link_nodes(
            graph.add_buffer(template=container.streams.video[0]),
            *(graph.add(name) for name in self._filters),
            graph.add("buffersink"),
        ).configure()
        for frame in frames:
            graph.push(frame)
            yield graph.vpull()

    def _make_encoder(self, frame: av.VideoFrame) -> SoftwareEncoder:
        """For pictures of this size: webcams deliver what they can, not what they are asked for."""
        config = self._config
        return SoftwareEncoder(frame.width, frame.height, config.fps, self._bitrate_bps)


def _ticks(item: av.Packet[Any] | av.VideoFrame) -> int:
    """The time of a packet or frame in ticks of VIDEO_CLOCK_HZ."""
    if item.pts is None or item.time_base is None:
        return 0
    return int(item.pts * item.time_base * VIDEO_CLOCK_HZ)


def _reason(error: OSError) -> str:
    if error.errno in _GONE:
        return "no camera is connected"
    if error.errno == errno.EBUSY:
        return "another program uses the camera"
    if error.errno == errno.EACCES:
        return "the camera may not be used by this user"
    return "the camera cannot be opened"
