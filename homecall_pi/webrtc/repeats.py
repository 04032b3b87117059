"""What a bad network loses is repeated as soon as browsers repeat theirs.

The libraries below wait as long as one did for hosts on other continents: half a second for a
connectivity check, a second for the handshake's packets, and one to three for a word on the control
channel. Of that the family would wait for the picture, and not hear that the call is over before
the connection is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import aioice.stun
from aiortc import RTCPeerConnection, rtcsctptransport
from aiortc.rtcsctptransport import (
    Chunk,
    CookieAckChunk,
    InitChunk,
    RTCSctpTransport,
    serialize_packet,
)

from . import hooks

STUN_RTO_S = 0.1
"""Seconds until a STUN request is repeated for the first time; each pause is twice the one before.
(RFC 8489, section 6.2.1, has 0.5 s for those that know no better.)"""
STUN_MAX_PAUSE_S = 0.8
"""The longest of these pauses: it delays a call whose network has come back, since aioice does not
repeat its check when one of the other side's arrives (RFC 8445, section 7.3.1.4)."""
STUN_RETRANSMISSIONS = 20
"""Of a STUN request, in 15 s. After that, a check of the other side's starts another one."""
RTO_INITIAL_S = 0.5
"""Seconds until a packet of the control channel is repeated, before a round trip is known."""
RTO_MIN_S = 0.25
"""The least of that afterwards, which is longer than the other side may put off its
acknowledgement (0.2 s; RFC 9260, section 6.2)."""
MAX_INITS = 48
"""Times that the channel's first packet is repeated, in half a minute."""
PAUSES_S = (0.05, 0.1, 0.2, 0.4)
"""Before each repetition of what a handshake sends. Later ones are left to the libraries."""


def take_over() -> None:
    """Has STUN and control channels repeat their packets so soon from now on."""
    stun = vars(aioice.stun)
    stun["RETRY_RTO"] = _Pause(STUN_RTO_S)
    stun["RETRY_MAX"] = STUN_RETRANSMISSIONS
    sctp = vars(rtcsctptransport)
    sctp["SCTP_RTO_INITIAL"] = RTO_INITIAL_S
    sctp["SCTP_RTO_MIN"] = RTO_MIN_S
    sctp["SCTP_MAX_INIT_RETRANS"] = MAX_INITS


class _Pause(float):
    """Seconds until a STUN request is repeated. aioice doubles them in place each time."""

    def __imul__(self, factor: float) -> _Pause:
        return _Pause(min(self * factor, STUN_MAX_PAUSE_S))


def repeat_flights(pc: RTCPeerConnection) -> None:
    """Has `pc`, as the DTLS client, repeat each of its flights until the next one, or the end.

    The other side drops what it has had already (RFC 6347, section 4.1.2.6).
    """
    dtls = hooks.dtls(pc)
    shake_hands = dtls._do_handshake

    async def shake_hands_soon() -> None:
        transport: Any = dtls.transport
        send = transport._send
        flight = _Repetition(send)

        async def send_and_repeat(packet: bytes) -> None:  # aiortc makes one packet of a flight
            flight.end()
            await send(packet)
            flight.begin(packet)

        transport._send = send_and_repeat
        try:
            await shake_hands()
        finally:
            transport._send = send
            flight.end()

    dtls._do_handshake = shake_hands_soon  # type: ignore[method-assign]


def open_channel_soon(pc: RTCPeerConnection) -> None:
    """Has the control channel of `pc` open at both sides in spite of loss.

    A browser that has lost the last packet of SCTP's handshake asks for it again after one second,
    and then two, while the answer of a person waits; so that one is repeated. What is open already
    passes over it (RFC 9260, section 5.2.5). aiortc's own first packet, repeated after the other
    side's has come, would carry a tag, and browsers pass over that (section 8.5.1).
    """
    sctp: Any = pc.sctp
    send = sctp._send_chunk
    set_state = sctp._set_state
    ack = _Repetition(send)

    def note_end(state: RTCSctpTransport.State) -> None:
        set_state(state)
        if state is RTCSctpTransport.State.CLOSED:
            ack.end()

    async def send_chunk(chunk: Chunk) -> None:
        if isinstance(chunk, InitChunk):
            packet = serialize_packet(sctp._local_port, sctp._remote_port, 0, chunk)
            await hooks.dtls(pc)._send_data(packet)
            return
        if isinstance(chunk, CookieAckChunk):
            ack.begin(chunk)
        await send(chunk)

    sctp._send_chunk = send_chunk
    sctp._set_state = note_end


class _Repetition:
    """Sends the same several times more."""

    def __init__(self, send: Callable[[Any], Awaitable[None]]) -> None:
        self._send = send
        self._task: asyncio.Task[None] | None = None

    def begin(self, what: Any) -> None:
        self.end()
        self._task = asyncio.get_running_loop().create_task(self._repeat(what))

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _repeat(self, what: Any) -> None:
        with contextlib.suppress(ConnectionError):  # it is closed meanwhile
            for pause_s in PAUSES_S:
                await asyncio.sleep(pause_s)
                await self._send(what)
