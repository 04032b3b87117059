"""One connection to one page, from gathering its candidates to closing it. It owns its tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.sdp import candidate_from_sdp

from ..core import sdp
from ..core.events import (
    Accepted,
    Connected,
    Declined,
    Event,
    HungUp,
    MediaBack,
    MediaLost,
    OfferReady,
    PeerClosed,
    PeerFailed,
    ReleaseWanted,
)
from ..core.messages import IceCandidate
from ..core.ports import Door
from ..core.silence import Silence
from ..core.state import Reason
from . import bounds, hooks, mdns, repeats
from .ice import Choice
from .steering import Steering
from .video_sender import VideoSender
from .voice import Voice
from .voice_sender import VoiceSender

log = logging.getLogger(__name__)

MAX_CANDIDATES = 100
"""Remote candidates tried per connection: of those up to the answer, and of those that came one by
one. Browsers send about a dozen."""
LOOK_S = 0.25
"""Seconds between looks at whether the page is still heard."""
FAREWELL_S = 1.5
"""Seconds that the page may take to hear why the call ends, if that has to be repeated to it."""
DOOR_S = 0.05
"""Seconds between looks at the door release, half of the shortest time that it is open."""

_TOLD: dict[str, Callable[[int], Event]] = {
    "answered": Accepted,
    "declined": Declined,
    "hung-up": HungUp,
    "release": ReleaseWanted,
}


class Told(msgspec.Struct):
    """A message on the control channel."""

    type: str


class Peer:
    """A connection that offers the door's camera and microphone and plays the page's sound.

    Make it with `gather`, ahead of need: until `begin` it has sockets, but no media.
    """

    def __init__(self, door: Door, choice: Choice, patience_s: float) -> None:
        self.offer = ""
        self.serial = 0
        """What the offer's tags carry."""
        self.choice = choice
        """The servers that help it find a way; it waits for their help for `patience_s`."""
        self.gathered_on: set[str] = set()
        """The machine's addresses when it was gathered."""
        self.gathered_at = 0.0
        self._door = door
        self._number = 0
        self._emit: Callable[[Event], None] = lambda _: None
        self._tasks: set[asyncio.Task[None]] = set()
        self._early: list[IceCandidate] | None = []
        self._candidates = 0
        self._verified = False
        self._channel_open, self._channel_closed = asyncio.Event(), asyncio.Event()
        self._listens = False
        """Whether the page uses the control channel, and has not ended the call itself."""
        self.voice = Voice(door.speaker)
        self._pc = RTCPeerConnection(
            RTCConfiguration(
                iceServers=[],
                iceTransportPolicy=RTCIceTransportPolicy(choice.policy),
                bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
            )
        )
        self._channel = self._set_up()
        bounds.bound_input(self._pc, self._on_flood)
        hooks.set_up_gathering(self._pc, choice, patience_s)
        hooks.keep_consent(self._pc)
        hooks.survive_packets(self._pc)
        repeats.repeat_flights(self._pc)
        repeats.open_channel_soon(self._pc)

    def _set_up(self) -> RTCDataChannel:
        """Audio, then video, then the control channel: pages refuse another order later on."""
        audio = self._pc.addTransceiver("audio", direction="sendrecv")
        audio.setCodecPreferences(_codecs("audio", "opus"))
        self._tap = hooks.on_packet(audio.receiver, self.voice.receive)
        hooks.keep_reporting(audio.receiver)
        self._sound = VoiceSender(audio.sender)
        video = self._pc.addTransceiver("video", direction="sendonly")
        video.setCodecPreferences(_codecs("video", "h264", "rtx"))
        self._steering = Steering(self._door)
        self.video = VideoSender(video.sender, self._steering)
        self._pc.on("track", self._on_track)
        self._pc.on("connectionstatechange", self._on_connection_state)
        channel = self._pc.createDataChannel("homecall", negotiated=True, id=sdp.CONTROL_CHANNEL_ID)
        channel.on("open", self._on_open)
        channel.on("close", self._channel_closed.set)
        channel.on("message", self._on_message)
        return channel

    async def gather(self, serial: int) -> None:
        """Gathers candidates and writes the offer, its tags carrying `serial`."""
        self.serial = serial
        offer = await self._pc.createOffer()
        text = sdp.ask_for_repair(sdp.tag_offer(offer.sdp, serial))
        await self._pc.setLocalDescription(RTCSessionDescription(text, "offer"))
        bounds.bound_output(self._pc)
        hooks.take_at_once(self._pc, self._tap)
        bounds.bound_strangers(self._pc)  # and what it lets out
        # aiortc writes the description anew and keeps the tags, not the unknown attribute.
        self.offer = sdp.as_dtls_client(sdp.mark_control(self._pc.localDescription.sdp))

    def begin(self, number: int, emit: Callable[[Event], None]) -> None:
        """Serves the call as connection `number`: parts go on, events go to `emit`."""
        self._number, self._emit = number, emit
        self._door.camera.start(self.video.put)
        self._steering.begin()
        self._door.microphone.start(self._sound.put)
        emit(OfferReady(number, self.offer))

    def accept(self, answer: str, *, verified: bool = False) -> None:
        """Connects to the page that answered; if it is verified, it is told of the door release."""
        self._verified = verified
        self._listens = sdp.has_control(answer)
        self._spawn(self._accept(answer))

    def add_candidate(self, candidate: IceCandidate) -> None:
        """Tries one more address of the page; those that came before the answer wait for it."""
        self._candidates += 1
        if self._candidates > MAX_CANDIDATES:
            return
        if self._early is not None:
            self._early.append(candidate)
        else:
            self._spawn(self._try(candidate))

    def check_address(self, present: set[str]) -> None:
        """Fails at once if what is sent cannot come from this machine's addresses any more.

        Before it is connected, all that were offered have to be gone, and others there to offer.
        """
        own = hooks.own_address(self._pc)
        if own is None:
            is_gone = bool(present) and self.gathered_on.isdisjoint(present)
        else:
            is_gone = own not in present
        if is_gone:
            log.info("the address in use is gone")
            self._emit(PeerFailed(self._number))

    def mute(self) -> None:
        """Emits nothing more, while its parts go on."""
        self._emit = lambda _: None

    def yield_parts(self) -> None:
        """Leaves the parts to another connection, which has begun with them."""
        self.mute()
        self._number = 0
        for task in self._tasks:
            task.cancel()
        self._steering.rest()

    def rest(self) -> None:
        """Takes the parts off and emits nothing more."""
        if not self._number:
            return
        self.yield_parts()
        self._door.camera.stop()
        self._door.microphone.stop()
        self._door.speaker.stop()

    async def close(self, reason: Reason | None = None) -> None:
        """Tells the page why, if it listens, and closes everything."""
        self.rest()
        if reason is not None:
            await self._say_farewell(reason)
        await hooks.close(self._pc)

    async def _say_farewell(self, reason: Reason) -> None:
        """A page of ours closes the connection as soon as it has heard.

        It may have answered over a channel that is not open at this end yet.
        """
        if not self._listens or self._channel_closed.is_set():
            return
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._channel_open.wait()
                self._say({"type": "ended", "reason": reason.value})
                await self._channel_closed.wait()
        except TimeoutError:
            log.debug("the page may not know why the call ended")

    async def _accept(self, answer: str) -> None:
        # Candidates inside the answer are tried like those that trickle in: resolving a `.local`
        # name takes up to a second, and would hold up the rest.
        text, candidates = _split_candidates(answer)
        await self._pc.setRemoteDescription(RTCSessionDescription(text, "answer"))
        early, self._early = self._early or [], None
        for candidate in (*candidates, *early)[:MAX_CANDIDATES]:
            self._spawn(self._try(candidate))

    async def _try(self, init: IceCandidate) -> None:
        try:
            candidate = candidate_from_sdp(init.candidate.removeprefix("candidate:"))
            if candidate.ip.endswith(".local"):
                await asyncio.to_thread(mdns.load)
            candidate.sdpMid = init.sdpMid
            candidate.sdpMLineIndex = init.sdpMLineIndex
            await self._pc.addIceCandidate(candidate)
        except Exception as error:  # aiortc and aioice have many ways to refuse one
            log.debug("a candidate is of no use: %r", error)

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._door.speaker.start(self.voice.supply)

    def _on_connection_state(self) -> None:
        state = self._pc.connectionState
        log.debug("connection %d: %s", self._number, state)
        if state == "connected":
            self._emit(Connected(self._number))
            if self._number:  # it may have come to rest by now
                self._spawn(self._watch())
        elif state == "failed":
            self._emit(PeerFailed(self._number))
        elif state == "closed":
            self._emit(PeerClosed(self._number))

    def _on_flood(self) -> None:
        self._tap.forget()
        self._emit(PeerClosed(self._number))

    async def _watch(self) -> None:
        """Tells when nothing is heard of the page any more, and when it is again.

        Whoever sends or receives media is heard, at least by reports (RFC 3550, section 6.2). ICE
        notices only when consent to send has run out, after half a minute (RFC 7675, section 5.1).
        """
        silence = Silence()
        while True:
            await asyncio.sleep(LOOK_S)
            now = asyncio.get_running_loop().time()
            change = silence.look(hooks.packets_received(self._pc), now)
            if change is not None:
                self._emit(MediaLost(self._number) if change else MediaBack(self._number))

    def _on_open(self) -> None:
        self._channel_open.set()
        if self._verified:
            self._spawn(self._tell_of_door())

    async def _tell_of_door(self) -> None:
        told = ""
        while self._channel.readyState == "open":
            door = self._door.panel.door
            if door != told:
                told = door
                self._say({"type": "door", "release": door})
            await asyncio.sleep(DOOR_S)

    def _say(self, message: dict[str, str]) -> None:
        self._channel.send(msgspec.json.encode(message).decode())

    def _on_message(self, message: str | bytes) -> None:
        try:
            event = _TOLD[msgspec.json.decode(message, type=Told).type]
        except (msgspec.MsgspecError, KeyError):
            log.debug("the page said something unknown on the control channel")
            return
        if event in (Declined, HungUp):
            self._listens = False
        self._emit(event(self._number))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # had it been cancelled before it began

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # whatever a page's SDP or packets provoke costs its call alone
            log.warning("the connection to the page broke: %r", error)
            log.debug("where it broke", exc_info=True)
            self._emit(PeerFailed(self._number))


def _codecs(kind: str, *names: str) -> list[Any]:
    """Just what the door delivers: Opus; H.264 and its retransmission (RFC 4588)."""
    wanted = {f"{kind}/{name}" for name in names}
    codecs = RTCRtpSender.getCapabilities(kind).codecs
    return [codec for codec in codecs if codec.mimeType.lower() in wanted]


def _split_candidates(answer: str) -> tuple[str, list[IceCandidate]]:
    """The answer without its candidates, and those of its first media section.

    All sections share one transport (BUNDLE), so the others' candidates are the same.
    """
    lines = answer.splitlines()
    text = "\r\n".join(line for line in lines if not _about_candidates(line)) + "\r\n"
    first_section = answer.split("\nm=")[1] if "\nm=" in answer else ""
    found = [line[2:] for line in first_section.splitlines() if line.startswith("a=candidate:")]
    return text, [IceCandidate(line, sdpMLineIndex=0) for line in found]


def _about_candidates(line: str) -> bool:
    return line.startswith(("a=candidate:", "a=end-of-candidates"))
