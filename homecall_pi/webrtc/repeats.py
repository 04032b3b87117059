"""What a bad network loses is repeated as soon as browsers repeat theirs.

The libraries below wait as long as one did for hosts on other continents: a second for the
handshake's first packet, and one to three for a word on the control channel. Of that the family
would wait for the picture, and not hear that the call is over before the connection is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiortc import RTCPeerConnection, rtcsctptransport

from . import hooks

RTO_INITIAL_S = 0.5
"""Seconds until a packet of the control channel is repeated, before a round trip is known."""
RTO_MIN_S = 0.25
"""The least of that afterwards, which is longer than the other side may put off its
acknowledgement (0.2 s; RFC 9260, section 6.2)."""
MAX_INITS = 48
"""Times that the channel's first packet is repeated, in half a minute."""
HELLO_S = (0.05, 0.1, 0.2, 0.4)
"""Seconds until the handshake's first packet is repeated, and then until it is once more. A second
after the first one, OpenSSL takes over."""


def take_over() -> None:
    """Has control channels repeat their packets so soon from now on."""
    module = vars(rtcsctptransport)
    module["SCTP_RTO_INITIAL"] = RTO_INITIAL_S
    module["SCTP_RTO_MIN"] = RTO_MIN_S
    module["SCTP_MAX_INIT_RETRANS"] = MAX_INITS


def repeat_hello(pc: RTCPeerConnection) -> None:
    """Has `pc`, as the DTLS client, repeat its first packet until the other side says anything.

    The other side drops what it has had already (RFC 6347, section 4.1.2.6).
    """
    dtls = hooks.dtls(pc)
    shake_hands = dtls._do_handshake

    async def shake_hands_soon() -> None:
        first = _FirstPacket(pc, dtls.transport)
        try:
            await shake_hands()
        finally:
            first.forget()

    dtls._do_handshake = shake_hands_soon  # type: ignore[method-assign]


class _FirstPacket:
    """The first that is sent over `transport` from now on, and its repetitions."""

    def __init__(self, pc: RTCPeerConnection, transport: Any) -> None:
        self._pc = pc
        self._transport = transport
        self._send = transport._send
        self._repeating: asyncio.Task[None] | None = None
        transport._send = self._send_and_repeat

    def forget(self) -> None:
        self._transport._send = self._send
        if self._repeating is not None:
            self._repeating.cancel()

    async def _send_and_repeat(self, data: bytes) -> None:
        await self._send(data)
        if self._repeating is None:
            self._repeating = asyncio.get_running_loop().create_task(self._repeat(data))

    async def _repeat(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # it is closed meanwhile
            for pause_s in HELLO_S:
                await asyncio.sleep(pause_s)
                if hooks.packets_received(self._pc):
                    return
                await self._send(data)
