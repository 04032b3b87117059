"""The visitor's voice over a real connection to aiortc."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtpPacket

from homecall_pi.core import loss
from homecall_pi.core.ports import BLOCK_SAMPLES
from homecall_pi.webrtc import hooks
from homecall_pi.webrtc.opus import FRAME_SAMPLES, VoiceDecoder, VoiceEncoder
from homecall_pi.webrtc.voice import Level
from homecall_pi.webrtc.voice_sender import VoiceSender

from ..conftest import PATIENCE_S
from .doubles import Page

QUIET = bytes(2 * BLOCK_SAMPLES)
LOUD = (b"\x00\x40" * 60 + b"\x00\xc0" * 60) * (BLOCK_SAMPLES // 120)


class Line:
    """A door's microphone, and what arrives of it at a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        audio = self.pc.addTransceiver("audio", direction="sendrecv")
        self.voice = VoiceSender(audio.sender)
        self.sender = audio.sender
        self._arrived: asyncio.Queue[RtpPacket] = asyncio.Queue()

    async def connect(self) -> None:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        answer = await self.page.answer(self.pc.localDescription.sdp)
        receiver = self.page.pc.getTransceivers()[0].receiver
        receiver._handle_rtp_packet = self._take  # type: ignore[method-assign]
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self.page.connected()
        async with asyncio.timeout(PATIENCE_S):
            while self.voice._stream is None:
                await asyncio.sleep(0.001)

    async def _take(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        self._arrived.put_nowait(packet)

    async def next(self) -> RtpPacket:
        """The next packet that arrives."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._arrived.get()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line(Page())
    yield line
    await line.pc.close()
    await line.page.pc.close()


def loudness(packet: RtpPacket) -> float:
    """Of the packet's sound, in dB below full scale."""
    level = Level()
    level.add(VoiceDecoder().decode(packet.payload))
    return level.dbfs


async def test_two_blocks_make_a_packet_and_time_goes_on_with_them(line: Line):
    await line.connect()
    for block in (LOUD, LOUD, LOUD, LOUD, LOUD):
        line.voice.put(block)
    first, second = await line.next(), await line.next()
    assert second.sequence_number == first.sequence_number + 1
    assert second.timestamp == (first.timestamp + FRAME_SAMPLES) % 2**32
    assert first.ssrc == hooks.ssrcs(line.sender)[0]
    assert (first.marker, second.marker) == (0, 0)
    assert loudness(second) > -20


async def test_sound_before_the_connection_stands_is_dropped(line: Line):
    for _ in range(7):
        line.voice.put(LOUD)
    await line.connect()
    line.voice.put(QUIET)
    line.voice.put(QUIET)
    assert loudness(await line.next()) < -90


async def test_nothing_is_sent_after_the_end(line: Line):
    await line.connect()
    await line.pc.close()
    for _ in range(4):
        line.voice.put(LOUD)
    assert line._arrived.empty()


async def test_the_copies_are_made_for_the_loss_that_the_page_reports(
    line: Line, monkeypatch: pytest.MonkeyPatch
):
    await line.connect()
    monkeypatch.setattr(loss, "LEAST_S", 0.0)
    shares: list[float] = []
    monkeypatch.setattr(line.voice._encoder, "expect_loss", shares.append)
    ssrc, _ = hooks.ssrcs(line.sender)
    for lost, highest in ((0, 1000), (40, 1200)):
        report = RtcpReceiverInfo(ssrc, 0, lost, highest, 0, 0, 0)
        await line.sender._handle_rtcp_packet(RtcpRrPacket(1, [report]))
    assert shares[-1] == pytest.approx(0.2)


async def test_a_failure_costs_its_packet_alone_and_is_told_once(
    line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    await line.connect()

    def refuse(self: VoiceEncoder, sound: bytes) -> bytes:
        raise ValueError("no")

    with monkeypatch.context() as patched:
        patched.setattr(VoiceEncoder, "encode", refuse)
        for _ in range(4):
            line.voice.put(LOUD)
    line.voice.put(LOUD)
    line.voice.put(LOUD)
    await line.next()
    assert [record.message for record in caplog.records] == [
        "sound or a report on it was lost: ValueError('no'); going on"
    ]
