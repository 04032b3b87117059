"""The way to the server: this machine's address, Wi-Fi, names, the server, and what it relays."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    InvalidURI,
    SecurityError,
    WebSocketException,
)

from ..core.messages import (
    NOT_SERVED,
    Answer,
    BadMessage,
    Error,
    Join,
    Leave,
    Offer,
    decode,
    encode,
)
from ..signaling.promises import HEADER
from ..signaling.trouble import is_login_page
from ..tls import tls_context
from . import tls
from .finding import Finding, fail, ok, reason, warn

ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses far away (RFC 5737, RFC 3849). Nothing is sent there."""
WEAK_DBM = -75.0
CONNECT_S = 8.0
RELAY_S = 5.0
AGAIN_S = 0.5
SILENCE_S = 1.0
"""Seconds in which a server that does not let somebody in says so."""
EXPIRES_SOON_S = 14 * 86400.0
SDP = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
"""A session without media, for the test of the relay."""


def address() -> Finding:
    """Whether this machine has an address and a way to other networks."""
    for family, far in ELSEWHERE:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))  # looks the route up, and sends nothing
            own = probe.getsockname()[0]
            if not ipaddress.ip_address(own).is_link_local:
                return ok(f"{own} is this machine's address")
    return fail(
        "this machine has no way to other networks",
        "plug the cable in, or set Wi-Fi up: sudo nmtui; then look: ip address, ip route",
    )


def wifi(table: Path = Path("/proc/net/wireless")) -> Finding | None:
    """The strength of the Wi-Fi signal, where there is Wi-Fi in use."""
    try:
        text = table.read_text()
    except OSError:
        return None
    # Interface, status, then link, level and noise, each with a dot if it is new.
    rows = re.findall(r"^\s*(\w+):\s+\S+\s+\S+\s+(-\d+)", text, re.MULTILINE)
    if not rows:
        return None
    name, level = min(rows, key=lambda row: int(row[1]))
    found = f"{name} receives {level} dBm"
    if int(level) < WEAK_DBM:
        return warn(
            f"{found}: picture and sound may falter",
            "bring the access point nearer, use 2.4 GHz, or a cable",
        )
    return ok(found)


