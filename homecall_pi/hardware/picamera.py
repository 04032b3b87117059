"""The Raspberry Pi's camera by picamera2, its H.264 passed on as it comes.

Pi 4 and older, and Zero 2 W, encode in hardware. Where there is no such encoder (Pi 5), pictures go
through x264 here: picamera2's own software encoder delays pictures by its threads, cannot change
its bitrate, and asks PyAV for key frames in a way that PyAV refuses since version 14.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import logging
import os
import struct
import threading
from collections.abc import Callable
from typing import Any, Final

import av
import msgspec

from ..config.parts import CameraConfig
from ..core.ports import VIDEO_CLOCK_HZ
from ..errors import HardwareError, OperatorError
from .annexb import ParameterSets
from .camera import WatchedCamera
from .encoder import GOP_S, SoftwareEncoder
from .watch import Deliver, Patience

log = logging.getLogger(__name__)

VIDIOC_S_CTRL: Final = 0xC008561C
V4L2_CID_MPEG_VIDEO_BITRATE: Final = 0x009909CF
PROFILE: Final = "constrained baseline"
LOOK_S: Final = 0.25
"""Seconds between looks whether a picture could not be handed on."""


class Library(msgspec.Struct):
    """What the adapter uses of picamera2 and libcamera, by the names that it has there."""

    Picamera2: Any
    H264Encoder: Any
    """The hardware encoder, or None on a board that has none."""
    Encoder: Any
    MappedArray: Any
    Output: Any
    Transform: Any
    AeExposureModeLong: Any
    ioctl: Any = fcntl.ioctl


def load() -> Library:
    """The library, imported.

    Raises:
        OperatorError: it is not installed.
    """
    # What goes wrong is told by us, once; libcamera tells it at each try, and all else as well.
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:FATAL")
    try:
        from libcamera import Transform, controls
        from picamera2 import MappedArray, Picamera2, encoders
        from picamera2.outputs import Output
    except ImportError as error:
        raise OperatorError(
            f"camera.source: picamera2 cannot be imported: {error}; `apt install python3-picamera2`"
            " and make the virtual environment with --system-site-packages"
        ) from None
    hardware = encoders.H264Encoder is not encoders.LibavH264Encoder
    return Library(
        Picamera2=Picamera2,
        H264Encoder=encoders.H264Encoder if hardware else None,
        Encoder=encoders.Encoder,
        MappedArray=MappedArray,
        Output=Output,
        Transform=Transform,
        AeExposureModeLong=controls.AeExposureModeEnum.Long,
    )


def build(
    config: CameraConfig, library: Library, patience: Patience | None = None
) -> WatchedCamera:
    """The camera."""
    return WatchedCamera(
        lambda: PicameraSource(library, config),
        size=(config.width, config.height),
        warm_s=config.warm_s,
        patience=patience,
    )


class PicameraSource:
    """One opening of the camera."""

    def __init__(self, library: Library, config: CameraConfig) -> None:
        self._library = library
        self._config = config
        self._bitrate_bps = config.bitrate_bps
        self._encoder: Any = None

    def run(self, deliver: Deliver, stopping: threading.Event) -> None:
        """Films until `stopping`."""
        with contextlib.ExitStack() as closing:  # all of it, whatever fails on the way
            camera = self._open()
            closing.callback(camera.close)
            # What hangs here must not hang once more when the interpreter ends.
            closing.callback(atexit.unregister, camera.close)
            camera.configure(self._configuration(camera))
            faults: list[Exception] = []
            encoder = self._make_encoder(faults)
            closing.callback(_stop_encoder, camera, encoder)
            closing.callback(camera.stop)
            closing.callback(self._forget_encoder)
            camera.start_recording(encoder, _output(self._library, deliver, faults))
            self._encoder = encoder
            while not stopping.wait(LOOK_S):
                if faults:
                    raise faults[0]

    def _forget_encoder(self) -> None:
        self._encoder = None

    def force_key_frame(self) -> None:
        """Makes the next picture a key frame."""
        encoder = self._encoder
        if encoder is not None:
            encoder.force_key_frame()

    def set_bitrate(self, bps: int) -> None:
        """Aims at another bitrate."""
        self._bitrate_bps = bps
        encoder = self._encoder
        if encoder is None:
            return
        if self._library.H264Encoder is None:
            encoder.set_bitrate(bps)
        else:
            control = struct.pack("=Ii", V4L2_CID_MPEG_VIDEO_BITRATE, bps)
            self._library.ioctl(encoder.vd, VIDIOC_S_CTRL, control)

    def _open(self) -> Any:
        try:
            return _camera(self._library)
        except (RuntimeError, IndexError) as error:
            log.debug("the camera cannot be opened", exc_info=True)
            raise HardwareError(_reason(error)) from None

    def _configuration(self, camera: Any) -> Any:
        config = self._config
        turned = config.rotation == 180
        slowest_fps = min(config.fps, config.night_fps)
        controls = {"FrameDurationLimits": (1_000_000 // config.fps, 1_000_000 // slowest_fps)}
        if slowest_fps < config.fps:
            controls["AeExposureMode"] = self._library.AeExposureModeLong
        return camera.create_video_configuration(
            main={"size": (config.width, config.height), "format": "YUV420"},
            transform=self._library.Transform(
                hflip=config.hflip != turned, vflip=config.vflip != turned
            ),
            controls=controls,
        )

    def _make_encoder(self, faults: list[Exception]) -> Any:
        if self._library.H264Encoder is None:
            return _software(self._library, self._config, self._bitrate_bps, faults)
        return self._library.H264Encoder(
            bitrate=self._bitrate_bps,
            repeat=True,
            iperiod=GOP_S * self._config.fps,
            framerate=self._config.fps,
            profile=PROFILE,
        )


def _camera(library: Library) -> Any:
    class Camera(library.Picamera2):  # type: ignore[misc, name-defined]
        """Leaves nothing behind when it cannot be opened: it is tried once a second."""

        def __init__(self) -> None:
            try:
                super().__init__()
            except BaseException:
                # picamera2 0.3.38 opens a pipe first of all, and closes it with the camera.
                if hasattr(self, "notifymeread"):
                    self.notifymeread.close()
                    os.close(self.notifyme_w)
                raise

    return Camera()


def _stop_encoder(camera: Any, encoder: Any) -> None:
    if encoder.running:
        camera.stop_encoder(encoder)


def _kept(faults: list[Exception], work: Callable[..., None], *arguments: Any) -> None:
    """Works on a thread of picamera2's, which an exception would end, and the camera hang then."""
    try:
        work(*arguments)
    except Exception as error:
        faults.append(error)


