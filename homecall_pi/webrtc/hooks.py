"""Where aiortc keeps private what a door needs. Tests fail when aiortc changes any of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Iterable
from struct import pack
from types import SimpleNamespace
from typing import Any

from aiortc import (
    RTCDtlsTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSctpTransport,
    rtcrtpreceiver,
)
from aiortc.rtcdtlstransport import State
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters, RTCRtpSendParameters
from aiortc.rtp import AnyRtcpPacket, RtpPacket, is_rtcp

from . import consent, rtp
from .ice import Choice

log = logging.getLogger(__name__)

SETTLE_S = 0.05
"""Longer than aioice pauses between the checks of a connection (0.02 s)."""


def ssrcs(sender: RTCRtpSender) -> tuple[int, int]:
    """What the SDP calls the sender's packets and their retransmissions."""
    return sender._ssrc, sender._rtx_ssrc


def take_over(
    sender: RTCRtpSender,
    *,
    start: Callable[[RTCRtpSendParameters], None],
    stop: Callable[[], None],
    heed: Callable[[AnyRtcpPacket], None],
) -> None:
    """Leaves to `sender` what the SDP says of it, and nothing else.

    It is told to `start` when the connection stands, to `heed` each RTCP packet that concerns it,
    and to `stop` at the end; more than once, some of it. Errors out of `heed` would end the
    connection.
    """

    async def send(parameters: RTCRtpSendParameters) -> None:
        sender.transport._register_rtp_sender(sender, parameters)
        start(parameters)

    async def end() -> None:
        sender.transport._unregister_rtp_sender(sender)
        stop()

    async def handle(packet: AnyRtcpPacket) -> None:
        heed(packet)

    sender.send = send  # type: ignore[method-assign]
    sender.stop = end  # type: ignore[method-assign]
    sender._handle_rtcp_packet = handle  # type: ignore[method-assign]


def send(sender: RTCRtpSender, packets: Iterable[bytes]) -> None:
    """Sends RTP and RTCP packets at once, each in a datagram.

    aiortc's own `_send_rtp` runs four coroutines for each, none of which ever waits, and which cost
    as much as the rest of it.

    Raises:
        ConnectionError: the connection does not stand.
    """
    transport = sender.transport
    pair = transport.transport._connection._nominated.get(1)
    if pair is None or transport._state is not State.CONNECTED:
        raise ConnectionError("there is no connection to send on")
    srtp, address, sendto = transport._tx_srtp, pair.remote_addr, pair.protocol.transport.sendto
    for packet in packets:
        protect = srtp.protect_rtcp if is_rtcp(packet) else srtp.protect
        sendto(protect(packet), address)


async def close(pc: RTCPeerConnection) -> None:
    """Closes the connection and all that it runs.

    What is connecting at that moment goes on for one step after `pc.close()`, and starts tasks
    that nobody would end: the senders' and receivers', and aioice's consent checks.
    """
    connecting = pc.connectionState == "connecting"
    if pc.sctp is not None:
        _let_fail(pc.sctp)
    await pc.close()
    if connecting:
        await asyncio.sleep(SETTLE_S)
        for transceiver in pc.getTransceivers():
            await transceiver.stop()
            await transceiver.receiver.transport.transport._connection.close()


def _let_fail(sctp: RTCSctpTransport) -> None:
    """A last word that OpenSSL refuses would end the closing; sockets and tasks would stay."""
    abort = sctp._abort

    async def try_to_abort() -> None:
        with contextlib.suppress(Exception):
            await abort()

    sctp._abort = try_to_abort  # type: ignore[method-assign]


def set_up_gathering(pc: RTCPeerConnection, choice: Choice, patience_s: float) -> None:
    """Has `pc` ask the chosen servers for candidates, and wait for no longer than `patience_s`.

    aiortc's own settings know neither deadline nor TLS context, and load the machine's certificates
    anew for each connection.
    """
    connection = _ice(pc)
    connection.stun_server = choice.stun
    if choice.turn is not None:
        connection.turn_server = choice.turn.address
        connection.turn_transport = choice.turn.transport
        connection.turn_ssl = choice.turn.tls
        connection.turn_username = choice.turn.username
        connection.turn_password = choice.turn.credential
    connection.get_component_candidates = functools.partial(
        connection.get_component_candidates, timeout=patience_s
    )


def keep_consent(pc: RTCPeerConnection) -> None:
    """Has `pc` ask for consent to send in our way, instead of aioice's."""
    connection = _ice(pc)
    connection.query_consent = functools.partial(consent.keep, connection)


def survive_packets(pc: RTCPeerConnection) -> None:
    """Has packets that cannot be understood cost themselves, and not the connection.

    aiortc passes over some, but a REMB or a header extension that is cut short ends the connection.
    """
    transport: Any = dtls(pc)
    for kind in ("_handle_rtp_data", "_handle_rtcp_data"):
        setattr(transport, kind, functools.partial(_take_or_drop, getattr(transport, kind)))


async def _take_or_drop(take: Callable[..., Awaitable[None]], packet: bytes, **more: int) -> None:
    try:
        await take(packet, **more)
    except Exception as error:  # whatever it is that aiortc makes of a stranger's bytes
        log.debug("a packet makes no sense: %r", error)


def dtls(pc: RTCPeerConnection) -> RTCDtlsTransport:
    """The one transport of a connection, over which all its media go (BUNDLE)."""
    return pc.getTransceivers()[0].receiver.transport


def _ice(pc: RTCPeerConnection) -> Any:
    """aioice's side of it."""
    return dtls(pc).transport._connection


