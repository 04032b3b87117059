"""A STUN and TURN server that lets a client in, or refuses it (RFC 8489, RFC 8656). No relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aioice import stun
from aioice.turn import make_integrity_key

REALM = "home"


class TurnServer(asyncio.DatagramProtocol):
    """It listens over UDP, and knows one user."""

    def __init__(self, username: str, password: str) -> None:
        self.port = 0
        self.relayed = "127.0.0.1"
        self.seen = ""
        """Where clients seem to be, instead of where they are."""
        self.refusal: tuple[int, str] | None = None
        """What it answers to those whom it knows."""
        self.open: set[tuple[str, int]] = set()
        """Clients that have a port open."""
        self._key = make_integrity_key(username, REALM, password)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[TurnServer]:
        """Listens on a free port of 127.0.0.1."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.port = self._transport.get_extra_info("sockname")[1]
        try:
            yield self
        finally:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = stun.parse_message(data)
        known = request.check_message_integrity(self._key)
        self._transport.sendto(bytes(self._reply(request, addr, known)), addr)

    def _reply(self, request: stun.Message, addr: tuple[str, int], known: bool) -> stun.Message:
        binding = request.message_method == stun.Method.BINDING
        refusal = None if binding else self.refusal if known else (401, "Unauthorized")
        reply = stun.Message(
            request.message_method,
            stun.Class.ERROR if refusal else stun.Class.RESPONSE,
            request.transaction_id,
        )
        if refusal:
            reply.attributes = {"ERROR-CODE": refusal, "REALM": REALM, "NONCE": b"once"}
        elif request.attributes.get("LIFETIME") == 0:
            self.open.remove(addr)
            reply.attributes = {"LIFETIME": 0}
        else:
            reply.attributes = {"XOR-MAPPED-ADDRESS": (self.seen or addr[0], addr[1])}
            if not binding:
                self.open.add(addr)
                reply.attributes |= {
                    "LIFETIME": 600,
                    "XOR-RELAYED-ADDRESS": (self.relayed, 50000),
                }
        if known:
            reply.add_message_integrity(self._key)
        return reply
