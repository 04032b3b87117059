"""Packets, read by aiortc's parsers; repairs as RFC 4588 has them."""

from __future__ import annotations

from contextlib import suppress
from struct import pack
from typing import Any

import pytest
from aiortc.rtcrtpparameters import (
    RTCRtcpParameters,
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpSendParameters,
)
from aiortc.rtp import (
    HeaderExtensionsMap,
    RtcpByePacket,
    RtcpPacket,
    RtcpSdesPacket,
    RtcpSrPacket,
    RtpPacket,
    is_rtcp,
    unwrap_rtx,
)
from hypothesis import given
from hypothesis import strategies as st

from homecall_pi.webrtc.rtp import (
    ABS_SEND_TIME,
    KEPT,
    MAX_PACKET,
    MID,
    SAVED_S,
    Allowance,
    RtpStream,
    parse,
)

SSRC, RTX_SSRC = 0x12345678, 0x9ABCDEF0
NOW = 1_700_000_000.5
EXTENSIONS = {ABS_SEND_TIME: 3, MID: 1}
RTX = RTCRtpCodecParameters("video/rtx", 90_000, payloadType=102, parameters={"apt": 101})


def parameters(extensions: dict[str, int], *others: RTCRtpCodecParameters) -> RTCRtpSendParameters:
    return RTCRtpSendParameters(
        codecs=[RTCRtpCodecParameters("video/H264", 90_000, payloadType=101), *others],
        headerExtensions=[
            RTCRtpHeaderExtensionParameters(id=number, uri=uri)
            for uri, number in extensions.items()
        ],
        muxId="0a1",
        rtcp=RTCRtcpParameters(cname="{name}", ssrc=SSRC),
    )


def stream(extensions: dict[str, int] = EXTENSIONS, *others: RTCRtpCodecParameters) -> RtpStream:
    return RtpStream(parameters(extensions, *others or (RTX,)), ssrc=SSRC, rtx_ssrc=RTX_SSRC)


def read(packet: bytes, extensions: dict[str, int] = EXTENSIONS) -> RtpPacket:
    known = HeaderExtensionsMap()
    known.configure(parameters(extensions))
    return RtpPacket.parse(packet, known)


def picture(sent: RtpStream, *payloads: bytes, pts: int = 0, now: float = NOW) -> list[RtpPacket]:
    return [read(packet) for packet in sent.packets(payloads, pts, now)]


def test_a_picture_is_numbered_in_order_and_its_last_packet_is_marked():
    sent = stream()
    packets = picture(sent, b"a", b"b", b"c") + picture(sent, b"d", pts=3000)
    assert [packet.payload for packet in packets] == [b"a", b"b", b"c", b"d"]
    assert [packet.marker for packet in packets] == [0, 0, 1, 1]
    first = packets[0].sequence_number
    assert [packet.sequence_number - first for packet in packets] == [0, 1, 2, 3]
    assert {packet.payload_type for packet in packets} == {101}
    assert {packet.ssrc for packet in packets} == {SSRC}


def test_time_begins_anywhere_and_goes_on_with_the_pictures():
    sent = stream()
    ticks = [picture(sent, b"a", pts=pts)[0].timestamp for pts in (0, 3000, 2**32 + 3000)]
    assert (ticks[1] - ticks[0]) % 2**32 == 3000
    assert ticks[2] == ticks[1]
    assert ticks[0] != picture(stream(), b"a")[0].timestamp


def test_the_numbers_begin_in_the_lower_half_and_start_over_after_the_last():
    sent = stream()
    first = picture(sent, b"a")[0].sequence_number
    assert first < 2**15
    last = sent.packets([b"x"] * 2**16, 0, NOW)[-1]
    assert read(last).sequence_number == first


def test_extensions_say_the_section_and_the_time_of_sending():
    (packet,) = picture(stream(), b"a", now=64 * 1000 + 1.5)
    assert packet.extensions.mid == "0a1"
    assert packet.extensions.abs_send_time == 1.5 * 2**18


@pytest.mark.parametrize(
    ("agreed", "found"),
    [({MID: 5}, ("0a1", None)), ({ABS_SEND_TIME: 14}, (None, 0)), ({}, (None, None))],
)
def test_only_extensions_that_were_agreed_on_are_sent(agreed: dict[str, int], found: tuple[Any]):
    (raw,) = stream(agreed).packets([b"a"], 0, 0.0)
    packet = read(raw, agreed)
    assert (packet.extensions.mid, packet.extensions.abs_send_time) == found
    assert packet.payload == b"a"
    assert (raw[0] == 0x80) == (not agreed)


@pytest.mark.parametrize("agreed", [EXTENSIONS, {MID: 5}, {}])
def test_no_packet_is_too_big_not_even_a_repair(agreed: dict[str, int]):
    sent = stream(agreed)
    (packet,) = sent.packets([bytes(sent.room)], 0, NOW)
    repair = sent.repair(read(packet).sequence_number, NOW)
    assert repair is not None
    assert len(packet) + 2 == len(repair) == MAX_PACKET