def packets_received(pc: RTCPeerConnection) -> int:
    """Packets of media and data that came from the other side, however sealed."""
    transports = {each.receiver.transport for each in pc.getTransceivers()}
    counter = "_RTCDtlsTransport__rx_packets"
    return sum(int(getattr(transport, counter)) for transport in transports)


def own_address(pc: RTCPeerConnection) -> str | None:
    """The address that media is sent from; None while there is none, or where a relay sends it."""
    for transceiver in pc.getTransceivers():
        pair = transceiver.receiver.transport.transport._connection._nominated.get(1)
        if pair is not None and pair.local_candidate.type == "host":
            return str(pair.local_candidate.host)
    return None


def on_packet(receiver: RTCRtpReceiver, take: Callable[[int, int, bytes], None]) -> Tap:
    """Gives every packet of `receiver` to `take`: sequence number, timestamp, payload.

    It stands in for aiortc's jitter buffer, which stalls 320 ms for one lost packet and keeps
    280 ms of that as delay. Statistics and reports to the sender stay aiortc's.

    Nothing is left for the thread in which aiortc would decode, so there is none: the connection
    would fail where none was to be had.
    """
    buffer = "_RTCRtpReceiver__jitter_buffer"
    if not hasattr(receiver, buffer):
        raise AttributeError(f"aiortc's receiver has no {buffer} any more")
    tap = Tap(receiver, take)
    setattr(receiver, buffer, tap)
    receive, module = receiver.receive, vars(rtcrtpreceiver)

    async def receive_without_thread(parameters: RTCRtpReceiveParameters) -> None:
        threading, module["threading"] = module["threading"], SimpleNamespace(Thread=_NoThread)
        try:
            await receive(parameters)  # which does not pause: no other receiver starts meanwhile
        finally:
            module["threading"] = threading

    receiver.receive = receive_without_thread  # type: ignore[method-assign]
    return tap


class _NoThread:
    def __init__(self, **_: Any) -> None: ...

    def start(self) -> None: ...

    def join(self) -> None: ...


class Tap:
    """Takes the packets of one receiver."""

    def __init__(self, receiver: RTCRtpReceiver, take: Callable[[int, int, bytes], None]) -> None:
        self._receiver: Any = receiver
        self._take = take
        self._sources: dict[bytes, rtcrtpreceiver.StreamStatistics] = {}

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Like aiortc.jitterbuffer.JitterBuffer.add; there is never a frame to be decoded.

        By now aiortc has found out whose packet it is, and keeps its source's statistics, unless it
        repeats one that never came (RFC 4588).
        """
        statistics = self._receiver._RTCRtpReceiver__remote_streams.get(packet.ssrc)
        if statistics is not None:
            source = pack("!BI", packet.marker << 7 | packet.payload_type, packet.ssrc)
            self._sources[source] = statistics
        self._give(packet)
        return False, None

    def source_of(self, datagram: bytes) -> rtcrtpreceiver.StreamStatistics | None:
        """The statistics of the known source that a packet, sealed or not, says it is of."""
        return self._sources.get(datagram[1:2] + datagram[8:12])

    def forget(self) -> None:
        """Knows no source any more: what comes goes aiortc's way."""
        self._sources.clear()

    def take(self, packet: rtp.Packet, statistics: rtcrtpreceiver.StreamStatistics) -> None:
        """Takes a packet past aiortc."""
        statistics.add(packet)  # type: ignore[arg-type]  # that is all it needs of one
        self._give(packet)

    def _give(self, packet: rtp.Packet | RtpPacket) -> None:
        if packet.payload:
            self._take(packet.sequence_number, packet.timestamp, packet.payload)


def take_at_once(pc: RTCPeerConnection, tap: Tap) -> None:
    """Has what is for `tap` taken the moment it comes.

    aiortc's way, through a queue, a task and a dozen layers, costs as much as all the rest that
    is done for sound. The first packet of a source goes that way, as does all that comes before the
    connection stands.

    To be called when candidates are gathered. What makes no sense is raised out of the protocols'
    `datagram_received`.
    """
    transport = dtls(pc)
    for protocol in _ice(pc)._protocols:
        receive = functools.partial(_take_or_pass, transport, tap, protocol.datagram_received)
        protocol.datagram_received = receive


def _take_or_pass(
    transport: Any,
    tap: Tap,
    receive: Callable[[bytes, Any], None],
    datagram: bytes,
    address: Any,
) -> None:
    statistics = tap.source_of(datagram)
    # The first byte tells media from the others (RFC 7983, section 7).
    is_media = 127 < int.from_bytes(datagram[:1]) < 192
    if statistics is None or not is_media or transport._state is not State.CONNECTED:
        receive(datagram, address)
        return
    packet = transport._rx_srtp.unprotect(datagram)
    transport._RTCDtlsTransport__rx_bytes += len(datagram)
    transport._RTCDtlsTransport__rx_packets += 1
    tap.take(rtp.parse(packet), statistics)


def keep_reporting(receiver: RTCRtpReceiver) -> None:
    """Has `receiver` go on with its reports when one cannot be written.

    A page can bring that about, with timestamps whose jitter takes more than 32 bits. aiortc's task
    would die of it, and closing the connection would wait for that task for ever.
    """
    run = receiver._run_rtcp

    async def run_on() -> None:
        while True:
            try:
                return await run()
            except Exception as error:
                log.debug("a report on the page's media cannot be written: %r", error)

    receiver._run_rtcp = run_on  # type: ignore[method-assign]
