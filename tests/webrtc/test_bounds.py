"""What others can pile up at a connection. These fail when aiortc or aioice change their names."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aioice import stun, turn
from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    SCTP_DATA_LAST_FRAG,
    SCTP_DATA_UNORDERED,
    WEBRTC_STRING,
    DataChunk,
    serialize_packet,
)
from aiortc.rtp import RtcpSdesPacket, RtcpSourceInfo, RtpPacket

from homecall_pi.core.call import Accepted, Connected, OfferReady, PeerClosed
from homecall_pi.webrtc import bounds, hooks
from homecall_pi.webrtc.bounds import Newest, Prompt
from homecall_pi.webrtc.peer import Peer

from ..conftest import PATIENCE_S
from ..doubles import Events
from .doubles import Page

NUMBER = 3
STRANGER = ("127.0.0.1", 9)


@pytest.fixture
async def connected(peer: Peer, own_page: Page, events: Events) -> Peer:
    """A connection that stands."""
    await connect(peer, own_page, events)
    return peer


async def connect(peer: Peer, page: Page, events: Events) -> None:
    peer.begin(NUMBER, events)
    await events.next(OfferReady)
    peer.accept(await page.answer(peer.offer))
    await events.next(Connected)
    await page.connected()


def dtls(peer: Peer) -> Any:
    return peer._pc.getTransceivers()[0].receiver.transport


def ice(peer: Peer) -> Any:
    return dtls(peer).transport._connection


def request(connection: Any, attributes: dict[str, Any]) -> bytes:
    """A check by the page."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    name = f"{connection.local_username}:{connection.remote_username}"
    message.attributes |= {"USERNAME": name, **attributes}
    message.add_message_integrity(connection.local_password.encode())
    return bytes(message)


def pester(address: tuple[str, int], first: bytes) -> None:
    """A stranger sends datagrams of all sizes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for size in (0, 1, 2, 11, 12, 1500, 1501, 60_000):
            stranger.sendto((first + bytes(60_000))[:size], address)


async def ended(events: Events) -> bool:
    """Whether the page's connection is given up, and nothing else happens."""
    assert await events.next(PeerClosed) == PeerClosed(NUMBER)
    return events.none()


def test_the_newest_are_kept():
    queue = Newest[int](3)
    for number in range(10):
        queue.put_nowait(number)
    assert [queue.get_nowait() for _ in range(3)] == [7, 8, 9]
    assert queue.empty()


async def test_datagrams_of_strangers_do_not_pile_up_before_a_ring(
    peer: Peer, own_page: Page, events: Events
):
    protocol = ice(peer)._protocols[0]
    for _ in range(10 * bounds.MAX_DATAGRAMS):
        protocol.datagram_received(b"\xffjunk", STRANGER)
    assert ice(peer)._queue.qsize() == bounds.MAX_DATAGRAMS
    await connect(peer, own_page, events)


async def test_addresses_that_a_page_sends_from_do_not_pile_up(connected: Peer):
    connection = ice(connected)
    protocol = connection._protocols[0]
    for port in range(2000, 2000 + 2 * bounds.MAX_PAIRS):
        check = request(connection, {"PRIORITY": 1, "ICE-CONTROLLED": 1})
        protocol.datagram_received(check, ("127.0.0.1", port))
    assert len(connection._check_list) == bounds.MAX_PAIRS
    assert len(connection._remote_candidates) <= bounds.MAX_PAIRS + 1


def hears(peer: Peer) -> list[bytes]:
    """What the door hears of the page from now on."""
    heard: list[bytes] = []
    peer._tap._take = lambda _sequence, _timestamp, payload: heard.append(payload)
    return heard


async def test_the_voice_is_taken_at_once_and_what_cannot_be_opened_does_no_harm(
    connected: Peer, own_page: Page
):
    transport = own_page.pc.getTransceivers()[0].receiver.transport
    payload_type = dtls(connected)._rtp_router.payload_type_table.copy().popitem()[0]
    protocol, address = ice(connected)._protocols[0], ("192.0.2.1", 9)
    heard = hears(connected)
    first, second = (
        transport._tx_srtp.protect(RtpPacket(payload_type, 0, each, each, 7, payload).serialize())
        for each, payload in ((1, b"first"), (2, b"second"))
    )
    protocol.datagram_received(first, address)
    async with asyncio.timeout(PATIENCE_S):
        while b"first" not in heard:
            await asyncio.sleep(0.001)
    for datagram in (second, second, second[:-1] + b"!", second[:12]):
        protocol.datagram_received(datagram, address)
        assert heard.count(b"second") == 1


