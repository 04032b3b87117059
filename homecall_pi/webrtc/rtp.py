"""The packets of one track as bytes: RTP, retransmissions and reports. No network, no clock.

`now` is the time of day, in seconds since 1970.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from struct import Struct, pack

import msgspec
from aiortc.rtcrtpparameters import RTCRtpSendParameters
from aiortc.rtp import (
    RtcpByePacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
)

MAX_PACKET = 1200
"""Bytes of an RTP packet. With what SRTP, TURN, UDP and IPv6 add, it fits the least MTU that there
is (1280 bytes; RFC 8200, section 5)."""
KEPT = 256
"""Packets kept for retransmission: those of a second at 2.4 Mbit/s."""
REPAIR_SHARE, SAVED_S = 0.5, 1.0
"""Of the bitrate, what repairs may take; and the seconds of it that they may take at once."""
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"

_HEADER = Struct("!BBHII")
"""Flags, marker and payload type, sequence number, timestamp, SSRC (RFC 3550, section 5.1)."""
_VERSION, _PADDED, _EXTENDED, _MARKER = 0x80, 0x20, 0x10, 0x80
_EXTENSIONS = 0xBEDE
"""Each extension has a header of one byte (RFC 8285, section 4.2)."""
_CNAME = 1
_FROM_1900_TO_1970_S = 2_208_988_800


class RtpStream:
    """What is sent of one track, by the numbers that the connection agreed on."""

    def __init__(self, parameters: RTCRtpSendParameters, *, ssrc: int, rtx_ssrc: int) -> None:
        self._ssrc, self._rtx_ssrc = ssrc, rtx_ssrc
        self._cname = (parameters.rtcp.cname or "").encode()
        codec = parameters.codecs[0]
        self._payload_type = codec.payloadType or 0
        # A voice without pauses has no talkspurts to mark (RFC 7587, section 4.1).
        self._last_mark = _MARKER if codec.mimeType.startswith("video/") else 0
        self._rtx_payload_type = _rtx_payload_type(parameters)
        self._extension_ids = {each.uri: each.id for each in parameters.headerExtensions}
        self._mid = parameters.muxId.encode()
        self._head = _HEADER.size + len(self._extensions(0.0))
        # The lower half: who misses the first packets must not miss a rollover (RFC 3711, 3.3.1).
        self._sequence, self._rtx_sequence = secrets.randbits(15), secrets.randbits(15)
        self._origin = self._timestamp = secrets.randbits(32)
        self._sent_at = 0.0
        self._count = self._octets = 0
        self._kept = [b""] * KEPT

    @property
    def room(self) -> int:
        """Bytes for a payload. A retransmission is two bytes longer than what it repeats."""
        return MAX_PACKET - self._head - 2

    def packets(self, payloads: Sequence[bytes], pts: int, now: float) -> list[bytes]:
        """A packet for each payload of one moment; `pts` is its time in ticks."""
        self._timestamp, self._sent_at = (self._origin + pts) & 0xFFFFFFFF, now
        extensions = self._extensions(now)
        last = len(payloads) - 1
        made = []
        for index, payload in enumerate(payloads):
            kind = self._payload_type | (self._last_mark if index == last else 0)
            header = _header(extensions, kind, self._sequence, self._timestamp, self._ssrc)
            packet = header + payload
            made.append(packet)
            self._kept[self._sequence % KEPT] = packet
            self._sequence = (self._sequence + 1) & 0xFFFF
            self._octets += len(payload)
        self._count += len(made)
        return made

    def repair(self, sequence: int, now: float) -> bytes | None:
        """The packet `sequence` once more, while it is kept (RFC 4588, section 4)."""
        packet = self._kept[sequence % KEPT]
        number = pack("!H", sequence)
        if packet[2:4] != number:
            return None
        if self._rtx_payload_type is None:
            return packet
        kind = packet[1] & _MARKER | self._rtx_payload_type
        timestamp = int.from_bytes(packet[4:8], "big")
        header = _header(self._extensions(now), kind, self._rtx_sequence, timestamp, self._rtx_ssrc)
        self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
        return header + number + packet[self._head :]

    def forget(self) -> None:
        """Keeps nothing of what was sent so far: nobody needs it any more."""
        self._kept = [b""] * KEPT

    def report(self) -> bytes:
        """What was sent so far (RFC 3550, section 6.4.1), at the time of the latest picture.

        It belongs right after that picture, as both its times, of day and of the media, are of one
        moment.
        """
        ntp = int((self._sent_at + _FROM_1900_TO_1970_S) * 2**32)
        counts = (self._count & 0xFFFFFFFF, self._octets & 0xFFFFFFFF)
        sent = RtcpSrPacket(self._ssrc, RtcpSenderInfo(ntp, self._timestamp, *counts))
        name = RtcpSdesPacket([RtcpSourceInfo(self._ssrc, [(_CNAME, self._cname)])])
        return bytes(sent) + bytes(name)

    def goodbye(self) -> bytes:
        """Nothing more is sent (RFC 3550, section 6.6)."""
        return self.report() + bytes(RtcpByePacket([self._ssrc]))

    def _extensions(self, now: float) -> bytes:
        """Those header extensions that the other side knows (RFC 8285)."""
        elements = b""
        if identifier := self._extension_ids.get(ABS_SEND_TIME):
            elements += _element(identifier, pack("!I", int(now * 2**18) & 0xFFFFFF)[1:])
        if identifier := self._extension_ids.get(MID):
            elements += _element(identifier, self._mid)
        if not elements:
            return b""
        elements += bytes(-len(elements) % 4)
        return pack("!HH", _EXTENSIONS, len(elements) // 4) + elements


class Packet(msgspec.Struct, frozen=True):
    """What a receiver needs of one."""

    sequence_number: int
    timestamp: int
    payload: bytes


def parse(packet: bytes) -> Packet:
    """A packet that came, without its extensions and padding (RFC 3550, section 5.1).

    Raises:
        ValueError: it is shorter than it says.
    """
    if len(packet) < _HEADER.size:
        raise ValueError("an RTP packet without a whole header")
    flags, _, sequence_number, timestamp, _ = _HEADER.unpack_from(packet)
    start = _HEADER.size + 4 * (flags & 0x0F)
    if flags & _EXTENDED:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
    end = len(packet)
    if flags & _PADDED:
        end -= packet[-1] or end  # the padding counts itself
    if start > end:
        raise ValueError("an RTP packet that is shorter than it says")
    return Packet(sequence_number, timestamp, packet[start:end])


class Allowance:
    """What repairs may take of a bitrate, lest they choke a network that is full.

    A page asks for a packet as often as ten times, as long as it misses it.
    """

    def __init__(self) -> None:
        self._saved = math.inf
        self._at_s = 0.0

    def spend(self, packet: bytes, bps: int, now_s: float) -> bool:
        """Whether `packet` may be sent, at a bitrate of `bps`; `now_s` is any clock's."""
        most = REPAIR_SHARE * bps * SAVED_S
        earned = REPAIR_SHARE * bps * (now_s - self._at_s)
        self._saved, self._at_s = min(most, self._saved + earned), now_s
        if self._saved < 8 * len(packet):
            return False
        self._saved -= 8 * len(packet)
        return True


def _header(extensions: bytes, kind: int, sequence: int, timestamp: int, ssrc: int) -> bytes:
    flags = _VERSION | _EXTENDED if extensions else _VERSION
    return _HEADER.pack(flags, kind, sequence, timestamp, ssrc) + extensions


def _element(identifier: int, value: bytes) -> bytes:
    return bytes((identifier << 4 | len(value) - 1,)) + value


def _rtx_payload_type(parameters: RTCRtpSendParameters) -> int | None:
    """Of what repeats packets of the first codec (RFC 4588, section 8.1)."""
    first, *others = parameters.codecs
    repeats = (each for each in others if each.parameters.get("apt") == first.payloadType)
    return next((each.payloadType for each in repeats), None)
