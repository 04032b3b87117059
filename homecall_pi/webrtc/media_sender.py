"""What picture and voice have in common on their way to the page: sent at the moment they come.

This takes the place of aiortc's own way, by a track, an encoder and a task for each, at two thirds
of its cost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpSendParameters
from aiortc.rtp import AnyRtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSrPacket

from . import hooks, steady
from .rtp import RtpStream

log = logging.getLogger(__name__)

REPORT_S = 1.0
"""Seconds between two reports of what was sent."""


class MediaSender:
    """Sends in place of `sender`, and heeds what the page says of it."""

    what = "media"
    """What is lost when something fails, for the log."""

    def __init__(self, sender: RTCRtpSender) -> None:
        self._sender = sender
        self._ssrc, self._rtx_ssrc = hooks.ssrcs(sender)
        self._stream: RtpStream | None = None
        """Once the connection stands."""
        self._reported_at = 0.0
        self._warned = False
        hooks.take_over(sender, start=self._start, stop=self._stop, heed=self._heed)

    def _begin(self) -> None:
        """The connection stands."""

    def _take(self, stream: RtpStream, packet: AnyRtcpPacket) -> None:
        """Heeds feedback other than reports of what is missed."""

    def _missed(self, lost: int, highest: int) -> None:
        """The page missed so many packets of those up to this one in sequence."""

    def _start(self, parameters: RTCRtpSendParameters) -> None:
        if self._stream is None:
            self._stream = RtpStream(parameters, ssrc=self._ssrc, rtx_ssrc=self._rtx_ssrc)
            self._begin()

    def _stop(self) -> None:
        if self._stream is not None:
            self._guard(self._send, self._stream.goodbye())
        self._stream = None

    def _heed(self, packet: AnyRtcpPacket) -> None:
        if self._stream is None:
            return
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            self._guard(self._reported, packet.reports)
        else:
            self._guard(self._take, self._stream, packet)

    def _guard(self, work: Callable[..., None], *arguments: object) -> None:
        """Whatever fails costs a part of it or a report, not what comes after it."""
        try:
            work(*arguments)
        except ConnectionError:
            log.debug("the connection ends")
        except Exception as error:
            if not self._warned:
                log.warning("%s or a report on it was lost: %r; going on", self.what, error)
                log.debug("where it was lost", exc_info=True)
            self._warned = True

    def _send(self, *packets: bytes) -> None:
        hooks.send(self._sender, packets)

    def _send_media(self, stream: RtpStream, payloads: Sequence[bytes], pts: int) -> None:
        """Sends the payloads of one moment, `pts` in ticks of the codec's clock."""
        now = steady.now()
        packets = stream.packets(payloads, pts, now)
        if now - self._reported_at >= REPORT_S:
            self._reported_at = now
            packets.append(stream.report())
        self._send(*packets)

    def _reported(self, reports: list[RtcpReceiverInfo]) -> None:
        """The packets that the page misses (RFC 3550, section 6.4.1)."""
        for report in reports:
            if report.ssrc == self._ssrc:
                self._missed(report.packets_lost, report.highest_sequence)
