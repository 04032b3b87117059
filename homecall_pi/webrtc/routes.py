"""One way to one STUN or TURN server, and one try whether it leads there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from aioice import stun, turn

from ..config.ice import IceConfig, IceServer

log = logging.getLogger(__name__)

Address: TypeAlias = tuple[str, int]

WRONG_LOGIN = {401, 441}
"""Error codes Unauthorized and Wrong Credentials (RFC 8489, RFC 8656)."""

_URL = re.compile(r"(?P<scheme>stun|turn)(?P<tls>s?):(?P<host>[^:?]+)(:(?P<port>\d+))?(\?.*)?")


@dataclass(frozen=True)
class Turn:
    """A TURN server for aioice."""

    address: Address
    transport: str
    tls: ssl.SSLContext | None
    username: str | None
    credential: str | None = field(repr=False)


@dataclass(frozen=True)
class Reached:
    """What a server did when it was reached."""

    address: Address
    """Where it is."""
    seen: str
    """From where it sees us."""
    relayed: str = ""
    """Where a TURN server had a port for us."""


@dataclass(frozen=True)
class Route:
    """A URL of the configuration (RFC 7064, RFC 7065)."""

    url: str
    scheme: str
    """"stun" or "turn"."""
    host: str
    port: int
    transport: str
    """"udp", "tcp" or "tls"."""
    server: IceServer = field(repr=False)

    def turn(self, address: Address, tls: ssl.SSLContext | None) -> Turn:
        """The TURN server at its end, with credentials that are good now."""
        login = self.server.login(time.time())  # noqa: TID251 - as the server counts
        if self.transport == "udp":
            return Turn(address, "udp", None, *login)
        return Turn(address, "tcp", tls if self.transport == "tls" else None, *login)

    async def reach(self, tls: ssl.SSLContext | None) -> Reached:
        """Has the server do once what it is there for.

        Raises:
            Exception: it did not. `reason` knows what to make of it.
        """
        address = await self._resolve()
        if self.scheme == "stun":
            return Reached(address, await _bind(address))
        return Reached(address, *await _allocate(self.turn(address, tls)))

    def reason(self, error: Exception) -> str:
        """Why the server was not reached, in words."""
        if isinstance(error, TimeoutError | stun.TransactionTimeout):
            return "it does not answer"
        if isinstance(error, socket.gaierror):
            return f"the address of {self.host} is not found"
        if isinstance(error, ssl.SSLCertVerificationError):
            cure = "trust one of your own by the variable SSL_CERT_FILE"
            return f"its certificate is not trusted ({error.verify_message}); {cure}"
        if isinstance(error, stun.TransactionFailed):
            return self._refusal(*error.response.attributes.get("ERROR-CODE", (0, "")))
        number = error.errno if isinstance(error, OSError) else None
        return os.strerror(number) if number else repr(error)

    def _refusal(self, code: int, text: str) -> str:
        if code not in WRONG_LOGIN:
            return f"it refuses ({code} {text})"
        if self.server.secret:
            return f"it refuses the secret ({code}), or this machine's clock is wrong"
        return f"it refuses the credential ({code})"

    async def _resolve(self) -> Address:
        """So that gathering needs no name server; a certificate is for the name, though."""
        if self.transport == "tls":
            return self.host, self.port
        found = await asyncio.get_running_loop().getaddrinfo(
            self.host,
            self.port,
            # aioice asks STUN servers for IPv4 candidates alone.
            family=socket.AF_INET if self.scheme == "stun" else socket.AF_UNSPEC,
            type=socket.SOCK_DGRAM,
        )
        host, port = found[0][4][:2]
        return str(host), int(port)


def routes(config: IceConfig) -> Iterator[Route]:
    """All that are of use to the door, in the order of the configuration."""
    for server in config.servers:
        for url in server.urls:
            route = route_of(url, server)
            if route is None:
                log.warning("%s is of no use to the door: it knows TLS over TCP alone", url)
            elif route.scheme == "turn" or config.policy == "all":
                yield route


def route_of(url: str, server: IceServer) -> Route | None:
    """None for what aioice cannot do: STUN over TLS, and DTLS."""
    found = _URL.fullmatch(url)
    assert found is not None, url  # noqa: S101 - the configuration's pattern is narrower
    scheme, tls = found["scheme"], bool(found["tls"])
    given = url.partition("?transport=")[2]
    if tls and (scheme == "stun" or given == "udp"):
        return None
    transport = "tls" if tls else given or "udp"
    port = int(found["port"] or (5349 if tls else 3478))
    return Route(url, scheme, found["host"], port, transport, server)


async def _bind(address: Address) -> str:
    """Asks a STUN server from where it sees us."""
    loop = asyncio.get_running_loop()
    transport, asker = await loop.create_datagram_endpoint(_Asker, remote_addr=address)
    try:
        response = await asker.response()
    finally:
        transport.close()
    if "XOR-MAPPED-ADDRESS" not in response.attributes:
        raise ConnectionError("its answer holds no address")
    return str(response.attributes["XOR-MAPPED-ADDRESS"][0])


class _Asker(asyncio.DatagramProtocol):
    """One STUN transaction."""

    def __init__(self) -> None:
        self._request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        self._transaction = stun.Transaction(self._request, ("", 0), self)
        self._unreachable: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    async def response(self) -> stun.Message:
        """What the server says; an ICMP error ends the wait for it (RFC 8489, section 6.2.1)."""
        asking = asyncio.ensure_future(self._transaction.run())
        either: set[asyncio.Future[Any]] = {asking, self._unreachable}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._unreachable.done():
                raise self._unreachable.result()
            return (await asking)[0]
        finally:
            asking.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def send_stun(self, message: stun.Message, _: Address) -> None:
        """For the transaction, which also repeats a request that is not answered."""
        self._transport.sendto(bytes(message))

    def datagram_received(self, data: bytes, addr: Address) -> None:
        with contextlib.suppress(ValueError):
            message = stun.parse_message(data)
            if message.transaction_id == self._request.transaction_id:
                self._transaction.response_received(message, addr)

    def error_received(self, error: Exception) -> None:
        if not self._unreachable.done():
            self._unreachable.set_result(error)


async def _allocate(server: Turn) -> tuple[str, str]:
    """Has a TURN server open a port for us, and close it again: from where it sees us, and it."""
    transport, port = await turn.create_turn_endpoint(
        _Port,
        server.address,
        username=server.username,
        password=server.credential,
        ssl=server.tls,
        transport=server.transport,
    )
    seen, relayed = map(transport.get_extra_info, ("related_address", "sockname"))
    transport.close()
    await port.closed.wait()
    return str(seen[0]), str(relayed[0])


class _Port(asyncio.DatagramProtocol):
    """Knows when it is closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()
