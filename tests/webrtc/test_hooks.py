"""The private names of aiortc that the door relies on. These fail when aiortc changes them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, VideoStreamTrack
from aiortc.rtp import RTCP_PSFB_FIR, RTCP_PSFB_PLI, RtcpPsfbPacket

from homecall_pi.webrtc import hooks


@pytest.fixture
async def pc() -> AsyncIterator[RTCPeerConnection]:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    yield pc
    await pc.close()


@pytest.fixture
def sender(pc: RTCPeerConnection) -> RTCRtpSender:
    return pc.addTransceiver(VideoStreamTrack(), direction="sendonly").sender


def feedback(sender: RTCRtpSender, kind: int) -> RtcpPsfbPacket:
    return RtcpPsfbPacket(fmt=kind, ssrc=1, media_ssrc=sender._ssrc, fci=b"\0" * 8)


@pytest.mark.parametrize("kind", [RTCP_PSFB_PLI, RTCP_PSFB_FIR], ids=["PLI", "FIR"])
async def test_a_request_for_a_key_frame_reaches_the_door(sender: RTCRtpSender, kind: int):
    requests: list[None] = []
    hooks.on_key_frame_request(sender, lambda: requests.append(None))
    await sender._handle_rtcp_packet(feedback(sender, kind))
    assert len(requests) == 1


async def test_closing_knows_where_the_consent_checks_run(
    pc: RTCPeerConnection, sender: RTCRtpSender
):
    (transceiver,) = pc.getTransceivers()
    ice = transceiver.receiver.transport.transport._connection
    assert ice._query_consent_task is None
    await ice.close()
    await ice.close()