async def test_a_page_with_too_many_sources_of_media_is_given_up(
    connected: Peer, own_page: Page, events: Events
):
    page = own_page.pc.getTransceivers()[0].receiver.transport
    payload_type = dtls(connected)._rtp_router.payload_type_table.copy().popitem()[0]
    for ssrc in range(1, 2 * bounds.MAX_SOURCES):
        await page._send_rtp(RtpPacket(payload_type, 0, 1, 2, ssrc, b"voice").serialize())
    assert await ended(events)
    assert len(dtls(connected)._rtp_router.ssrc_table) <= bounds.MAX_SOURCES + 1
    heard = hears(connected)
    before = hooks.packets_received(connected._pc)
    for sequence in range(2, 5):
        await page._send_rtp(RtpPacket(payload_type, 0, sequence, 962, 1, b"more").serialize())
    async with asyncio.timeout(PATIENCE_S):
        while hooks.packets_received(connected._pc) < before + 3:
            await asyncio.sleep(0.001)
    assert heard == []


async def test_a_page_with_too_many_sources_of_reports_is_given_up(
    connected: Peer, own_page: Page, events: Events
):
    page = own_page.pc.getTransceivers()[0].receiver.transport
    for ssrc in range(1, 2 * bounds.MAX_SOURCES):
        await page._send_rtp(bytes(RtcpSdesPacket([RtcpSourceInfo(ssrc, [(1, b"x")])])))
    assert await ended(events)


async def test_a_page_that_opens_channels_on_and_on_is_given_up(
    connected: Peer, own_page: Page, events: Events
):
    await own_page.say('{"type": "nothing"}')
    for number in range(2 * bounds.MAX_CHANNELS):
        own_page.pc.createDataChannel(f"channel {number}")
    assert await ended(events)


@pytest.mark.parametrize("step", [1, 2], ids=["endless", "with gaps"])
async def test_data_beyond_what_the_page_was_allowed_is_not_kept(
    step: int, connected: Peer, own_page: Page, events: Events
):
    """A message without an end, or messages of which every other one is missing."""
    await own_page.say('{"type": "nothing"}')
    page, door = own_page.pc.sctp, connected._pc.sctp
    for number in range(1200):
        chunk = DataChunk(flags=SCTP_DATA_FIRST_FRAG)
        chunk.tsn = (page._local_tsn + step * number + step - 1) % 2**32
        chunk.stream_id = 5
        chunk.protocol = 51
        chunk.user_data = bytes(1000)
        await page._send_chunk(chunk)
        await asyncio.sleep(0)
    assert await ended(events)
    assert door._advertised_rwnd >= 0
    assert len(door._sack_misordered) <= bounds.MAX_MISORDERED


async def test_every_record_of_a_datagram_is_read(connected: Peer, own_page: Page, events: Events):
    page = own_page.pc.getTransceivers()[0].receiver.transport
    await own_page.say('{"type": "nothing"}')
    tag = connected._pc.sctp._local_verification_tag
    for number in range(10):
        chunk = DataChunk(flags=SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG | SCTP_DATA_UNORDERED)
        chunk.tsn = (own_page.pc.sctp._local_tsn + number) % 2**32
        chunk.protocol = WEBRTC_STRING
        chunk.user_data = b'{"type": "answered"}'
        page._ssl.send(serialize_packet(5000, 5000, tag, chunk))
    await page._write_ssl()
    for _ in range(10):
        assert await events.next(Accepted) == Accepted(NUMBER)


