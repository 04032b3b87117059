"""The camera's access units on their way to the page: sent as they are, at the moment they come."""

from __future__ import annotations

import contextlib
import time

from aiortc import RTCRtpSender
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    unpack_remb_fci,
)

from ..core.ports import AccessUnit
from . import h264, steady
from .media_sender import MediaSender
from .rtp import Allowance, RtpStream
from .steering import Steering


class VideoSender(MediaSender):
    """Sends pictures in place of `sender`, and heeds what the page says of them."""

    what = "a picture"

    def __init__(self, sender: RTCRtpSender, steering: Steering) -> None:
        super().__init__(sender)
        self.frames_sent = 0
        self._steering = steering
        self._allowance = Allowance()
        self._beginning_anew = False

    def put(self, unit: AccessUnit) -> None:
        """Sends one access unit; the first is a key frame. Before the connection, it is dropped."""
        if self._stream is not None and (self.frames_sent or unit.key_frame):
            self._guard(self._send_picture, self._stream, unit)

    def _begin(self) -> None:
        self._steering.want_key_frame()

    def _send_picture(self, stream: RtpStream, unit: AccessUnit) -> None:
        if unit.key_frame and self._beginning_anew:
            self._beginning_anew = False
            stream.forget()
        self._send_media(stream, h264.payloads(unit.data, stream.room), unit.pts)
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

    def _missed(self, lost: int, highest: int) -> None:
        self._steering.reported(lost, highest)
