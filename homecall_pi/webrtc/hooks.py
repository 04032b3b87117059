"""The few places where aiortc keeps private what a door needs. Tests fail when aiortc changes them.

aiortc answers key-frame requests and bandwidth estimates by its own encoders only; an access unit
that comes encoded from the camera passes them by.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable

from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.rtp import (
    RTCP_PSFB_APP,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpSrPacket,
    RtpPacket,
    unpack_remb_fci,
)

SETTLE_S = 0.05
"""Longer than aioice pauses between the checks of a connection (0.02 s)."""


def on_key_frame_request(sender: RTCRtpSender, request: Callable[[], None]) -> None:
    """Calls `request` at each PLI (RFC 4585, section 6.3.1) and FIR (RFC 5104, section 4.3.1)."""
    sender._send_keyframe = request  # type: ignore[method-assign]


def on_bandwidth_estimate(sender: RTCRtpSender, take: Callable[[int], None]) -> None:
    """Gives `take` each estimate of what the network carries, in bits per second.

    It comes as REMB (draft-alvestrand-rmcat-remb-03).
    """

    def see(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            with contextlib.suppress(ValueError, struct.error):  # application feedback of others
                bps, ssrcs = unpack_remb_fci(packet.fci)
                if sender._ssrc in ssrcs:
                    take(bps)

    _on_rtcp(sender, see)


def on_loss(sender: RTCRtpSender, take: Callable[[float], None]) -> None:
    """Gives `take` the share of packets lost (0..1) out of each report (RFC 3550, section 6.4)."""

    def see(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == sender._ssrc:
                    take(report.fraction_lost / 256)

    _on_rtcp(sender, see)


def _on_rtcp(sender: RTCRtpSender, see: Callable[[AnyRtcpPacket], None]) -> None:
    handle = sender._handle_rtcp_packet

    async def see_and_handle(packet: AnyRtcpPacket) -> None:
        see(packet)
        await handle(packet)

    sender._handle_rtcp_packet = see_and_handle  # type: ignore[method-assign]


async def close(pc: RTCPeerConnection) -> None:
    """Closes the connection and all that it runs.

    What is connecting at that moment goes on for one step after `pc.close()`, and starts tasks
    that nobody would end: the senders' and receivers', and aioice's consent checks.
    """
    connecting = pc.connectionState == "connecting"
    await pc.close()
    if connecting:
        await asyncio.sleep(SETTLE_S)
        for transceiver in pc.getTransceivers():
            await transceiver.stop()
            await transceiver.receiver.transport.transport._connection.close()


def on_packet(receiver: RTCRtpReceiver, take: Callable[[int, int, bytes], None]) -> None:
    """Gives every packet of `receiver` to `take`: sequence number, timestamp, payload.

    It stands in for aiortc's jitter buffer, which stalls 320 ms for one lost packet and keeps
    280 ms of that as delay. Statistics and reports to the sender stay aiortc's.
    """
    buffer = "_RTCRtpReceiver__jitter_buffer"
    if not hasattr(receiver, buffer):
        raise AttributeError(f"aiortc's receiver has no {buffer} any more")
    setattr(receiver, buffer, _Tap(take))


class _Tap:
    def __init__(self, take: Callable[[int, int, bytes], None]) -> None:
        self._take = take

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Like aiortc.jitterbuffer.JitterBuffer.add; there is never a frame to be decoded."""
        if packet.payload:
            self._take(packet.sequence_number, packet.timestamp, packet.payload)
        return False, None