async def test_the_end_of_a_connection_is_seen_behind_a_record(
    connected: Peer, own_page: Page, events: Events, monkeypatch: pytest.MonkeyPatch
):
    page = own_page.pc.getTransceivers()[0].receiver.transport
    write = page._write_ssl

    async def write_at_the_end() -> None:
        if page._ssl.get_shutdown():
            await write()

    await own_page.say('{"type": "nothing"}')
    monkeypatch.setattr(page, "_write_ssl", write_at_the_end)
    await own_page.close()
    assert await events.next(PeerClosed) == PeerClosed(NUMBER)


class Transport:
    """Of datagrams; the network takes none."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, object]] = []
        self.waiting = 0

    def is_closing(self) -> bool:
        return False

    def sendto(self, data: bytes, address: object) -> None:
        self.sent.append((data, address))
        self.waiting += len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


def test_datagrams_that_do_not_get_away_are_dropped():
    transport = Transport()
    prompt = Prompt(transport)
    for _ in range(1000):
        prompt.sendto(bytes(1200), STRANGER)
    assert transport.waiting < bounds.MAX_WAITING_BYTES + 1200
    transport.waiting = 0
    prompt.sendto(b"later", STRANGER)
    assert transport.sent[-1] == (b"later", STRANGER)
    assert prompt.get_extra_info("sockname") == "the sockname"


async def test_packets_that_wait_for_a_relay_are_dropped():
    """While its server is asked for a channel, aioice has a task waiting with each."""
    asked = asyncio.Event()

    class Server:
        """The door's end of the line to it."""

        transport = Transport()

        async def send_data(self, data: bytes, address: object) -> None:
            await asked.wait()
            self.transport.sendto(data, address)

    server = Server()
    prompt = Prompt(turn.TurnTransport(server))
    for _ in range(1000):
        prompt.sendto(b"media", STRANGER)
    asked.set()
    async with asyncio.timeout(PATIENCE_S):
        while prompt._tasks:
            await asyncio.sleep(0)
    assert len(server.transport.sent) == bounds.MAX_WAITING_PACKETS


async def test_what_is_sent_passes_the_bound(connected: Peer):
    assert all(isinstance(each.transport, Prompt) for each in ice(connected)._protocols)


FIRST = pytest.mark.parametrize(
    "first", [b"\x80\x60", b"\x80\xc8", b"\x16\xfe", b"\x00\x01", b"\xff\xff"], ids=bytes.hex
)


@FIRST
async def test_a_strangers_datagrams_leave_the_connection_alone(connected: Peer, first: bytes):
    local = ice(connected)._nominated[1].protocol.local_candidate
    pester((local.host, local.port), first)
    await asyncio.sleep(0.05)
    assert dtls(connected).state == "connected"


@FIRST
async def test_a_strangers_datagrams_before_a_ring_leave_the_call_alone(
    peer: Peer, own_page: Page, events: Events, first: bytes
):
    for protocol in ice(peer)._protocols:
        local = protocol.local_candidate
        if "." in local.host:
            pester((local.host, local.port), first)
    await asyncio.sleep(0.05)
    await connect(peer, own_page, events)
    assert dtls(peer).state == "connected"


ALERT = bytes.fromhex("15fefd 0000 000000000001 0002 0228")
"""Fatal, of a failed handshake, sealed by nobody (RFC 6347, section 4.1)."""


async def test_an_alert_of_a_stranger_does_not_end_the_handshake(
    peer: Peer, own_page: Page, events: Events, monkeypatch: pytest.MonkeyPatch
):
    transport, protocols = dtls(peer), ice(peer)._protocols
    write = transport._write_ssl

    async def write_and_be_alerted() -> None:
        await write()
        for protocol in protocols:
            protocol.datagram_received(ALERT, STRANGER)

    monkeypatch.setattr(transport, "_write_ssl", write_and_be_alerted)
    await connect(peer, own_page, events)
    assert transport.state == "connected"


async def test_checks_that_make_no_sense_raise_nothing(connected: Peer):
    connection = ice(connected)
    protocol = connection._protocols[0]
    whole = request(connection, {"PRIORITY": 1})
    too_short = whole[:2] + (8).to_bytes(2, "big") + whole[4:20] + b"\x00\x24\x00\x02\1\2\0\0"
    for check in (too_short, request(connection, {}), request(connection, {"USE-CANDIDATE": None})):
        protocol.datagram_received(check, STRANGER)
    assert dtls(connected).state == "connected"
