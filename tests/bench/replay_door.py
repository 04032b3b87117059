"""The daemon with another camera: `python -m tests.bench.replay_door CAMERA run …`.

CAMERA is a file of access units, which is replayed in real time so that no encoder runs. Or it is
one with an encoder:
`picamera2`, our adapter over a fake of that library, or `noise`, which needs all the bits that it
may spend. What the page asks of the encoder is noted then on standard error.
"""

from __future__ import annotations

import itertools
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import msgspec
from aiortc.rtp import RTCP_PSFB_PLI, AnyRtcpPacket, RtcpPsfbPacket
from av.filter import Graph

from homecall_pi.cli import main
from homecall_pi.config.parts import CameraConfig
from homecall_pi.config.schema import Config
from homecall_pi.core.ports import VIDEO_CLOCK_HZ, AccessUnit, Door
from homecall_pi.hardware import clip, door, picamera
from homecall_pi.hardware.annexb import is_key_frame
from homecall_pi.hardware.camera import WatchedCamera
from homecall_pi.hardware.encoder import SoftwareEncoder
from homecall_pi.hardware.fake import ticks
from homecall_pi.hardware.fake_picamera2 import Machine
from homecall_pi.hardware.watch import Deliver
from homecall_pi.webrtc import peer
from homecall_pi.webrtc.steering import Steering
from homecall_pi.webrtc.video_sender import VideoSender

WIDTH, HEIGHT, FPS = 1280, 720, 30
NOISE_WIDTH, NOISE_HEIGHT = 640, 360


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


class Noise:
    """A camera in the dark."""

    def __init__(self, config: CameraConfig) -> None:
        self._encoder = SoftwareEncoder(NOISE_WIDTH, NOISE_HEIGHT, FPS, config.bitrate_bps)
        self._key_frame = False
        self._bitrate_bps = config.bitrate_bps

    def run(self, deliver: Deliver, stopping: threading.Event) -> None:
        """Films until `stopping`."""
        for tick, picture in zip(ticks(1 / FPS, stopping), noise(), strict=False):
            self._encoder.set_bitrate(self._bitrate_bps)
            key_frame, self._key_frame = self._key_frame, False
            data, is_key_frame = self._encoder.encode(picture, key_frame=key_frame)
            deliver(data, is_key_frame, tick * VIDEO_CLOCK_HZ // FPS)

    def force_key_frame(self) -> None:
        """Makes the next picture a key frame."""
        self._key_frame = True

    def set_bitrate(self, bps: int) -> None:
        """Aims at another bitrate."""
        self._bitrate_bps = bps


def noise() -> Iterator[av.VideoFrame]:
    """Endless pictures: a scene, as a sensor sees it in the dark."""
    graph = Graph()
    graph.link_nodes(
        graph.add("testsrc2", f"size={NOISE_WIDTH}x{NOISE_HEIGHT}:rate={FPS}"),
        graph.add("noise", "alls=8:allf=t"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ).configure()
    while True:
        yield graph.vpull()


class NotingSender(VideoSender):
    """Notes how soon a key frame that the page asks for is sent."""

    _asked_s = 0.0
    _before = 0

    def _heed(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_PLI and not self._asked_s:
            self._asked_s, self._before = time.monotonic(), self.frames_sent
        super()._heed(packet)

    def put(self, unit: AccessUnit) -> None:
        """Sends one access unit."""
        super().put(unit)
        if unit.key_frame and self._asked_s:
            took_ms = 1000 * (time.monotonic() - self._asked_s)
            self._asked_s = 0.0
            note(f"key frame after {took_ms:.1f} ms, picture {self.frames_sent - self._before}")


class NotingSteering(Steering):
    """Notes what the page thinks that the network carries."""

    def estimated(self, bps: int) -> None:
        """The network is thought to carry `bps` bits per second."""
        note(f"estimate {bps}")
        super().estimated(bps)


def note(text: str) -> None:
    """Writes a line into the daemon's log."""
    print(f"noted: {text}", file=sys.stderr, flush=True)


def build(config: Config) -> Door:
    """The door of the configuration, with the other camera."""
    camera = msgspec.structs.replace(config.camera, source="fake")
    made = build_door(msgspec.structs.replace(config, camera=camera))
    return msgspec.structs.replace(made, camera=make_camera(CAMERA, config.camera))


def make_camera(kind: str, config: CameraConfig) -> WatchedCamera:
    """The other camera."""
    if kind == "picamera2":
        return picamera.build(config, Machine().library())
    if kind == "noise":
        return WatchedCamera(lambda: Noise(config), size=(NOISE_WIDTH, NOISE_HEIGHT))
    units = read(Path(kind))
    return WatchedCamera(lambda: Replay(units), size=(WIDTH, HEIGHT))


if __name__ == "__main__":
    build_door = door.build
    door.build = build
    CAMERA = sys.argv.pop(1)
    if CAMERA in {"picamera2", "noise"}:
        peer.VideoSender, peer.Steering = NotingSender, NotingSteering
    main()
