"""The picture over a real connection to aiortc: whole, repaired, and as the page asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Container

import av
import pytest
from aiortc import (
    RTCConfiguration,
    RTCDtlsTransport,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    is_rtcp,
    pack_remb_fci,
)

from homecall_pi.core import loss
from homecall_pi.core.bitrate import Bounds
from homecall_pi.core.ports import VIDEO_CLOCK_HZ, AccessUnit
from homecall_pi.hardware import clip
from homecall_pi.hardware.encoder import SoftwareEncoder
from homecall_pi.webrtc import h264, hooks
from homecall_pi.webrtc.steering import Steering
from homecall_pi.webrtc.video_sender import VideoSender

from ..conftest import PATIENCE_S
from ..hardware.h264 import decode
from .doubles import Page, Parts

WIDTH, HEIGHT, FPS = 320, 240, 30
START_BPS = Bounds().start_bps


def film(count: int, key_frames: Container[int] = (0,)) -> list[AccessUnit]:
    """Pictures through a real encoder; a key frame takes many packets."""
    encoder = SoftwareEncoder(WIDTH, HEIGHT, FPS, 2_000_000)
    pictures = clip.test_pictures(WIDTH, HEIGHT, FPS)
    units = (
        encoder.encode(next(pictures), key_frame=index in key_frames) for index in range(count)
    )
    return [
        AccessUnit(data, index * VIDEO_CLOCK_HZ // FPS, key_frame)
        for index, (data, key_frame) in enumerate(units)
    ]


class Line:
    """A door's camera and a page, with a network between them that loses what the test says."""

    def __init__(self, parts: Parts, page: Page) -> None:
        self.parts, self.page = parts, page
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.addTransceiver("audio")  # as the page has some
        video = self.pc.addTransceiver("video", direction="sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        video.setCodecPreferences([codec for codec in codecs if codec.name in {"H264", "rtx"}])
        self.steering = Steering(parts.door)
        self.steering.begin()
        self.video = VideoSender(video.sender, self.steering)
        self.ssrc, self.rtx_ssrc = hooks.ssrcs(video.sender)
        self.arrived: dict[int, int] = {self.ssrc: 0, self.rtx_ssrc: 0}
        self._numbers: asyncio.Queue[tuple[int, bool]] = asyncio.Queue()
        self.lose: set[int] = set()
        """Which packets of the picture are lost, counted from nought; never their repairs."""
        self.lost = 0

    async def connect(self) -> None:
        """Returns when the connection stands, and the door has asked for a first key frame."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        answer = await self.page.answer(self.pc.localDescription.sdp)
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self.page.connected()
        async with asyncio.timeout(PATIENCE_S):
            await self.parts.key_frame_wanted.wait()
        self.parts.key_frame_wanted.clear()
        (pair,) = self.transport.transport._connection._nominated.values()
        self._receive = pair.protocol.datagram_received
        pair.protocol.datagram_received = self._datagram_received

    @property
    def transport(self) -> RTCDtlsTransport:
        """The page's end."""
        return self.page.pc.getTransceivers()[0].receiver.transport

    def _datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if 128 <= data[0] < 192 and not is_rtcp(data):  # SRTP (RFC 7983); its header is readable
            ssrc = int.from_bytes(data[8:12], "big")
            if ssrc in self.arrived:
                self.arrived[ssrc] += 1
                if ssrc == self.ssrc:
                    self._numbers.put_nowait((int.from_bytes(data[2:4], "big"), data[1] >= 128))
                if ssrc == self.ssrc and self.arrived[ssrc] - 1 in self.lose:
                    self.lost += 1
                    return
        self._receive(data, address)

    async def send(self, *units: AccessUnit) -> None:
        """Films, one picture after the other."""
        for unit in units:
            self.video.put(unit)
            await asyncio.sleep(0.005)

    async def seen(self, count: int) -> list[bytes]:
        """The next pictures that the page shows: their brightness, byte for byte."""
        async with asyncio.timeout(PATIENCE_S):
            return [luma(await self.page.tracks["video"].recv()) for _ in range(count)]

    async def numbers_of_a_picture(self) -> list[int]:
        """Sequence numbers of the next picture's packets, when the last of them has arrived."""
        numbers, last = [], False
        async with asyncio.timeout(PATIENCE_S):
            while not last:
                number, last = await self._numbers.get()
                numbers.append(number)
        return numbers

    async def report(self, *packets: RtcpPsfbPacket | RtcpRrPacket | RtcpRtpfbPacket) -> None:
        """Says something of the picture, by the page's end of the connection."""
        for packet in packets:
            await self.transport._send_rtp(bytes(packet))

    async def bitrate_changes(self, words: RtcpPsfbPacket | RtcpRrPacket) -> int:
        """What the camera is told after the page said something."""
        count = len(self.parts.bitrates)
        await self.report(words)
        async with asyncio.timeout(PATIENCE_S):
            while len(self.parts.bitrates) == count:
                await asyncio.sleep(0.001)
        return self.parts.bitrates[-1]


def luma(frame: av.VideoFrame) -> bytes:
    return bytes(frame.planes[0])


@pytest.fixture
async def new_line(parts: Parts, page: Page) -> AsyncIterator[Line]:
    """Two ends without a connection."""
    line = Line(parts, page)
    yield line
    await line.pc.close()


@pytest.fixture
async def line(new_line: Line) -> Line:
    """Two ends whose connection stands."""
    await new_line.connect()
    return new_line


async def test_pictures_before_the_connection_stands_are_dropped(new_line: Line):
    await new_line.send(*film(2))
    assert new_line.video.frames_sent == 0


async def test_the_first_picture_is_a_key_frame(line: Line):
    units = film(4)
    await line.send(*units[1:], units[0], units[1])
    assert await line.seen(1) == [luma(decode(units[0])[0])]
    assert line.video.frames_sent == 2


async def test_pictures_arrive_as_they_were_encoded_and_are_counted(line: Line):
    units = film(12)
    await line.send(*units)
    # The last is complete for the page when the next one begins.
    assert await line.seen(11) == [luma(frame) for frame in decode(*units)[:11]]
    assert line.video.frames_sent == 12


async def test_what_the_network_loses_comes_again(line: Line):
    units = film(43)
    line.lose = set(range(3, 1000, 7))
    await line.send(*units[:40])
    line.lose.clear()
    await line.send(*units[40:])
    assert await line.seen(40) == [luma(frame) for frame in decode(*units)[:40]]
    assert line.arrived[line.rtx_ssrc] >= line.lost > 30


async def test_where_repairs_are_too_much_a_key_frame_is_a_new_beginning(line: Line):
    units = film(4, key_frames={0, 2})
    await line.send(units[0])
    old = await line.numbers_of_a_picture()
    for _ in range(300):
        await line.report(missing(old, line.ssrc))
    async with asyncio.timeout(PATIENCE_S):
        await line.parts.key_frame_wanted.wait()
    await line.send(units[1])
    await line.numbers_of_a_picture()
    repaired = line.arrived[line.rtx_ssrc]
    assert len(old) <= repaired < 100 * len(old)
    await line.send(units[2])
    new = await line.numbers_of_a_picture()
    await asyncio.sleep(0.05)  # so that a packet may be repaired
    await line.report(missing(old, line.ssrc), missing(new[:1], line.ssrc))
    await line.bitrate_changes(estimate(500_000, line.ssrc))
    await line.send(units[3])
    await line.numbers_of_a_picture()
    assert line.arrived[line.rtx_ssrc] == repaired + 1


def missing(numbers: list[int], ssrc: int) -> RtcpRtpfbPacket:
    return RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=ssrc, lost=numbers)