def test_a_repair_repeats_a_packet_in_a_stream_of_its_own():
    sent = stream()
    packets = picture(sent, b"a", b"b", pts=77)
    repairs = [sent.repair(packet.sequence_number, NOW + 1) for packet in packets]
    found = [read(repair) for repair in repairs if repair is not None]
    assert [packet.ssrc for packet in found] == [RTX_SSRC, RTX_SSRC]
    assert [packet.payload_type for packet in found] == [102, 102]
    assert found[1].sequence_number == (found[0].sequence_number + 1) % 2**16
    assert found[0].extensions.mid == "0a1"
    assert found[0].extensions.abs_send_time != packets[0].extensions.abs_send_time
    for packet, original in zip(found, packets, strict=True):
        restored = unwrap_rtx(packet, payload_type=101, ssrc=SSRC)
        assert restored.sequence_number == original.sequence_number
        assert restored.timestamp == original.timestamp
        assert restored.marker == original.marker
        assert restored.payload == original.payload


def test_without_a_stream_for_repairs_the_packet_itself_comes_again():
    other = RTCRtpCodecParameters("video/rtx", 90_000, payloadType=98, parameters={"apt": 97})
    sent = stream(EXTENSIONS, other)
    (packet,) = sent.packets([b"a"], 0, NOW)
    assert sent.repair(read(packet).sequence_number, NOW + 1) == packet


def test_packets_are_kept_for_a_while():
    sent = stream()
    numbers = [packet.sequence_number for packet in picture(sent, *[b"x"] * (KEPT + 1))]
    assert sent.repair(numbers[0], NOW) is None
    assert all(sent.repair(number, NOW) for number in numbers[1:])
    assert sent.repair((numbers[-1] + 1) % 2**16, NOW) is None


def test_what_is_forgotten_is_not_repaired():
    sent = stream()
    (old,) = picture(sent, b"a")
    sent.forget()
    (new,) = picture(sent, b"b")
    assert sent.repair(old.sequence_number, NOW) is None
    assert sent.repair(new.sequence_number, NOW) is not None


def test_nothing_can_be_repaired_before_the_first_packet():
    assert stream().repair(0, NOW) is None


def test_a_report_has_both_times_of_the_latest_picture_and_what_was_sent():
    sent = stream()
    picture(sent, b"abc", now=NOW - 1)
    (packet, _) = picture(sent, b"de", b"f", pts=90_000)
    assert is_rtcp(sent.report())
    report, name = RtcpPacket.parse(sent.report())
    assert isinstance(report, RtcpSrPacket)
    assert report.ssrc == SSRC
    assert report.sender_info.ntp_timestamp == (1_700_000_000 + 2_208_988_800) * 2**32 + 2**31
    assert report.sender_info.rtp_timestamp == packet.timestamp
    assert (report.sender_info.packet_count, report.sender_info.octet_count) == (3, 6)
    assert isinstance(name, RtcpSdesPacket)
    assert [(chunk.ssrc, chunk.items) for chunk in name.chunks] == [(SSRC, [(1, b"{name}")])]


def test_the_last_report_says_goodbye():
    sent = stream()
    picture(sent, b"a")
    *_, goodbye = RtcpPacket.parse(sent.goodbye())
    assert isinstance(goodbye, RtcpByePacket)
    assert goodbye.sources == [SSRC]


PACKET = bytes(1000)


def spent(allowance: Allowance, bps: int, now_s: float) -> int:
    """How many packets may be sent at once."""
    return sum(allowance.spend(PACKET, bps, now_s) for _ in range(1000))


def test_repairs_take_a_share_of_the_bitrate():
    allowance = Allowance()
    assert spent(allowance, 1_600_000, 50.0) == 100 * SAVED_S
    assert spent(allowance, 1_600_000, 50.1) == 10
    assert spent(allowance, 160_000, 50.2) == 1


def test_repairs_that_nobody_asked_for_are_not_saved_for_long():
    allowance = Allowance()
    spent(allowance, 1_600_000, 50.0)
    assert spent(allowance, 1_600_000, 150.0) == 100 * SAVED_S
    assert spent(allowance, 160_000, 250.0) == 10 * SAVED_S


def test_no_bitrate_allows_no_repairs():
    assert spent(Allowance(), 0, 50.0) == 0


@given(
    sources=st.integers(0, 15),
    extension=st.none() | st.integers(0, 5),
    padding=st.none() | st.integers(0, 255),
    rest=st.binary(max_size=80),
)
def test_what_comes_is_read_as_aiortc_reads_it(
    sources: int, extension: int | None, padding: int | None, rest: bytes
):
    flags = 0x80 | sources | 0x10 * (extension is not None) | 0x20 * (padding is not None)
    packet = pack("!BBHII", flags, 111, 65_535, 2**32 - 1, SSRC) + bytes(4 * sources)
    if extension is not None:
        packet += pack("!HH", 0x1234, extension) + rest[: 4 * extension].ljust(4 * extension)
    packet += rest if padding is None else rest + bytes((padding,))
    try:
        expected = RtpPacket.parse(packet)
    except ValueError:
        with pytest.raises(ValueError, match="RTP packet"):
            parse(packet)
        return
    read = parse(packet)
    assert read.payload == expected.payload
    assert (read.sequence_number, read.timestamp) == (65_535, 2**32 - 1)


@given(packet=st.binary(max_size=60))
def test_nonsense_is_refused_or_read_whatever_it_is(packet: bytes):
    with suppress(ValueError):
        assert packet.endswith(parse(packet).payload) or packet[0] & 0x20
