"""The daemon with another camera: `python -m tests.bench.replay_door CAMERA run …`.

CAMERA is a file of access units, which is replayed in real time so that no encoder runs, and the
family's sound is not played then, so that video is all that costs; or `picamera2`: our adapter over
a fake of that library.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
import sys
import threading
from pathlib import Path

import msgspec

from homecall_pi.cli import main
from homecall_pi.config import CameraConfig, Config
from homecall_pi.core.ports import VIDEO_CLOCK_HZ, Door
from homecall_pi.hardware import clip, door, picamera
from homecall_pi.hardware.annexb import is_key_frame
from homecall_pi.hardware.camera import WatchedCamera
from homecall_pi.hardware.encoder import SoftwareEncoder
from homecall_pi.hardware.fake import ticks
from homecall_pi.hardware.fake_picamera2 import Machine
from homecall_pi.hardware.watch import Deliver
from homecall_pi.webrtc.voice import Voice

WIDTH, HEIGHT, FPS = 1280, 720, 30


def record(path: Path, bitrate_bps: int, seconds: int) -> int:
    """Encodes a clip into `path`, each access unit behind its length; the bitrate it has."""
    encoder = SoftwareEncoder(WIDTH, HEIGHT, FPS, bitrate_bps)
    pictures = clip.pictures(clip.MEDIA / "porch.mp4", WIDTH, HEIGHT, FPS)
    units = [
        encoder.encode(picture, key_frame=index % (2 * FPS) == 0)[0]
        for index, picture in enumerate(itertools.islice(pictures, seconds * FPS))
    ]
    path.write_bytes(b"".join(struct.pack("!I", len(unit)) + unit for unit in units))
    return sum(map(len, units)) * 8 // seconds


def read(path: Path) -> list[bytes]:
    """The access units in `path`."""
    data, at, units = path.read_bytes(), 0, []
    while at < len(data):
        (size,) = struct.unpack_from("!I", data, at)
        units.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return units


class Replay:
    """A camera with an encoder of its own: access units as they were recorded."""

    def __init__(self, units: list[bytes]) -> None:
        self._units = [(unit, is_key_frame(unit)) for unit in units]

    def run(self, deliver: Deliver, stopping: threading.Event) -> None:
        """Delivers until `stopping`."""
        for tick, (data, key_frame) in zip(
            ticks(1 / FPS, stopping), itertools.cycle(self._units), strict=False
        ):
            deliver(data, key_frame, tick * VIDEO_CLOCK_HZ // FPS)

    def force_key_frame(self) -> None:
        """Waits for the next one."""

    def set_bitrate(self, bps: int) -> None:
        """Keeps to what was recorded."""


def build(config: Config) -> Door:
    """The door of the configuration, with the other camera."""
    camera = msgspec.structs.replace(config.camera, source="fake")
    made = build_door(msgspec.structs.replace(config, camera=camera))
    return msgspec.structs.replace(made, camera=make_camera(CAMERA, config.camera))


def make_camera(kind: str, config: CameraConfig) -> WatchedCamera:
    """The other camera."""
    if kind == "picamera2":
        return picamera.build(config, Machine().library())
    units = read(Path(kind))
    return WatchedCamera(lambda: Replay(units), size=(WIDTH, HEIGHT))


async def play_nothing(_: Voice) -> None:
    """Stands in for the family's sound."""
    await asyncio.Event().wait()


if __name__ == "__main__":
    build_door = door.build
    door.build = build
    CAMERA = sys.argv.pop(1)
    if CAMERA != "picamera2":
        Voice.run = play_nothing
    main()
