"""STUN and TURN: asks each server what the door and the page will ask of it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Sequence

import msgspec
from aioice import stun, turn

from ..config import IceServer
from . import tls
from .check import Check
from .finding import Finding, fail, ok, reason, warn

WAITS_S = (0.5, 1.0, 2.0, 4.0)
"""Seconds to wait for an answer to each request (RFC 8489, section 6.2.1)."""
TURN_S = 8.0
USABLE = {
    ("stun", ""),
    ("turn", ""),
    ("turn", "udp"),
    ("turn", "tcp"),
    ("turns", ""),
    ("turns", "tcp"),
}
"""Schemes with the transports that aiortc knows."""
FORMS = "give it as stun:HOST:PORT, turn:HOST:PORT, turn:HOST:PORT?transport=tcp or turns:HOST:PORT"
DNS_CURE = "mend its host in [ice], or its DNS entry"


class Address(msgspec.Struct, frozen=True):
    """Where a server is, out of its URL (RFC 7064, RFC 7065)."""

    scheme: str
    host: str
    port: int
    given: str
    """The transport that the URL names; empty if it names none."""

    @property
    def transport(self) -> str:
        """The transport that is meant."""
        return self.given or ("tcp" if self.scheme.endswith("s") else "udp")

    def __str__(self) -> str:
        return f"{self.scheme}:{self.host}:{self.port} over {self.transport}"


def parse(url: str) -> Address:
    """The parts of a URL that the configuration has let pass."""
    found = re.fullmatch(r"(\w+):([^:?]+)(?::(\d+))?(?:\?transport=(\w+))?", url)
    assert found is not None, url  # noqa: S101 - the configuration's pattern is narrower
    scheme, host, port, given = found.groups()
    return Address(scheme, host, int(port or (5349 if scheme.endswith("s") else 3478)), given or "")


def checks(servers: Sequence[IceServer]) -> list[Check]:
    """A check for each URL."""
    if not servers:
        return [Check("ice", _none)]
    return [
        Check(address.scheme, _Probe(address, server).run)
        for server in servers
        for address in map(parse, server.urls)
    ]


async def _none() -> Finding:
    return ok("none are set: the door can be answered in its own network")


class _Probe(msgspec.Struct, frozen=True):
    address: Address
    server: IceServer

    async def run(self) -> Finding:
        """Asks the server."""
        address = self.address
        if (address.scheme, address.given) not in USABLE:
            return warn(f"{address}: the door cannot use it", FORMS)
        try:
            if address.scheme == "stun":
                return await binding(address)
            return await allocation(address, self.server)
        except socket.gaierror:
            return fail(f"{address}: there is no {address.host}", DNS_CURE)
        except ssl.SSLError as error:
            return tls.explain(error, address.host)
        except TimeoutError:
            return fail(f"{address} does not answer", _cure(address))
        except OSError as error:
            return fail(f"{address} is not reached ({reason(error)})", _cure(address))


def _cure(address: Address) -> str:
    return (
        f"see that it runs there, and that its firewall lets {address.transport.upper()} "
        f"port {address.port} through"
    )


async def binding(address: Address) -> Finding:
    """Asks a STUN server from where it sees us.

    Raises:
        OSError: it is not reached; TimeoutError, which is one, if it does not answer.
    """
    loop = asyncio.get_running_loop()
    transport, listener = await loop.create_datagram_endpoint(
        _Listener, remote_addr=(address.host, address.port)
    )
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    try:
        for wait_s in WAITS_S:
            transport.sendto(bytes(request))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    return _mapped(address, await listener.reply_to(request))
    finally:
        transport.close()
    raise TimeoutError


def _mapped(address: Address, reply: stun.Message) -> Finding:
    seen = reply.attributes.get("XOR-MAPPED-ADDRESS")
    if seen is None:
        return fail(f"{address} refuses ({reply.attributes.get('ERROR-CODE')})", _cure(address))
    return ok(f"{address} sees this machine as {seen[0]}")


class _Listener(asyncio.DatagramProtocol):
    """Takes what a STUN server says."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[stun.Message | OSError] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        with contextlib.suppress(ValueError):
            self._heard.put_nowait(stun.parse_message(data))

    def error_received(self, error: Exception) -> None:
        self._heard.put_nowait(error if isinstance(error, OSError) else OSError(str(error)))

    async def reply_to(self, request: stun.Message) -> stun.Message:
        """The answer to this request.

        Raises:
            OSError: nobody is there.
        """
        while True:
            heard = await self._heard.get()
            if isinstance(heard, OSError):
                raise heard
            if heard.transaction_id == request.transaction_id:
                return heard


async def allocation(address: Address, server: IceServer) -> Finding:
    """Has a TURN server open a port for us, and close it again.

    Raises:
        OSError: it is not reached; TimeoutError, which is one, if it does not answer.
    """
    username, credential = server.login(time.time())  # noqa: TID251 - as the server counts
    try:
        async with asyncio.timeout(TURN_S):
            transport, closed = await turn.create_turn_endpoint(
                _Closed,
                (address.host, address.port),
                username=username,
                password=credential,
                ssl=address.scheme == "turns" or None,
                transport=address.transport,
            )
    except stun.TransactionFailed as error:
        code, text = error.response.attributes.get("ERROR-CODE", (0, "?"))
        return fail(f"{address} refuses: {code} {text}", _mended(code, server))
    relayed = transport.get_extra_info("sockname")[0]
    transport.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TURN_S):
            await closed.lost.wait()
    return _relays(address, relayed, transport.get_extra_info("related_address")[0])


class _Closed(asyncio.DatagramProtocol):
    """Knows when a TURN server has closed our port."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()


def _mended(code: int, server: IceServer) -> str:
    """What to do about a refusal."""
    if code in {401, 441}:  # 441: another user's allocation
        if server.secret:
            return "mend secret in [ice]: the server knows another one; or this clock is wrong"
        return "mend username and credential in [ice]: the server knows other ones"
    if code == 486:
        return "its quota is used up: raise user-quota in turnserver.conf"
    return "see its log, and what its configuration permits"


def _relays(address: Address, relayed: str, seen: str) -> Finding:
    """A server behind a NAT that does not know its own address gives out one of no use."""
    found = f"{address} relays at {relayed}"
    if ipaddress.ip_address(relayed).is_private and not ipaddress.ip_address(seen).is_private:
        return warn(
            f"{found}, which cannot be reached from other networks",
            "set external-ip in turnserver.conf to the server's public address",
        )
    return ok(found)
