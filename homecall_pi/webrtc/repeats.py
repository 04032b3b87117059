"""What a bad network loses is repeated as soon as browsers repeat theirs.

The libraries below wait as long as one did for hosts on other continents: half a second for a
connectivity check, a second for the handshake's packets, and one to three for a word on the control
channel. Of that the family would wait for the picture, and not hear that the call is over before
the connection is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aioice.stun
from aiortc import RTCPeerConnection, rtcsctptransport

from . import hooks

STUN_RTO_S = 0.1
"""Seconds until a STUN request is repeated for the first time; each pause is twice the one before.
(RFC 8489, section 6.2.1, has 0.5 s for those that know no better.)"""
STUN_RETRANSMISSIONS = 8
"""Of a STUN request, in about as many seconds as before."""
RTO_INITIAL_S = 0.5
"""Seconds until a packet of the control channel is repeated, before a round trip is known."""
RTO_MIN_S = 0.25
"""The least of that afterwards, which is longer than the other side may put off its
acknowledgement (0.2 s; RFC 9260, section 6.2)."""
MAX_INITS = 48
"""Times that the channel's first packet is repeated, in half a minute."""
FLIGHT_S = (0.05, 0.1, 0.2, 0.4)
"""Seconds until a flight of the handshake is repeated, and then until it is once more. A second
after it was sent, OpenSSL takes over, and writes another."""


def take_over() -> None:
    """Has STUN and control channels repeat their packets so soon from now on."""
    stun = vars(aioice.stun)
    stun["RETRY_RTO"] = STUN_RTO_S
    stun["RETRY_MAX"] = STUN_RETRANSMISSIONS
    sctp = vars(rtcsctptransport)
    sctp["SCTP_RTO_INITIAL"] = RTO_INITIAL_S
    sctp["SCTP_RTO_MIN"] = RTO_MIN_S
    sctp["SCTP_MAX_INIT_RETRANS"] = MAX_INITS


def repeat_flights(pc: RTCPeerConnection) -> None:
    """Has `pc`, as the DTLS client, repeat each of its flights until the next one, or the end.

    The other side drops what it has had already (RFC 6347, section 4.1.2.6).
    """
    dtls = hooks.dtls(pc)
    shake_hands = dtls._do_handshake

    async def shake_hands_soon() -> None:
        flight = _Flight(dtls.transport)
        try:
            await shake_hands()
        finally:
            flight.forget()

    dtls._do_handshake = shake_hands_soon  # type: ignore[method-assign]


class _Flight:
    """What was sent last over `transport`, one packet in aiortc, and its repetitions."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._send = transport._send
        self._repeating: asyncio.Task[None] | None = None
        transport._send = self._send_and_repeat

    def forget(self) -> None:
        self._transport._send = self._send
        self._repeat_no_more()

    def _repeat_no_more(self) -> None:
        if self._repeating is not None:
            self._repeating.cancel()

    async def _send_and_repeat(self, data: bytes) -> None:
        self._repeat_no_more()
        await self._send(data)
        self._repeating = asyncio.get_running_loop().create_task(self._repeat(data))

    async def _repeat(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # it is closed meanwhile
            for pause_s in FLIGHT_S:
                await asyncio.sleep(pause_s)
                await self._send(data)
