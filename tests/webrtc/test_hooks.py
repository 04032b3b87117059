"""The private names of aiortc that the door relies on. These fail when aiortc changes them."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from struct import pack
from typing import Any

import pylibsrtp
import pytest
from aiortc import (
    RTCConfiguration,
    RTCDtlsTransport,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    rtcrtpreceiver,
)
from aiortc.rtcrtpparameters import RTCRtpSendParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtpPacket,
    pack_remb_fci,
)
from OpenSSL import SSL

from homecall_pi.webrtc import hooks

from ..conftest import PATIENCE_S
from .doubles import Page


@pytest.fixture
async def pc() -> AsyncIterator[RTCPeerConnection]:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    yield pc
    await pc.close()


@pytest.fixture
def sender(pc: RTCPeerConnection) -> RTCRtpSender:
    return pc.addTransceiver("video", direction="sendonly").sender


class Told:
    """What a sender that was taken over is told."""

    def __init__(self, sender: RTCRtpSender) -> None:
        self.words: list[str] = []
        self.packets: asyncio.Queue[AnyRtcpPacket] = asyncio.Queue()
        hooks.take_over(sender, start=self._start, stop=self._stop, heed=self.packets.put_nowait)

    def _start(self, parameters: RTCRtpSendParameters) -> None:
        self.words.append(f"start {parameters.rtcp.ssrc}")

    def _stop(self) -> None:
        self.words.append("stop")


@pytest.fixture
async def connected(
    pc: RTCPeerConnection, sender: RTCRtpSender, page: Page
) -> tuple[RTCRtpSender, Told, RTCDtlsTransport]:
    """A sender that was taken over, what it is told, and the page's end of its connection."""
    told = Told(sender)
    pc.addTransceiver("audio")  # as the page has some
    await pc.setLocalDescription(await pc.createOffer())
    answer = await page.answer(pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await page.connected()
    async with asyncio.timeout(PATIENCE_S):
        while not told.words:
            await asyncio.sleep(0.001)
    return sender, told, page.pc.getTransceivers()[0].receiver.transport


async def test_a_sender_that_is_taken_over_starts_with_the_connection_and_stops_with_it(
    connected: tuple[RTCRtpSender, Told, RTCDtlsTransport], pc: RTCPeerConnection
):
    sender, told, _ = connected
    ssrc, _ = hooks.ssrcs(sender)
    assert told.words == [f"start {ssrc}"]
    await pc.close()
    assert told.words[1:] == ["stop"]


async def test_the_offer_names_the_stream_and_its_repairs(
    connected: tuple[RTCRtpSender, Told, RTCDtlsTransport], pc: RTCPeerConnection
):
    ssrc, rtx_ssrc = hooks.ssrcs(connected[0])
    assert f"a=ssrc-group:FID {ssrc} {rtx_ssrc}\r\n" in pc.localDescription.sdp


async def test_reports_on_the_stream_are_heeded_and_those_on_others_are_not(
    connected: tuple[RTCRtpSender, Told, RTCDtlsTransport],
):
    sender, told, page = connected
    ssrc, _ = hooks.ssrcs(sender)
    of_others = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=ssrc ^ 1)
    request = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=ssrc)
    estimate = RtcpPsfbPacket(RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=pack_remb_fci(9, [ssrc]))
    for packet in (of_others, request, estimate):
        await page._send_rtp(bytes(packet))
    async with asyncio.timeout(PATIENCE_S):
        assert [await told.packets.get(), await told.packets.get()] == [request, estimate]


async def test_packets_that_are_cut_short_leave_the_connection_alone(
    connected: tuple[RTCRtpSender, Told, RTCDtlsTransport], pc: RTCPeerConnection
):
    sender, told, page = connected
    ssrc, _ = hooks.ssrcs(sender)
    hooks.survive_packets(pc)
    estimate = pack_remb_fci(9, [ssrc])[:-4]
    report = RtcpPsfbPacket(RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=estimate)
    # Header extensions of one byte each, whatever they are (RFC 8285, section 4.2).
    extensions = b"".join(bytes((identifier << 4, 0)) for identifier in range(1, 15))
    sound = pack("!BBHIIHH", 0x90, 96, 1, 2, 3, 0xBEDE, len(extensions) // 4) + extensions
    request = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=ssrc)
    for packet in (bytes(report), sound, bytes(request)):
        await page._send_rtp(packet)
    async with asyncio.timeout(PATIENCE_S):
        assert await told.packets.get() == request
    assert sender.transport.state == "connected"


