"""STUN and TURN: asks each server what the door and the page will ask of it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence

import msgspec
from aioice import stun

from ..config.ice import IceServer
from ..tls import tls_context
from ..webrtc.routes import WRONG_LOGIN, Reached, Route, route_of
from . import tls
from .check import Check
from .finding import Finding, fail, ok, warn

PATIENCE_S = 8.0
"""Seconds that a server is given. The door itself is less patient."""
FORMS = "give it as stun:HOST:PORT, turn:HOST:PORT, turn:HOST:PORT?transport=tcp or turns:HOST:PORT"


def checks(servers: Sequence[IceServer]) -> list[Check]:
    """A check for each URL."""
    if not servers:
        return [Check("ice", _none)]
    return [
        Check(url.partition(":")[0], _Probe(url, server).run)
        for server in servers
        for url in server.urls
    ]


async def _none() -> Finding:
    return ok("none are set: the door can be answered in its own network")


class _Probe(msgspec.Struct, frozen=True):
    url: str
    server: IceServer

    async def run(self) -> Finding:
        """Asks the server."""
        route = route_of(self.url, self.server)
        if route is None:
            return warn(f"{self.url}: the door cannot use it", FORMS)
        context = tls_context() if route.transport == "tls" else None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return _good(route, await route.reach(context))
        except ssl.SSLError as error:
            return tls.explain(error, route.host)
        except Exception as error:  # a server may answer whatever it likes
            return fail(f"{route.url}: {route.reason(error)}", _cure(route, error))


def _good(route: Route, reached: Reached) -> Finding:
    """A server behind a NAT that does not know its own address gives out one of no use."""
    if not reached.relayed:
        return ok(f"{route.url} sees this machine as {reached.seen}")
    found = f"{route.url} relays at {reached.relayed}"
    if _is_private(reached.relayed) and not _is_private(reached.seen):
        return warn(
            f"{found}, which cannot be reached from other networks",
            "set external-ip in turnserver.conf to the server's public address",
        )
    return ok(found)


def _is_private(address: str) -> bool:
    return ipaddress.ip_address(address).is_private


def _cure(route: Route, error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "mend its host in [ice], or its DNS entry"
    if isinstance(error, stun.TransactionFailed):
        return _mended(error.response.attributes.get("ERROR-CODE", (0, ""))[0], route.server)
    transport = "UDP" if route.transport == "udp" else "TCP"
    return (
        f"see that it runs there, and that its firewall lets {transport} port {route.port} through"
    )


def _mended(code: int, server: IceServer) -> str:
    """What to do about a refusal."""
    if code in WRONG_LOGIN:
        if server.secret:
            return "mend secret in [ice]: the server knows another one; or this clock is wrong"
        return "mend username and credential in [ice]: the server knows other ones"
    if code == 486:
        return "its quota is used up: raise user-quota in turnserver.conf"
    return "see its log, and what its configuration permits"