def _output(library: Library, deliver: Deliver, faults: list[Exception]) -> Any:
    sets = ParameterSets()

    def hand_on(frame: Any, keyframe: bool, timestamp: int | None) -> None:
        data = bytes(frame)
        pts = (timestamp or 0) * VIDEO_CLOCK_HZ // 1_000_000  # from microseconds
        deliver(sets.complete(data) if keyframe else data, keyframe, pts)

    class Output(library.Output):  # type: ignore[misc, name-defined]
        """Takes what the encoder's thread puts out."""

        def outputframe(
            self, frame: Any, keyframe: bool = True, timestamp: int | None = None, *_: Any
        ) -> None:
            _kept(faults, hand_on, frame, keyframe, timestamp)

    return Output()


def _software(
    library: Library, config: CameraConfig, bitrate_bps: int, faults: list[Exception]
) -> Any:
    class Encoder(library.Encoder):  # type: ignore[misc, name-defined]
        """Encodes on picamera2's own thread, which holds the picture meanwhile."""

        def __init__(self) -> None:
            super().__init__()
            size = config.width, config.height
            self._x264 = SoftwareEncoder(*size, config.fps, bitrate_bps)
            self._key_frame = False

        def _encode(self, stream: Any, request: Any) -> None:
            _kept(faults, self._encode_picture, stream, request)

        def _encode_picture(self, stream: Any, request: Any) -> None:
            key_frame, self._key_frame = self._key_frame, False
            with library.MappedArray(request, stream) as mapped:
                frame = av.VideoFrame.from_numpy_buffer(mapped.array, "yuv420p", width=self.width)
                data, is_key_frame = self._x264.encode(frame, key_frame=key_frame)
            self.outputframe(data, is_key_frame, self._timestamp(request))

        def force_key_frame(self) -> None:
            self._key_frame = True

        def set_bitrate(self, bps: int) -> None:
            self._x264.set_bitrate(bps)

    return Encoder()


def _reason(error: BaseException | None) -> str:
    """What picamera2's exceptions, one inside the other, mean for the family."""
    text = ""
    while error is not None:
        text += f" {error}"
        error = error.__cause__
    if "busy" in text.lower():
        return "another program uses the camera"
    if "no camera" in text.lower() or "not found" in text or "out of range" in text:
        return "no camera is connected"
    return "the camera cannot be opened"
