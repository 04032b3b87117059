"""Reports of the page as bitrates of the camera: real RTCP packets, a door that remembers."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import AsyncIterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, VideoStreamTrack
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    pack_remb_fci,
)

from homecall_pi.core.bitrate import Bounds
from homecall_pi.webrtc.steering import Steering

from .doubles import Parts

BOUNDS = Bounds()


@pytest.fixture
async def sender() -> AsyncIterator[RTCRtpSender]:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    yield pc.addTransceiver(VideoStreamTrack(), direction="sendonly").sender
    await pc.close()


@pytest.fixture
async def steering(sender: RTCRtpSender, parts: Parts) -> Steering:
    steering = Steering(sender, parts.door)
    steering.begin()
    return steering


async def report(sender: RTCRtpSender, *packets: RtcpPsfbPacket | RtcpRrPacket) -> None:
    """Lets the sender handle packets as they come from the network."""
    for sent in packets:
        for packet in RtcpPacket.parse(bytes(sent)):
            await sender._handle_rtcp_packet(packet)


def remb(bps: int, ssrc: int) -> RtcpPsfbPacket:
    fci = pack_remb_fci(bps, [ssrc])
    return RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=fci)


def loss(share: float, ssrc: int) -> RtcpRrPacket:
    info = RtcpReceiverInfo(ssrc, int(share * 256), 0, 0, 0, 0, 0)
    return RtcpRrPacket(ssrc=1, reports=[info])


async def test_a_call_begins_with_the_bitrate_of_the_configuration(
    steering: Steering, parts: Parts
):
    assert parts.bitrates == [BOUNDS.start_bps]


async def test_the_bitrate_follows_an_estimate_of_500_kbit_down_and_back(
    sender: RTCRtpSender, steering: Steering, parts: Parts
):
    await report(sender, remb(500_000, sender._ssrc))
    assert 400_000 <= parts.bitrates[-1] <= 500_000
    await report(sender, remb(5_000_000, sender._ssrc))
    assert parts.bitrates[-1] == BOUNDS.start_bps


async def test_the_bitrate_goes_down_with_loss(
    sender: RTCRtpSender, steering: Steering, parts: Parts
):
    await report(sender, loss(0.5, sender._ssrc))
    assert parts.bitrates[-1] == pytest.approx(0.75 * BOUNDS.start_bps, rel=0.01)


async def test_what_is_reported_of_others_is_left_alone(
    sender: RTCRtpSender, steering: Steering, parts: Parts
):
    other = sender._ssrc ^ 1
    await report(sender, remb(500_000, other), loss(0.5, other))
    assert parts.bitrates == [BOUNDS.start_bps]


@pytest.mark.parametrize("fci", [b"", b"afbx" * 3, b"REMB\x02\x00\x00\x00"])
async def test_other_feedback_of_the_kind_is_ignored(
    sender: RTCRtpSender, steering: Steering, parts: Parts, fci: bytes
):
    packet = RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=fci)
    with contextlib.suppress(struct.error):  # of aiortc itself, after us
        await sender._handle_rtcp_packet(packet)
    assert parts.bitrates == [BOUNDS.start_bps]


async def test_after_the_call_the_camera_is_left_alone(
    sender: RTCRtpSender, steering: Steering, parts: Parts
):
    steering.rest()
    await report(sender, remb(500_000, sender._ssrc), loss(0.5, sender._ssrc))
    assert parts.bitrates == [BOUNDS.start_bps]


async def test_aiortc_still_sees_the_packets(sender: RTCRtpSender, steering: Steering):
    await report(sender, loss(0.25, sender._ssrc))
    assert any(key.startswith("remote-inbound") for key in sender._RTCRtpSender__stats)
