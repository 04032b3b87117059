"""STUN and TURN servers: which of the configured ones answer, and which ones a connection uses.

aiortc asks one STUN and one TURN server per connection, and waits for those that do not answer. So
all of them are tried ahead of need, at once and in the background, and a connection is given just
the best that answered: a dead one costs no ring any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from aioice import stun, turn

from ..config import IceConfig, IceServer

log = logging.getLogger(__name__)

DEADLINE_S = 2.0
"""Seconds in which a server has to answer."""
HURRY_S = 0.5
"""Seconds that somebody who waits at the door, or in a call, is kept waiting for servers."""
KNOWN_S = 300.0
"""Seconds for which it is believed that those that answered still do."""
AGAIN_S = 5.0
"""Seconds until the servers are tried again where they are missed; then twice as long, and so on
up to KNOWN_S."""

Address: TypeAlias = tuple[str, int]

_URL = re.compile(r"(?P<scheme>stun|turn)(?P<tls>s?):(?P<host>[^:?]+)(:(?P<port>\d+))?(\?.*)?")
_TRANSPORTS = ("udp", "tcp", "tls")
"""In the order of preference: media is delayed by a stream that makes up for loss."""


@dataclass(frozen=True)
class Turn:
    """A TURN server for aioice."""

    address: Address
    transport: str
    tls: ssl.SSLContext | None
    username: str | None
    credential: str | None = field(repr=False)


@dataclass(frozen=True)
class Choice:
    """What a connection uses to find a way."""

    policy: str
    """"all", or "relay" for the TURN server alone."""
    stun: Address | None = None
    turn: Turn | None = None

    def is_met_by(self, sdp: str) -> bool:
        """Whether the description has the candidates that these servers are there for."""
        return (self.stun is None or " typ srflx" in sdp) and (
            self.turn is None or " typ relay" in sdp
        )


@dataclass(frozen=True)
class _Route:
    """One way to one server: a URL of the configuration (RFC 7064, RFC 7065)."""

    url: str
    scheme: str
    host: str
    port: int
    transport: str
    server: IceServer = field(repr=False)


class Servers:
    """Knows which servers answer.

    It is asked with the machine's addresses: when they change, so does the network, and all servers
    are tried anew.
    """

    def __init__(self, config: IceConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = config.policy
        routes = [route for route in _routes(config) if self._is_useful(route)]
        self._routes = sorted(routes, key=lambda route: _TRANSPORTS.index(route.transport))
        self._tls = _tls_context() if any(route.transport == "tls" for route in routes) else None
        self._clock = clock
        self._answering: dict[_Route, Address] = {}
        self._enough = asyncio.Event()
        self._known_on: Collection[str] | None = None
        self._looking_on: Collection[str] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._due_at = 0.0
        self._again_s = AGAIN_S
        self._told: set[str] = set()

    def choice(self) -> Choice:
        """The best servers of those that are known to answer."""
        best: dict[str, _Route] = {}
        for route in self._routes:
            if route in self._answering:
                best.setdefault(route.scheme, route)
        stun, turn = best.get("stun"), best.get("turn")
        return Choice(
            self._policy,
            self._answering[stun] if stun else None,
            self._turn(turn, self._answering[turn]) if turn else None,
        )

    def refresh(self, addresses: Collection[str]) -> None:
        """Tries the servers in the background, if that is due."""
        if self._routes and (addresses != self._known_on or self._clock() >= self._due_at):
            self._look_on(addresses)

    def doubt(self) -> None:
        """One that was chosen did not do its work: they are to be tried soon."""
        self._due_at = min(self._due_at, self._clock() + self._again_s)

    async def settle(self, addresses: Collection[str]) -> None:
        """Returns when all have been tried on this network; at once if they were before."""
        if addresses != self._known_on:
            await asyncio.wait([self._look_on(addresses)])

    async def hurry(self, addresses: Collection[str], *, anew: bool) -> None:
        """Returns as soon as some on this network will do, or after HURRY_S.

        `anew` gives those that were missed another chance: a call has lost its way, so the network
        may have been gone for a while.
        """
        if addresses != self._known_on or (anew and not self._has_enough()):
            self._look_on(addresses)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HURRY_S):
                    await self._enough.wait()

    async def stop(self) -> None:
        """Tries no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    def _is_useful(self, route: _Route) -> bool:
        return route.scheme == "turn" or self._policy == "all"

    def _turn(self, route: _Route, address: Address) -> Turn:
        username, credential = route.server.login(time.time())
        tls = self._tls if route.transport == "tls" else None
        return Turn(
            address, "udp" if route.transport == "udp" else "tcp", tls, username, credential
        )

    def _look_on(self, addresses: Collection[str]) -> asyncio.Task[None]:
        if self._looking is not None and not self._looking.done():
            if addresses == self._looking_on:
                return self._looking
            self._looking.cancel()
        if addresses != self._known_on:
            self._known_on = None
            self._answering.clear()
            self._again_s = AGAIN_S
        if not self._has_enough():
            self._enough.clear()
        self._looking_on = addresses
        self._looking = asyncio.get_running_loop().create_task(self._look(addresses))
        return self._looking

    async def _look(self, addresses: Collection[str]) -> None:
        if addresses:  # else there is no network, and nothing to learn
            await asyncio.gather(*map(self._try, self._routes))
        self._known_on = addresses
        if self._has_enough():
            self._again_s = AGAIN_S
            self._due_at = self._clock() + KNOWN_S
        else:
            self._due_at = self._clock() + self._again_s
            self._again_s = min(2 * self._again_s, KNOWN_S)
        self._enough.set()

    def _has_enough(self) -> bool:
        answering = {route.scheme for route in self._answering}
        return answering == {route.scheme for route in self._routes}

    async def _try(self, route: _Route) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                address = await _resolve(route)
                if route.scheme == "stun":
                    await _bind(address)
                else:
                    await _allocate(self._turn(route, address))
        except Exception as error:  # a server may answer whatever it likes
            self._answering.pop(route, None)
            self._tell_loss(route, _reason(route, error))
        else:
            self._answering[route] = address
            self._tell_return(route)
            if self._has_enough():
                self._enough.set()

    def _tell_loss(self, route: _Route, reason: str) -> None:
        if route.url not in self._told:
            self._told.add(route.url)
            log.warning("%s is of no use: %s; doing without it", route.url, reason)

    def _tell_return(self, route: _Route) -> None:
        if route.url in self._told:
            self._told.remove(route.url)
            log.info("%s answers again", route.url)