def name(url: str, resolve: Callable[..., Any] = socket.getaddrinfo) -> Finding:
    """Whether the server's name resolves."""
    host, port = _host(url)
    try:
        found = resolve(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            return fail(
                f"no name server tells the address of {host}",
                "see that the router is there, and its address in /etc/resolv.conf",
            )
        return fail(
            f"there is no {host} ({error.strerror})", "mend the host in `server`, or its DNS entry"
        )
    return ok(f"{host} is {', '.join(sorted({entry[4][0] for entry in found}))}")


async def server(url: str, now: float) -> Finding:
    """Whether the server can be reached, proves who it is, and speaks WebSocket."""
    host, port = _host(url)
    try:
        async with _line(url) as connection:
            return _greeting(connection, host, now)
    except ssl.SSLError as error:
        return tls.explain(error, host)
    except ConnectionResetError:  # asyncio's, when the other side hangs up during the handshake
        return tls.lacking(host, "it hangs up")
    except socket.gaierror:
        return fail(f"{host} has no address", "see `dns` above")
    except TimeoutError:
        return fail(
            f"{host}, port {port}, does not answer",
            "see that the server is on, and that no firewall drops the port",
        )
    except InvalidStatus as error:
        if is_login_page(error):
            return _login_page(host, port)
        return _refusal(error.response.status_code, url)
    except (InvalidURI, SecurityError):  # a page that leads elsewhere
        return _login_page(host, port)
    except WebSocketException as error:
        return fail(
            f"{host}, port {port}, speaks no WebSocket ({type(error).__name__})",
            "mend host and port in `server`; with TLS it is wss://",
        )
    except OSError as error:
        return fail(
            f"{host}, port {port}, is not reached ({reason(error)})",
            "start it there: sudo systemctl start homecall-pi-server; or mend `server`",
        )


def _greeting(connection: ClientConnection, host: str, now: float) -> Finding:
    ours = connection.response is not None and HEADER in connection.response.headers
    found = f"{host} answers{'' if ours else '; it is not the server of this program'}"
    handshake = connection.transport.get_extra_info("ssl_object")
    if handshake is None:
        return ok(f"{found}, not encrypted")
    ends_s = ssl.cert_time_to_seconds(handshake.getpeercert()["notAfter"])
    until = f"its certificate is good until {time.strftime('%Y-%m-%d', time.gmtime(ends_s))}"
    if ends_s - now < EXPIRES_SOON_S:
        return warn(f"{found}, but {until}", tls.RENEW)
    return ok(f"{found}; {until}")


def _login_page(host: str, port: int) -> Finding:
    return fail(
        f"a web page answers at {host}, port {port}, instead of signaling",
        "if this network wants a login first, log in by a browser; else mend the path in `server`",
    )


def _refusal(status: int, url: str) -> Finding:
    parts = urlsplit(url)
    if status == 404:
        return fail(
            f"{parts.netloc} has no WebSocket at {parts.path}",
            "mend the path in `server`: it is /signal, unless a proxy puts something in front",
        )
    if 500 <= status < 600:
        return fail(
            f"{parts.netloc} answers with {status}: there is a proxy, and nothing behind it",
            "start it there: sudo systemctl start homecall-pi-server",
        )
    return fail(
        f"{parts.netloc} answers with {status} instead of a WebSocket",
        "let the proxy pass WebSockets on: the headers Upgrade, Connection and Host",
    )


async def relay(url: str, seat: Join | None = None) -> Finding | None:
    """Whether an offer gets through from one participant to another, and an answer back.

    That is tried in a room of its own: in the door's room it would take the family's place. Where
    the server has none, and no daemon has the door's `seat`, that is taken and left again. Nothing,
    if the server is not reached, which `server` tells.
    """
    try:
        async with _line(url) as caller, _line(url) as callee:
            found = await _talk(caller, callee)
        if found is not None:
            return found
        if seat is None:
            return ok("not tried: the server serves certain rooms alone; for yours see `daemon`")
        async with _line(url) as line:
            return await _sit(line, seat)
    except (OSError, WebSocketException):
        return None


async def _sit(line: ClientConnection, seat: Join) -> Finding:
    """Whether the server lets the door into its room: then it says nothing."""
    try:
        await line.send(encode(seat))
        async with asyncio.timeout(SILENCE_S):
            await _hear(line, Answer)
    except _Refused as error:
        return fail(
            f"the server does not let the door in: {error}",
            "put the `room` of this door into `rooms` of the server, or see who else is in there",
        )
    except TimeoutError:
        await line.send(encode(Leave(seat.room, seat.user)))
    return ok("not tried: the server serves certain rooms alone; it lets the door into its own")


async def _talk(caller: ClientConnection, callee: ClientConnection) -> Finding | None:
    """Nothing, if it cannot be tried there."""
    room = str(uuid.uuid4())
    seats = ((caller, "doctor"), (callee, "patient"))
    try:
        async with asyncio.timeout(RELAY_S):
            for line, user in seats:
                await line.send(encode(Join(room, user)))
            await _get_through(caller, Offer(room, "doctor", SDP), callee)
            await callee.send(encode(Answer(room, "patient", SDP)))
            await _hear(caller, Answer)
            for line, user in seats:
                await line.send(encode(Leave(room, user)))
    except _Refused as error:
        if str(error) == NOT_SERVED:
            return None
        return fail(f"the server says: {error}", "see its log")
    except ConnectionClosed as error:
        return fail(f"the server closes the connection ({error})", "see its log")
    except TimeoutError:
        return fail(
            "the server takes an offer and does not pass it on",
            "see that it is a HomeCall signaling server, and its log",
        )
    return ok("an offer and its answer come through")


async def _get_through(caller: ClientConnection, offer: Offer, callee: ClientConnection) -> None:
    """Offers until it arrives: a server need not keep what comes before the other has joined."""
    hearing = asyncio.create_task(_hear(callee, Offer))
    try:
        while not hearing.done():
            await caller.send(encode(offer))
            await asyncio.wait([hearing], timeout=AGAIN_S)
        hearing.result()
    finally:
        hearing.cancel()


class _Refused(Exception):
    """The server answered with an error."""


async def _hear(line: ClientConnection, kind: type[Offer | Answer]) -> None:
    while True:
        frame = await line.recv()
        with contextlib.suppress(BadMessage):
            message = decode(frame)
            if isinstance(message, kind):
                return
            if isinstance(message, Error):
                raise _Refused(message.message[:200])


@contextlib.asynccontextmanager
async def _line(url: str) -> AsyncIterator[ClientConnection]:
    """A connection as the door's own."""
    async with connect(
        url,
        compression=None,
        open_timeout=CONNECT_S,
        close_timeout=1,
        ping_interval=None,
        ssl=tls_context() if url.startswith("wss:") else None,
    ) as connection:
        yield connection


def _host(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
