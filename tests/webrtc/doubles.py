"""The two ends of a connection: a door that remembers, and a page on aiortc in the same process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)

from homecall_pi.core import sdp
from homecall_pi.core.ports import AccessUnit, Door, DoorRelease
from homecall_pi.hardware.null import NullPanel

from ..conftest import PATIENCE_S


class Parts:
    """Camera, microphone and loudspeaker of a door: what was done to them, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.camera_sink: Callable[[AccessUnit], None] | None = None
        self.microphone_sink: Callable[[bytes], None] | None = None
        self.played: asyncio.Queue[bytes] = asyncio.Queue()
        self.key_frame_wanted = asyncio.Event()
        self.bitrates: list[int] = []
        self.panel = _Panel()
        self.door = Door(self.panel, _Camera(self), _Microphone(self), _Speaker(self))

    @property
    def on(self) -> set[str]:
        """The parts that are on."""
        verbs = dict(reversed(entry.split()) for entry in self.log)
        return {part for part, verb in verbs.items() if verb == "start"}


class _Panel(NullPanel):
    door: DoorRelease = "none"  # type: ignore[assignment]


class _Part:
    name = ""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def stop(self) -> None:
        self._parts.log.append(f"stop {self.name}")


class _Camera(_Part):
    name = "camera"

    def start(self, sink: Callable[[AccessUnit], None]) -> None:
        self._parts.log.append("start camera")
        self._parts.camera_sink = sink

    def force_key_frame(self) -> None:
        self._parts.key_frame_wanted.set()

    def set_bitrate(self, bps: int) -> None:
        self._parts.bitrates.append(bps)


class _Microphone(_Part):
    name = "microphone"

    def start(self, sink: Callable[[bytes], None]) -> None:
        self._parts.log.append("start microphone")
        self._parts.microphone_sink = sink


class _Speaker(_Part):
    name = "speaker"

    def start(self, on_room: Callable[[], None]) -> None:
        self._parts.log.append("start speaker")
        self._parts.on_room = on_room

    @property
    def waiting(self) -> int:
        return self._parts.played.qsize()

    def play(self, block: bytes) -> None:
        self._parts.played.put_nowait(block)


class Page:
    """The family's page. With `control` it is ours; without, one that knows the protocol alone."""

    def __init__(self, *, control: bool = False) -> None:
        self.pc = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self.tracks: dict[str, MediaStreamTrack] = {}
        self._control = control
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._opened = asyncio.Event()
        self._states: set[str] = set()
        self._changed = asyncio.Event()
        self.pc.on("track", lambda track: self.tracks.setdefault(track.kind, track))
        self.pc.on("connectionstatechange", self._on_state)

    async def answer(self, offer: str, *, trickle: bool = False) -> str:
        """The SDP answer; with `trickle`, without the page's addresses."""
        await self.pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        self.pc.addTrack(AudioStreamTrack())
        if self._control:
            self._channel = self.pc.createDataChannel("homecall", negotiated=True, id=0)
            self._channel.on("open", self._opened.set)
            self._channel.on("message", self._on_message)
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        answer = self.pc.localDescription.sdp
        if trickle:
            lines = answer.splitlines(keepends=True)
            answer = "".join(line for line in lines if "candidate" not in line)
        return sdp.mark_control(answer) if self._control else answer

    @property
    def candidates(self) -> list[str]:
        """The page's addresses, as it would send them one by one."""
        section = self.pc.localDescription.sdp.split("\nm=")[1].splitlines()
        return [line[2:] for line in section if line.startswith("a=candidate:")]

    async def say(self, text: str | bytes) -> None:
        """Tells something on the control channel."""
        async with asyncio.timeout(PATIENCE_S):
            await self._opened.wait()
        self._channel.send(text)

    async def told(self) -> dict[str, Any]:
        """What the door tells next on the control channel."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._told.get()

    @property
    def has_been_told_nothing(self) -> bool:
        return self._told.empty()

    async def connected(self) -> None:
        """Returns when the connection stands. aiortc leaks tasks when it is closed half-way."""
        await self._until("connected")
        await asyncio.sleep(0.001)

    async def gone(self) -> None:
        """Returns when the connection is closed."""
        await self._until("closed")

    async def close(self) -> None:
        await self.pc.close()

    def _on_message(self, text: str) -> None:
        message = json.loads(text)
        self._told.put_nowait(message)
        if message["type"] == "ended":
            self._closing = asyncio.get_running_loop().create_task(self.pc.close())

    def _on_state(self) -> None:
        self._states.add(self.pc.connectionState)
        self._changed.set()

    async def _until(self, state: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while state not in self._states:
                self._changed.clear()
                await self._changed.wait()
