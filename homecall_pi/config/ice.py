"""STUN and TURN servers."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta

from ..core import turn
from ..errors import OperatorError
from .table import Table

_ICE_URL = r"^(stuns?:[\w.-]+(:\d{1,5})?|turns?:[\w.-]+(:\d{1,5})?(\?transport=(udp|tcp))?)$"
"""RFC 7064 and RFC 7065, without IPv6 literals."""
_PORT = re.compile(r":(\d+)(?:\?|$)")


class IceServer(Table, frozen=True):
    """One STUN or TURN server, as in the browsers' RTCIceServer, or with a shared secret."""

    urls: Annotated[
        tuple[Annotated[str, Meta(pattern=_ICE_URL)], ...],
        Meta(
            min_length=1,
            description="its addresses: stun:HOST[:PORT], turn:HOST[:PORT] with or without "
            "?transport=tcp, turns:HOST[:PORT]",
        ),
    ]
    username: Annotated[str | None, Meta(description="to log in to a TURN server")] = None
    credential: Annotated[str | None, Meta(description="the password that goes with it")] = None
    secret: Annotated[
        str | None,
        Meta(
            description="in place of a password: coturn's static-auth-secret, from which passwords "
            "are made that run out"
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuses what browsers refuse, together with all the other servers."""
        if self.credential and self.secret:
            raise ValueError("credential and secret are both given: keep the one the server knows")
        ports = [int(port) for url in self.urls for port in _PORT.findall(url)]
        if not all(1 <= port <= 65535 for port in ports):
            raise ValueError("a port is a number from 1 to 65535")
        relays = any(url.startswith("turn") for url in self.urls)
        if relays and not (self.username and self.credential) and not self.secret:
            raise ValueError("a turn server needs username and credential, or secret")

    def login(self, now: float) -> tuple[str | None, str | None]:
        """Username and credential, at `now` in seconds since 1970."""
        if self.secret:
            return turn.credentials(self.secret, self.username or "", now)
        return self.username, self.credential


class IceConfig(Table, frozen=True):
    """STUN and TURN servers, for connections across networks (docs/turn.md)."""

    servers: Annotated[
        tuple[IceServer, ...],
        Meta(
            description="the door uses them; a signaling server hands them to its page",
            examples=[
                [
                    {"urls": ["stun:stun.example.org"]},
                    {
                        "urls": ["turn:turn.example.org"],
                        "username": "door",
                        "credential": "password",
                    },
                    {
                        "urls": ["turns:turn.example.org:5349"],
                        "secret": "the static-auth-secret of a coturn",
                    },
                ]
            ],
        ),
    ] = ()
    policy: Annotated[
        Literal["all", "relay"],
        Meta(
            description="relay: calls go through a TURN server alone, so that neither side learns "
            "the other's address; all: they go the best way there is"
        ),
    ] = "all"


def require_ice(ice: IceConfig) -> IceConfig:
    """The STUN and TURN servers, checked.

    Raises:
        OperatorError: calls could never connect.
    """
    urls = [url for server in ice.servers for url in server.urls]
    if ice.policy == "relay" and not any(url.startswith("turn") for url in urls):
        raise OperatorError("ice.policy: relay needs a TURN server; add one to ice.servers")
    return ice