class Ear:
    """What the door's receiver of sound is given, when it is taken at once."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._receiver: Any = pc.getTransceivers()[1].receiver
        self.taken: asyncio.Queue[tuple[int, int, bytes]] = asyncio.Queue()
        self.tap = hooks.on_packet(self._receiver, lambda *packet: self.taken.put_nowait(packet))
        hooks.take_at_once(pc, self.tap)
        (self._protocol, *_) = hooks._ice(pc)._protocols

    def packet(self, sequence: int, payload: bytes, ssrc: int = 7, marker: int = 0) -> bytes:
        opus = next(iter(self._receiver._RTCRtpReceiver__codecs))
        return RtpPacket(opus, marker, sequence, 960 * sequence, ssrc, payload).serialize()

    def receive(self, datagram: bytes) -> None:
        self._protocol.datagram_received(datagram, ("192.0.2.1", 9))

    def statistics(self, ssrc: int = 7) -> rtcrtpreceiver.StreamStatistics:
        return self._receiver._RTCRtpReceiver__remote_streams[ssrc]


@pytest.fixture
def seal(connected: tuple[RTCRtpSender, Told, RTCDtlsTransport]) -> Callable[[bytes], bytes]:
    """The page's, of a packet."""
    return connected[2]._tx_srtp.protect


@pytest.fixture
async def ear(pc: RTCPeerConnection, seal: Callable[[bytes], bytes]) -> Ear:
    """One that has heard the first packet of a source."""
    ear = Ear(pc)
    ear.receive(seal(ear.packet(1, b"first")))
    async with asyncio.timeout(PATIENCE_S):
        assert await ear.taken.get() == (1, 960, b"first")
    return ear


async def test_all_but_a_sources_first_packet_is_taken_at_once(
    ear: Ear, seal: Callable[[bytes], bytes], pc: RTCPeerConnection
):
    before = hooks.packets_received(pc)
    for sequence, payload in ((2, b"second"), (4, b"")):
        ear.receive(seal(ear.packet(sequence, payload)))
    assert ear.taken.get_nowait() == (2, 1920, b"second")
    assert ear.taken.empty()
    assert hooks.packets_received(pc) == before + 2
    assert (ear.statistics().packets_received, ear.statistics().packets_lost) == (3, 1)


@pytest.mark.parametrize("change", [{"ssrc": 8}, {"marker": 1}])
async def test_what_differs_goes_aiortcs_way_and_arrives(
    ear: Ear, seal: Callable[[bytes], bytes], change: dict[str, int]
):
    ear.receive(seal(ear.packet(2, b"other", **change)))
    assert ear.taken.empty()
    async with asyncio.timeout(PATIENCE_S):
        assert await ear.taken.get() == (2, 1920, b"other")
    ear.receive(seal(ear.packet(3, b"again", **change)))
    assert ear.taken.get_nowait() == (3, 2880, b"again")


async def test_what_nobody_sealed_is_refused(ear: Ear, seal: Callable[[bytes], bytes]):
    for forged in (ear.packet(2, b"forged, and long enough to be sealed"), ear.packet(3, b"")):
        with pytest.raises(pylibsrtp.Error):
            ear.receive(forged)
    ear.receive(seal(ear.packet(2, b"second")))
    assert ear.taken.get_nowait() == (2, 1920, b"second")


async def test_a_source_that_is_forgotten_and_what_only_looks_like_it_go_aiortcs_way(
    ear: Ear, seal: Callable[[bytes], bytes]
):
    record = b"\x16\xfe\xfd" + bytes(20)  # of DTLS, with what could be a source's numbers
    ear.tap._sources[record[1:2] + record[8:12]] = ear.statistics()
    ear.receive(record)
    ear.tap.forget()
    ear.receive(seal(ear.packet(2, b"second")))
    assert ear.taken.empty()
    async with asyncio.timeout(PATIENCE_S):
        assert await ear.taken.get() == (2, 1920, b"second")


async def test_after_the_end_nothing_is_taken(
    ear: Ear, seal: Callable[[bytes], bytes], pc: RTCPeerConnection
):
    last = seal(ear.packet(2, b"last"))
    await pc.close()
    ear.receive(last)
    assert ear.taken.empty()


async def test_what_is_no_media_goes_its_own_way(
    connected: tuple[RTCRtpSender, Told, RTCDtlsTransport], pc: RTCPeerConnection
):
    sender, told, page = connected
    Ear(pc)
    request = RtcpPsfbPacket(RTCP_PSFB_PLI, ssrc=1, media_ssrc=hooks.ssrcs(sender)[0])
    await page._send_rtp(bytes(request))
    async with asyncio.timeout(PATIENCE_S):
        assert await told.packets.get() == request
    await page.stop()
    async with asyncio.timeout(PATIENCE_S):
        while hooks.dtls(pc).state != "closed":
            await asyncio.sleep(0.001)