async def test_the_page_learns_what_was_sent_and_when(line: Line):
    await line.send(*film(1))
    async with asyncio.timeout(PATIENCE_S):
        while not (sent := await reports(line)):
            await asyncio.sleep(0.001)
    assert sent == [line.arrived[line.ssrc]]


async def reports(line: Line) -> list[int]:
    """How many packets the door says to have sent."""
    stats = await line.page.pc.getTransceivers()[1].receiver.getStats()
    return [each.packetsSent for each in stats.values() if each.type == "remote-outbound-rtp"]


@pytest.mark.parametrize("kind", [RTCP_PSFB_PLI, RTCP_PSFB_FIR], ids=["PLI", "FIR"])
async def test_a_request_for_a_key_frame_reaches_the_camera(line: Line, kind: int):
    await line.report(RtcpPsfbPacket(fmt=kind, ssrc=1, media_ssrc=line.ssrc))
    async with asyncio.timeout(PATIENCE_S):
        await line.parts.key_frame_wanted.wait()


def estimate(bps: int, ssrc: int) -> RtcpPsfbPacket:
    fci = pack_remb_fci(bps, [ssrc])
    return RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=fci)


async def test_the_bitrate_follows_an_estimate_of_500_kbit_down_and_back(line: Line):
    assert 400_000 <= await line.bitrate_changes(estimate(500_000, line.ssrc)) <= 500_000
    assert await line.bitrate_changes(estimate(5_000_000, line.ssrc)) == START_BPS


