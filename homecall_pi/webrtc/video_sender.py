"""The camera's access units on their way to the page: sent as they are, at the moment they come.

This takes the place of aiortc's own way, by a track, an encoder and a task, at two thirds of its
cost.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpSendParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)

from ..core.ports import AccessUnit
from . import h264, hooks, steady
from .rtp import Allowance, RtpStream
from .steering import Steering

log = logging.getLogger(__name__)

REPORT_S = 1.0
"""Seconds between two reports of what was sent."""


class VideoSender:
    """Sends pictures in place of `sender`, and heeds what the page says of them."""

    def __init__(self, sender: RTCRtpSender, steering: Steering) -> None:
        self.frames_sent = 0
        self._sender = sender
        self._ssrc, self._rtx_ssrc = hooks.ssrcs(sender)
        self._steering = steering
        self._stream: RtpStream | None = None
        self._allowance = Allowance()
        self._beginning_anew = False
        self._reported_at = 0.0
        self._warned = False
        hooks.take_over(sender, start=self._start, stop=self._stop, heed=self._heed)

    def put(self, unit: AccessUnit) -> None:
        """Sends one access unit; the first is a key frame. Before the connection, it is dropped."""
        if self._stream is not None and (self.frames_sent or unit.key_frame):
            self._guard(self._send_picture, self._stream, unit)

    def _start(self, parameters: RTCRtpSendParameters) -> None:
        if self._stream is None:
            self._stream = RtpStream(parameters, ssrc=self._ssrc, rtx_ssrc=self._rtx_ssrc)
        self._steering.want_key_frame()

    def _stop(self) -> None:
        if self._stream is not None:
            self._guard(self._send, self._stream.goodbye())
        self._stream = None

    def _heed(self, packet: AnyRtcpPacket) -> None:
        if self._stream is not None:
            self._guard(self._take, self._stream, packet)

    def _guard(self, work: Callable[..., None], *arguments: object) -> None:
        """Whatever fails costs a picture or a report, not those that come after it."""
        try:
            work(*arguments)
        except ConnectionError:
            log.debug("the connection ends")
        except Exception as error:
            if not self._warned:
                log.warning("a picture or a report on it was lost: %r; going on", error)
                log.debug("where it was lost", exc_info=True)
            self._warned = True

    def _send(self, *packets: bytes) -> None:
        hooks.send(self._sender, packets)

    def _send_picture(self, stream: RtpStream, unit: AccessUnit) -> None:
        now = steady.now()
        if unit.key_frame and self._beginning_anew:
            self._beginning_anew = False
            stream.forget()
        packets = stream.packets(h264.payloads(unit.data, stream.room), unit.pts, now)
        if now - self._reported_at >= REPORT_S:
            self._reported_at = now
            packets.append(stream.report())
        self._send(*packets)
        self.frames_sent += 1

    def _take(self, stream: RtpStream, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRtpfbPacket):
            if packet.fmt == RTCP_RTPFB_NACK:
                self._repair(stream, packet.lost)
        elif isinstance(packet, RtcpPsfbPacket):
            if packet.fmt in {RTCP_PSFB_PLI, RTCP_PSFB_FIR}:
                self._steering.want_key_frame()
            elif packet.fmt == RTCP_PSFB_APP:
                self._estimated(packet.fci)
        elif isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            self._reported(packet.reports)

    def _repair(self, stream: RtpStream, lost: list[int]) -> None:
        """Sends once more what was lost (RFC 4585, section 6.2.1).

        Where that is too much, a new beginning is cheaper: a key frame, before which nothing needs
        repair.
        """
        now, now_s, bps = steady.now(), time.monotonic(), self._steering.target_bps
        for repair in (stream.repair(sequence, now) for sequence in lost):
            if repair is None or self._beginning_anew:
                continue
            if self._allowance.spend(repair, bps, now_s):
                self._send(repair)
            else:
                self._beginning_anew = True
                self._steering.want_key_frame()

    def _estimated(self, fci: bytes) -> None:
        """REMB: what the network carries (draft-alvestrand-rmcat-remb-03)."""
        with contextlib.suppress(ValueError):  # application feedback of others
            bps, ssrcs = unpack_remb_fci(fci)
            if self._ssrc in ssrcs:
                self._steering.estimated(bps)

    def _reported(self, reports: list[RtcpReceiverInfo]) -> None:
        """The share of packets that the page misses (RFC 3550, section 6.4.1)."""
        for report in reports:
            if report.ssrc == self._ssrc:
                self._steering.lost(report.fraction_lost / 256)
