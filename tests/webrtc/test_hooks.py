"""The private names of aiortc that the door relies on. These fail when aiortc changes them."""

from __future__ import annotations

import asyncio
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


async def test_a_connection_that_stands_is_closed_without_delay(
    pc: RTCPeerConnection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hooks, "SETTLE_S", 3600.0)
    await hooks.close(pc)
    assert pc.connectionState == "closed"
