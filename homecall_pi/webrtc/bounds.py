"""Bounds for what aiortc and aioice let pile up. Tests fail when they change any of the names.

Whoever reaches an address of the door may send to it, long before a ring. Whoever answers may send
what no page has to. And media that does not get away at once is of no use to anybody later.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aioice.turn import TurnClientTcpProtocol
from aiortc import RTCPeerConnection
from OpenSSL import SSL

log = logging.getLogger(__name__)

MAX_DATAGRAMS = 256
"""Datagrams that wait to be read: those of a second. Before an answer, nobody reads any."""
MAX_DATAGRAM_BYTES = 1500
"""All that libsrtp's buffer takes, and more than browsers send in one."""
MAX_PAIRS = 512
"""Pairs of addresses that ICE tries: those of some local ones and of all remote ones that are told
us. Any others are learnt from who sends from them (RFC 8445, section 7.3.1.3)."""
MAX_SOURCES = 31
"""Sources (SSRCs) of a page's media and reports: as many as we can report on at once (RFC 3550,
section 6.4.2). Browsers have one or two for each track."""
MAX_CHANNELS = 8
"""Data channels that a page opens. Ours opens none."""
MAX_MISORDERED = 256
"""Chunks of data beyond one that is missing."""
MAX_WAITING_BYTES = 128 * 1024
"""Media that waits to be sent: a key frame has to fit."""
MAX_WAITING_PACKETS = 256
"""The same, of packets for a relay."""
MAX_UNSENT_BYTES = 16 * 1024
"""The same in the kernel, beside what is under way (TCP_NOTSENT_LOWAT, tcp(7))."""

_T = TypeVar("_T")


class Newest(asyncio.Queue[_T]):
    """A queue that drops the oldest when it is full."""

    def put_nowait(self, item: _T) -> None:
        """Puts one more; there is always room."""
        if self.full():
            self.get_nowait()
        super().put_nowait(item)


def bound_input(pc: RTCPeerConnection, flooded: Callable[[], None]) -> None:
    """Lets the other side have what it needs. If it takes more, it is heard no more.

    To be called when all media and the control channel are set up; `flooded` is called at most
    once. What needs no proof of who sent it is dropped instead, the oldest first.
    """
    transport: Any = pc.getTransceivers()[0].receiver.transport
    connection: Any = transport.transport._connection
    connection._queue = Newest(MAX_DATAGRAMS)
    _bound_datagrams(connection)
    _bound_pairs(connection)
    _read_every_record(transport, pc.sctp)
    limit = _Limit(flooded)
    limit.sources(transport)
    limit.data(pc.sctp)
    pc.on("datachannel", lambda _: limit.count_channel())


def _bound_datagrams(connection: Any) -> None:
    """aiortc gives the connection up for one that is empty or too long, whoever sent it."""
    receive = connection.data_received

    def data_received(datagram: bytes, component: int) -> None:
        if 0 < len(datagram) <= MAX_DATAGRAM_BYTES:
            receive(datagram, component)

    connection.data_received = data_received


def _bound_pairs(connection: Any) -> None:
    check = connection.check_incoming

    def check_incoming(*request: Any) -> None:
        if len(connection._check_list) < MAX_PAIRS:
            check(*request)

    connection.check_incoming = check_incoming


def bound_strangers(pc: RTCPeerConnection) -> None:
    """Has datagrams of strangers do nothing. To be called when candidates are gathered.

    Checks carry a password and media is sealed, but what is said before a DTLS connection stands
    proves nothing: an alert from anywhere would end the handshake (RFC 6347, section 4.1.2.7).
    """
    connection: Any = pc.getTransceivers()[0].receiver.transport.transport._connection
    for protocol in connection._protocols:
        receive = functools.partial(_receive, connection, protocol.datagram_received)
        protocol.datagram_received = receive


def _receive(
    connection: Any, receive: Callable[[bytes, Any], None], datagram: bytes, address: Any
) -> None:
    # The first byte tells DTLS from the others (RFC 7983, section 7).
    if 19 < int.from_bytes(datagram[:1]) < 64 and not _is_known(connection, address):
        return
    try:
        receive(datagram, address)
    except Exception as error:  # a field of a check is too short, or a packet's seal is broken
        log.debug("a datagram makes no sense: %r", error)