async def test_the_bitrate_goes_down_with_loss(line: Line, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loss, "LEAST_S", 0.0)
    await line.report(received(line.ssrc, lost=2, highest=1000))
    bps = await line.bitrate_changes(received(line.ssrc, lost=502, highest=2000))
    assert bps == pytest.approx(0.5 * START_BPS, rel=0.01)


def received(ssrc: int, lost: int, highest: int) -> RtcpRrPacket:
    """A report on the stream, and on another one of which everything is lost."""
    of_others = RtcpReceiverInfo(ssrc ^ 1, 255, highest, highest, 0, 0, 0)
    return RtcpRrPacket(1, [of_others, RtcpReceiverInfo(ssrc, 0, lost, highest, 0, 0, 0)])


async def test_feedback_of_no_use_does_no_harm(line: Line, caplog: pytest.LogCaptureFixture):
    strange = (
        RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=line.ssrc, fci=b"XXXX"),
        RtcpPsfbPacket(fmt=7, ssrc=1, media_ssrc=line.ssrc),
        RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=line.ssrc, lost=[1, 2, 3]),
        RtcpRtpfbPacket(fmt=15, ssrc=1, media_ssrc=line.ssrc, lost=[1, 2, 3]),
        estimate(300_000, line.ssrc ^ 1),
    )
    await line.report(*strange)
    # What comes after all that is heeded.
    assert await line.bitrate_changes(estimate(500_000, line.ssrc)) == 450_000
    assert line.parts.bitrates == [START_BPS, 450_000]
    assert caplog.records == []


async def test_a_failure_costs_one_picture_and_is_told_once(
    line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    units = film(5, key_frames={0, 3})
    await line.send(units[0])
    with monkeypatch.context() as patched:
        patched.setattr(h264, "payloads", lambda *_: 1 / 0)
        await line.send(units[1], units[2])
    await line.send(units[3], units[4])
    assert await line.seen(2) == [luma(decode(unit)[0]) for unit in (units[0], units[3])]
    assert line.video.frames_sent == 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_failure_about_feedback_leaves_the_connection_alone(
    line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    with monkeypatch.context() as patched:
        patched.setattr(Steering, "want_key_frame", lambda _: 1 / 0)
        await line.report(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=line.ssrc))
        async with asyncio.timeout(PATIENCE_S):
            while not caplog.records:
                await asyncio.sleep(0.001)
    assert await line.bitrate_changes(estimate(500_000, line.ssrc)) == 450_000


async def test_at_the_end_the_page_is_told_that_nothing_more_comes(line: Line):
    units = film(3)
    await line.send(*units[:2])
    await line.seen(1)
    await line.pc.close()
    with pytest.raises(MediaStreamError):
        await line.seen(3)
    line.video.put(units[2])
    assert line.video.frames_sent == 2
