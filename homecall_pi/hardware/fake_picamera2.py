"""As much of picamera2 0.3.38 and libcamera as the adapter calls, without a camera.

It behaves like the real one where that matters: a start that takes its time, pictures encoded and
handed out on threads of its own, exceptions of the same kinds and words, a camera that can be
opened once, calls that never return when the hardware hangs. The H.264 is real.
"""

# ruff: noqa: D102 - the methods are picamera2's, and so is their description

from __future__ import annotations

import logging
import os
import queue
import struct
import threading
import time
from collections import deque
from typing import Any

import msgspec

from .encoder import SoftwareEncoder
from .picamera import V4L2_CID_MPEG_VIDEO_BITRATE, VIDIOC_S_CTRL, Library

log = logging.getLogger("picamera2.picamera2")

AE_EXPOSURE_MODE_LONG = 2
KEPT_CAMERAS = 8
BUFFERS = 4
"""Pictures that may wait for the encoder; whoever has another one waits, too."""


class Machine:
    """A Raspberry Pi with a camera, as tests want it. Its attributes may change at any time."""

    def __init__(self, *, hardware_encoder: bool = True, start_s: float = 0.0) -> None:
        self.hardware_encoder = hardware_encoder
        self.start_s = start_s
        self.connected = True
        """Whether the camera is plugged in. Pulled out while it runs, it falls silent."""
        self.busy = False
        """Whether another program has the camera."""
        self.returns = threading.Event()
        """While it is clear, stopping the camera does not return."""
        self.returns.set()
        self.cameras: deque[Picamera2] = deque(maxlen=KEPT_CAMERAS)
        """Those that were opened last."""

    def library(self) -> Library:
        """picamera2 on this machine."""
        machine = self

        class OfThisMachine(Picamera2):
            def __init__(self) -> None:
                super().__init__(machine)

        return Library(
            Picamera2=OfThisMachine,
            H264Encoder=H264Encoder if self.hardware_encoder else None,
            Encoder=Encoder,
            MappedArray=MappedArray,
            Output=Output,
            Transform=Transform,
            AeExposureModeLong=AE_EXPOSURE_MODE_LONG,
            ioctl=ioctl,
        )


class Transform(msgspec.Struct):
    """libcamera.Transform."""

    hflip: int = 0
    vflip: int = 0


class Output:
    """picamera2.outputs.Output."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def outputframe(
        self,
        frame: Any,
        keyframe: bool = True,
        timestamp: int | None = None,
        packet: Any = None,
        audio: bool = False,
    ) -> None: ...


class Request(msgspec.Struct):
    """picamera2's CompletedRequest: one picture, YUV420 in rows of `stride` bytes."""

    array: Any
    sensor_timestamp_ns: int


class MappedArray:
    """picamera2.MappedArray."""

    def __init__(self, request: Request, stream: str) -> None:
        if stream != "main":
            raise KeyError(stream)
        self.array = request.array

    def __enter__(self) -> MappedArray:
        return self

    def __exit__(self, *_: object) -> None:
        del self.array