def _tls_context() -> ssl.SSLContext:
    """Trusts what the machine trusts, or the file that SSL_CERT_FILE names."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _routes(config: IceConfig) -> Iterator[_Route]:
    for server in config.servers:
        for url in server.urls:
            route = _route(url, server)
            if route is None:
                log.warning("%s is of no use to the door: it knows TLS over TCP alone", url)
            else:
                yield route


def _route(url: str, server: IceServer) -> _Route | None:
    """None for what aiortc cannot do: STUN over TLS, and DTLS."""
    found = _URL.fullmatch(url)
    assert found is not None, url  # noqa: S101 - the configuration's pattern is narrower
    scheme, tls = found["scheme"], bool(found["tls"])
    given = url.partition("?transport=")[2]
    if tls and (scheme == "stun" or given == "udp"):
        return None
    transport = "tls" if tls else given or "udp"
    port = int(found["port"] or (5349 if tls else 3478))
    return _Route(url, scheme, found["host"], port, transport, server)


async def _resolve(route: _Route) -> Address:
    """Its address, so that gathering needs no name server; a certificate is for the name, though.

    Raises:
        OSError: the name is not known.
    """
    if route.transport == "tls":
        return route.host, route.port
    found = await asyncio.get_running_loop().getaddrinfo(
        route.host,
        route.port,
        # aioice asks STUN servers for IPv4 candidates alone.
        family=socket.AF_INET if route.scheme == "stun" else socket.AF_UNSPEC,
        type=socket.SOCK_DGRAM,
    )
    host, port = found[0][4][:2]
    return str(host), int(port)


async def _bind(address: Address) -> None:
    """Asks a STUN server from where it sees us.

    Raises:
        OSError, stun.TransactionError: it does not say.
    """
    loop = asyncio.get_running_loop()
    transport, asker = await loop.create_datagram_endpoint(_Asker, remote_addr=address)
    try:
        response, _ = await asker.transaction.run()
    finally:
        transport.close()
    if "XOR-MAPPED-ADDRESS" not in response.attributes:
        raise ConnectionError("its answer holds no address")


class _Asker(asyncio.DatagramProtocol):
    """One STUN transaction."""

    def __init__(self) -> None:
        self._request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        self.transaction = stun.Transaction(self._request, ("", 0), self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def send_stun(self, message: stun.Message, _: Address) -> None:
        """For the transaction, which also repeats a request that is not answered."""
        self._transport.sendto(bytes(message))

    def datagram_received(self, data: bytes, addr: Address) -> None:
        with contextlib.suppress(ValueError):
            message = stun.parse_message(data)
            if message.transaction_id == self._request.transaction_id:
                self.transaction.response_received(message, addr)


async def _allocate(server: Turn) -> None:
    """Has a TURN server open a port for us, and gives it back.

    Raises:
        OSError, stun.TransactionError: it does not.
    """
    transport, port = await turn.create_turn_endpoint(
        _Port,
        server.address,
        username=server.username,
        password=server.credential,
        ssl=server.tls,
        transport=server.transport,
    )
    transport.close()
    await port.closed.wait()


class _Port(asyncio.DatagramProtocol):
    """Knows when it is given back."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()


def _reason(route: _Route, error: Exception) -> str:
    if isinstance(error, TimeoutError | stun.TransactionTimeout):
        return "it does not answer"
    if isinstance(error, socket.gaierror):
        return f"the address of {route.host} is not found"
    if isinstance(error, ssl.SSLCertVerificationError):
        cure = "trust one of your own by the variable SSL_CERT_FILE"
        return f"its certificate is not trusted ({error.verify_message}); {cure}"
    if isinstance(error, stun.TransactionFailed):
        code, text = error.response.attributes.get("ERROR-CODE", (0, ""))
        if code == 401 and route.server.secret:
            return "it refuses the secret (401), or this machine's clock is wrong"
        return f"it refuses ({code} {text})" if code != 401 else "it refuses the credential (401)"
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else repr(error)