def _is_known(connection: Any, address: Any) -> bool:
    """Whether the page told us this address, or sent a check from it."""
    host, port = ipaddress.ip_address(address[0]), address[1]
    remote = (pair.remote_addr for pair in connection._check_list)
    return any(there[1] == port and ipaddress.ip_address(there[0]) == host for there in remote)


def _read_every_record(transport: Any, sctp: Any) -> None:
    """Leaves none in OpenSSL's buffer: a datagram may hold several (RFC 6347, section 4.1.1).

    aiortc reads one for each datagram. The others would be read in place of later ones, if ever.
    """
    handle = sctp._handle_data

    async def handle_data(data: bytes) -> None:
        while data:
            await handle(data)
            data = _next_record(transport)

    sctp._handle_data = handle_data


def _next_record(transport: Any) -> bytes:
    """Nothing if there is none.

    Raises:
        ConnectionError: the other side closes the connection.
    """
    try:
        return bytes(transport._ssl.recv(1500))
    except SSL.ZeroReturnError:
        raise ConnectionError("closed by the page") from None
    except SSL.Error:
        return b""


class _Limit:
    """Of one page."""

    def __init__(self, flooded: Callable[[], None]) -> None:
        self._flooded = flooded
        self._exceeded = False
        self._sources: set[bytes] = set()
        self._channels = 0

    def sources(self, transport: Any) -> None:
        """aiortc and libsrtp keep something of each for as long as the connection lasts."""
        transport._handle_rtp_data = self._counting(transport._handle_rtp_data, slice(8, 12))
        transport._handle_rtcp_data = self._counting(transport._handle_rtcp_data, slice(4, 8))

    def _counting(
        self, handle: Callable[..., Awaitable[None]], ssrc: slice
    ) -> Callable[..., Awaitable[None]]:
        async def count(data: bytes, **details: Any) -> None:
            self._sources.add(data[ssrc])
            if self._allows(len(self._sources) <= MAX_SOURCES):
                await handle(data, **details)

        return count

    def data(self, sctp: Any) -> None:
        """What exceeds the window is a flood (RFC 9260, section 6.1), which aiortc would keep."""
        receive = sctp._receive_data_chunk

        async def receive_data_chunk(chunk: Any) -> None:
            fits = len(chunk.user_data) <= sctp._advertised_rwnd
            if self._allows(fits and len(sctp._sack_misordered) < MAX_MISORDERED):
                await receive(chunk)

        sctp._receive_data_chunk = receive_data_chunk

    def count_channel(self) -> None:
        """One more data channel of the page's own."""
        self._channels += 1
        self._allows(self._channels <= MAX_CHANNELS)

    def _allows(self, keeps_to_it: bool) -> bool:
        """Whether to go on. Who once took too much is never heard again."""
        if not keeps_to_it and not self._exceeded:
            self._exceeded = True
            log.warning("the page sends more than any page has to; it is not heard any more")
            self._flooded()
        return not self._exceeded


def bound_output(pc: RTCPeerConnection) -> None:
    """Has dropped what does not get away, as a network would that is full.

    Otherwise media waits without bound, and arrives long after its time. To be called when
    candidates are gathered.
    """
    transport: Any = pc.getTransceivers()[0].receiver.transport
    for protocol in transport.transport._connection._protocols:
        line = getattr(protocol.transport, "_TurnTransport__inner_protocol", None)
        if isinstance(line, TurnClientTcpProtocol):
            option = (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
            line.transport.get_extra_info("socket").setsockopt(*option)
            send = functools.partial(_send_or_drop, line.transport, line._send)
            line._send = send  # type: ignore[method-assign]
        protocol.transport = Prompt(protocol.transport)


def _send_or_drop(line: asyncio.Transport, send: Callable[[bytes], None], packet: bytes) -> None:
    if line.get_write_buffer_size() < MAX_WAITING_BYTES:
        send(packet)


class Prompt:
    """A transport of datagrams that keeps few of them waiting; a relay's has a task for each."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._tasks = getattr(transport, "_TurnTransport__send_tasks", None)

    def sendto(self, data: bytes, address: Any = None) -> None:
        """Sends it, or drops it."""
        if self._has_room():
            self._transport.sendto(data, address)

    def _has_room(self) -> bool:
        if self._tasks is not None:
            return len(self._tasks) < MAX_WAITING_PACKETS
        return bool(self._transport.get_write_buffer_size() < MAX_WAITING_BYTES)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