class Picamera2:
    """picamera2.Picamera2."""

    is_open: bool

    def __init__(self, machine: Machine, camera_num: int = 0) -> None:
        self.notifyme_r, self.notifyme_w = os.pipe2(os.O_NONBLOCK)
        self.notifymeread = os.fdopen(self.notifyme_r, "rb")
        self.is_open = False
        time.sleep(machine.start_s)
        if not machine.connected:
            raise RuntimeError(
                f"No camera number {camera_num} found - use "
                '"rpicam-hello --list-cameras" to check connected cameras'
            )
        if machine.busy or any(camera.is_open for camera in machine.cameras):
            cause = RuntimeError("Failed to acquire camera: Device or resource busy")
            log.error("Camera __init__ sequence did not complete.")
            raise RuntimeError("Camera __init__ sequence did not complete.") from cause
        self.is_open = True
        self.config: dict[str, Any] = {}
        self.encoders: set[Encoder] = set()
        self._machine = machine
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._fell = threading.Event()
        """Whether an exception ended the loop's thread. Nothing stops the camera any more then."""
        machine.cameras.append(self)

    def create_video_configuration(
        self, main: dict[str, Any], transform: Transform, controls: dict[str, Any]
    ) -> dict[str, Any]:
        """The configuration; the formats that both encoders and JPEG know."""
        if main["format"] not in {"YUV420", "XBGR8888"}:
            raise RuntimeError(f"Bad format {main['format']} in stream main")
        return {"main": main, "transform": transform, "controls": controls}

    def configure(self, config: dict[str, Any]) -> None:
        if self._thread is not None:
            raise RuntimeError("Camera must be stopped before configuring")
        self.config = config

    def start_recording(self, encoder: Encoder, output: Output) -> None:
        if not self.config:
            raise RuntimeError("Camera has not been configured")
        encoder.output = output
        encoder.width, encoder.height = self.config["main"]["size"]
        encoder.start()
        self.encoders.add(encoder)
        self._thread = threading.Thread(target=self._run, name="picamera2", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is None:
            return
        self._machine.returns.wait()
        self._stop.set()
        self._thread.join()
        if self._fell.is_set():
            threading.Event().wait()
        self._thread = None

    def stop_encoder(self, encoder: Encoder) -> None:
        encoder.stop()
        self.encoders.remove(encoder)

    def close(self) -> None:
        if not self.is_open:
            return
        self.stop()
        self.is_open = False
        self.notifymeread.close()
        os.close(self.notifyme_w)

    def _run(self) -> None:
        """The event loop: one request per picture, each to all encoders."""
        import numpy as np

        width, height = self.config["main"]["size"]
        stride = (width + 63) // 64 * 64
        period_s = self.config["controls"]["FrameDurationLimits"][0] / 1_000_000
        picture = np.full((height * 3 // 2, stride), 128, dtype=np.uint8)
        count = 0
        while not self._stop.wait(period_s):
            if not self._machine.connected:
                continue
            picture[count % height] = 64 + count % 128
            count += 1
            try:
                for encoder in set(self.encoders):
                    encoder.encode("main", Request(picture, time.monotonic_ns()))
            except BaseException:
                self._fell.set()
                raise


class Encoder:
    """picamera2.encoders.Encoder."""

    def __init__(self) -> None:
        self.width = self.height = 0
        self.output = Output()
        self.firsttimestamp: int | None = None
        self._running = False
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        return self._running

    def start(self) -> None:
        with self._lock:
            if self._running:
                raise RuntimeError("Encoder already running")
            self._running = True
            self.output.start()
            self._start()

    def stop(self) -> None:
        with self._lock:
            if not self._running:
                raise RuntimeError("Encoder already stopped")
            self._running = False
            self._stop()
            self.output.stop()

    def encode(self, stream: str, request: Request) -> None:
        with self._lock:
            if self._running:
                self._encode(stream, request)

    def outputframe(self, frame: bytes, keyframe: bool = True, timestamp: int = 0) -> None:
        self.output.outputframe(frame, keyframe, timestamp, None, False)

    def _start(self) -> None: ...

    def _stop(self) -> None: ...

    def _encode(self, stream: str, request: Request) -> None:
        raise NotImplementedError

    def _timestamp(self, request: Request) -> int:
        now_us = request.sensor_timestamp_ns // 1000
        if self.firsttimestamp is None:
            self.firsttimestamp = now_us
        return now_us - self.firsttimestamp


class H264Encoder(Encoder):
    """picamera2.encoders.H264Encoder on boards with the hardware for it."""

    def __init__(
        self,
        bitrate: int | None = None,
        repeat: bool = True,
        iperiod: int | None = None,
        framerate: float | None = None,
        enable_sps_framerate: bool = False,
        qp: int | None = None,
        profile: str | None = None,
    ) -> None:
        super().__init__()
        self.bitrate = bitrate or 2_000_000
        self.repeat = repeat
        self.iperiod = iperiod
        self.profile = profile
        self._framerate = framerate or 30
        self._requested = self._generated = 0
        self._frames: queue.Queue[tuple[Any, bool, int] | None] = queue.Queue(BUFFERS)

    def force_key_frame(self) -> None:
        self._requested += 1

    def _start(self) -> None:
        x264 = SoftwareEncoder(self.width, self.height, int(self._framerate), self.bitrate)
        self.vd = Device(x264)
        self._thread = threading.Thread(target=self._poll, args=(x264,), daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        self._frames.put(None)
        self._thread.join()
        self.vd.closed = True

    def _encode(self, stream: str, request: Request) -> None:
        wanted = self._requested > self._generated
        self._generated += wanted
        with MappedArray(request, stream) as mapped:
            self._frames.put((mapped.array.copy(), wanted, self._timestamp(request)))

    def _poll(self, x264: SoftwareEncoder) -> None:
        import av

        while (item := self._frames.get()) is not None:
            array, wanted, timestamp = item
            frame = av.VideoFrame.from_numpy_buffer(array, "yuv420p", width=self.width)
            self.outputframe(*x264.encode(frame, key_frame=wanted), timestamp)


class Device(msgspec.Struct):
    """The encoder's /dev/video11."""

    x264: SoftwareEncoder
    closed: bool = False
    bitrate_bps: int = 0


def ioctl(device: Device, request: int, argument: bytes) -> None:
    """fcntl.ioctl, for the bitrate of an encoder that runs."""
    if device.closed:
        raise ValueError("I/O operation on closed file")
    control, device.bitrate_bps = struct.unpack("=Ii", argument)
    if (request, control) != (VIDIOC_S_CTRL, V4L2_CID_MPEG_VIDEO_BITRATE):
        raise OSError(22, "Invalid argument")
    device.x264.set_bitrate(device.bitrate_bps)
