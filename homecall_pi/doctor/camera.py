"""The camera: takes a picture."""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path

from ..config.parts import CameraConfig
from ..config.schema import Config
from ..control import Status
from ..errors import HardwareError, OperatorError
from ..hardware import door, still
from ..hardware.camera import WatchedCamera
from ..hardware.watch import Source
from .finding import Finding, fail, ok, warn

PICTURE_S = 8.0
"""Seconds until a camera has delivered its first picture."""
CLOSE_S = 2.0

_BUSY = "another program uses the camera"
_CURES = {
    _BUSY: "see which: sudo fuser -v /dev/video* /dev/media*",
    "no camera is connected": "switch off, press the cable in at both ends, and look again: "
    "rpicam-hello --list-cameras, or for a webcam v4l2-ctl --list-devices and `device` in [camera]",
    "the camera does not respond": "see to its cable and to the power supply",
}
_OTHERWISE = "docs/camera.md tells how to try it alone"


def check(config: CameraConfig, status: Status | None, devices: list[Path]) -> Finding:
    """Whether the camera delivers; `status` is that of the daemon, if one runs."""
    if config.source == "none":
        return warn("there is none: the family sees nothing", "set source in [camera]")
    if status is not None and status.call_id is not None:
        return ok(f"in use by call {status.call_id}; pictures sent: {status.frames_sent}")
    if locked := [path for path in devices if path.exists() and not os.access(path, os.R_OK)]:
        return warn(f"this user may not use {locked[0]}", "sudo homecall-pi doctor")
    try:
        size = len(take_picture(_source(config)))
    except OperatorError as error:
        what, _, cure = str(error).partition("; ")
        return fail(what, cure or _OTHERWISE)
    except HardwareError as error:
        if str(error) == _BUSY and status is not None and config.warm_s:
            return ok("the daemon keeps it on for the next call")
        return fail(str(error), _CURES.get(str(error), _OTHERWISE))
    if config.source in {"fake", "file", "test"}:
        return warn(f'source = "{config.source}" films nobody', "set source in [camera]")
    return ok(f"took a picture of {size // 1024} kB")


def _source(config: CameraConfig) -> Source:
    """One opening of the camera, as the daemon would make it."""
    camera = door.build(Config(camera=config)).camera
    assert isinstance(camera, WatchedCamera)  # noqa: S101 - all but none are
    return camera.open_source()


def take_picture(source: Source, patience_s: float = PICTURE_S) -> bytes:
    """The first picture of a camera as a JPEG.

    Raises:
        HardwareError: there is none in time.
    """
    delivered: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
    stopping = threading.Event()

    def deliver(data: bytes, key_frame: bool, _: int) -> None:
        if key_frame:
            delivered.put(data)

    def film() -> None:
        try:
            source.run(deliver, stopping)
        except Exception as error:
            delivered.put(error)

    filming = threading.Thread(target=film, name="camera", daemon=True)
    filming.start()
    try:
        picture = delivered.get(timeout=patience_s)
    except queue.Empty:
        raise HardwareError("the camera does not respond") from None
    finally:
        stopping.set()
        filming.join(CLOSE_S)
    if isinstance(picture, Exception):
        raise picture
    return still.jpeg(picture)