async def test_packets_are_sent_as_they_are(
    connected: tuple[RTCRtpSender, Told, RTCDtlsTransport], monkeypatch: pytest.MonkeyPatch
):
    sender, _, page = connected
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(data: bytes, **_: int) -> None:
        arrived.put_nowait(data)

    monkeypatch.setattr(page, "_handle_rtp_data", take)
    monkeypatch.setattr(page, "_handle_rtcp_data", take)
    packets = [bytes(RtcpByePacket([7])), RtpPacket(99, 1, 8, 9, 10, b"picture").serialize()]
    hooks.send(sender, packets)
    async with asyncio.timeout(PATIENCE_S):
        assert [await arrived.get(), await arrived.get()] == packets


async def test_without_a_connection_nothing_can_be_sent(sender: RTCRtpSender):
    with pytest.raises(ConnectionError):
        hooks.send(sender, [b"packet"])


async def test_after_the_end_of_the_connection_nothing_can_be_sent(
    connected: tuple[RTCRtpSender, Told, RTCDtlsTransport], pc: RTCPeerConnection
):
    await pc.close()
    with pytest.raises(ConnectionError):
        hooks.send(connected[0], [b"packet"])


async def test_every_packet_of_the_other_side_is_counted(pc: RTCPeerConnection):
    """The handshake's are, and the reports that follow."""
    pc.addTransceiver("audio")
    page = Page()
    await pc.setLocalDescription(await pc.createOffer())
    assert hooks.packets_received(pc) == 0
    answer = await page.answer(pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await page.connected()
    assert hooks.packets_received(pc) > 0
    await page.close()


async def test_closing_while_connecting_ends_the_consent_checks_that_start_after_it(
    pc: RTCPeerConnection, sender: RTCRtpSender, monkeypatch: pytest.MonkeyPatch
):
    """As aioice does: `connect()` wakes up once more after `close()`."""
    (transceiver,) = pc.getTransceivers()
    ice = transceiver.receiver.transport.transport._connection
    ice.remote_password = "secret"

    async def close_and_wake_up() -> None:
        await close()
        ice._query_consent_task = asyncio.create_task(ice.query_consent())

    close = pc.close
    with monkeypatch.context() as patched:
        patched.setattr(RTCPeerConnection, "connectionState", "connecting")
        patched.setattr(pc, "close", close_and_wake_up)
        await hooks.close(pc)
    assert ice._query_consent_task.done()


async def test_what_openssl_refuses_to_send_does_not_keep_a_connection_open(
    pc: RTCPeerConnection, own_page: Page
):
    """As it does once it is shut down."""
    pc.addTransceiver("audio")
    channel = pc.createDataChannel("homecall", negotiated=True, id=0)
    opened = asyncio.Event()
    channel.on("open", opened.set)
    await pc.setLocalDescription(await pc.createOffer())
    answer = await own_page.answer(pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    async with asyncio.timeout(PATIENCE_S):
        await opened.wait()
    transport = pc.sctp.transport
    transport._ssl.shutdown()
    with pytest.raises(SSL.Error):
        await transport._send_data(b"last word")
    await hooks.close(pc)
    assert transport.transport.state == "closed"


async def test_a_connection_that_stands_is_closed_without_delay(
    pc: RTCPeerConnection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hooks, "SETTLE_S", 3600.0)
    await hooks.close(pc)
    assert pc.connectionState == "closed"


async def test_a_report_that_cannot_be_written_does_not_hold_up_the_end(
    pc: RTCPeerConnection, page: Page, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rtcrtpreceiver.random, "random", lambda: -0.5)  # no pause between two
    receiver = pc.addTransceiver("audio").receiver
    hooks.keep_reporting(receiver)
    await pc.setLocalDescription(await pc.createOffer())
    answer = await page.answer(pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await page.connected()
    tries: asyncio.Queue[bytes | struct.error] = asyncio.Queue()

    async def send(packet: AnyRtcpPacket) -> None:
        try:
            tries.put_nowait(bytes(packet))
        except struct.error as error:
            tries.put_nowait(error)
            raise

    monkeypatch.setattr(receiver, "_send_rtcp", send)
    await receiver._handle_rtp_packet(RtpPacket(96, 0, 1, 1, 7, b"voice"), 0)
    (stream,) = receiver._RTCRtpReceiver__remote_streams.values()
    stream._jitter_q4 = 16 * 2**32
    async with asyncio.timeout(PATIENCE_S):
        assert [type(await tries.get()) for _ in range(2)] == [struct.error, struct.error]
        await pc.close()
