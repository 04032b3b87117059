"""All connections of the server: how many there may be, and what each passes before it is read."""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
from collections.abc import Callable, Iterator
from socket import socket
from typing import TYPE_CHECKING, Final, cast

from homecall_pi.core.limits import Allowances, TokenBucket

if TYPE_CHECKING:
    from .line import Line

log = logging.getLogger(__name__)

MAX_LINES: Final = 512
"""Connections at a time, those in their handshakes included."""
GONE_LINES: Final = 32
"""Connections that may be gone and still hold their memory. Each is a knot of reference cycles with
TLS buffers of 300 KB, and Python by itself unties them when there are hundreds."""
TLS_HANDSHAKE_S: Final = 10.0
TLS_SHUTDOWN_S: Final = 3.0
WARNINGS_BURST: Final = 50.0
WARNINGS_PER_S: Final = 0.1
"""Lines in the log about clients and their faults."""


class Lines:
    """The connections of one server, and whose turn it is to go when there are too many.

    Args:
        on_flood: called with a connection on which too much came.
        on_oversize: called with one on which a message comes that is too large, while it can still
            be told so.
    """

    def __init__(
        self, on_flood: Callable[[Line], None], on_oversize: Callable[[Line], None]
    ) -> None:
        self.on_flood = on_flood
        self.on_oversize = on_oversize
        self.allowances = Allowances()
        self._present: dict[Line, None] = {}
        self._gone = 0
        now = asyncio.get_running_loop().time()
        self._warnings = TokenBucket(burst=WARNINGS_BURST, rate_per_s=WARNINGS_PER_S, now=now)

    def __iter__(self) -> Iterator[Line]:
        return iter(tuple(self._present))

    def __len__(self) -> int:
        return len(self._present)

    def add(self, line: Line) -> None:
        """One more. Of too many, the oldest that has joined no room is cut, or else this one.

        So nobody keeps others out by connections alone, nor by many of them any who have joined.
        """
        self._present[line] = None
        if len(self._present) > MAX_LINES:
            surplus = next((other for other in self._present if not other.joined), line)
            surplus.complain("too many connections in all")
            surplus.cut()

    def discard(self, line: Line) -> None:
        """One less."""
        self._present.pop(line, None)
        self._gone += 1
        if self._gone % GONE_LINES == 0:
            gc.collect()

    def warn(self, text: str) -> None:
        """Logs a client's fault, unless clients have filled enough of the log."""
        if self._warnings.take(1, asyncio.get_running_loop().time()):
            log.warning("%s", text)


class Entrance(asyncio.Protocol):
    """What a connection passes before its line gets it: the limits, then the TLS handshake.

    asyncio's servers can do TLS by themselves, but say nothing of a connection until its handshake
    is over. So nobody could count those that never end it.

    Args:
        line: the connection's line, not in `lines` yet.
        tls: the certificate to show; None for no TLS.
        behind_proxy: all come from one address; the proxy will name the client's own.
    """

    def __init__(
        self, line: Line, lines: Lines, *, tls: ssl.SSLContext | None, behind_proxy: bool
    ) -> None:
        self._line, self._lines, self._tls = line, lines, tls
        self._behind_proxy = behind_proxy

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if peer is None or not self._admits(peer):  # there is no name when the peer has gone
            transport.abort()
            return
        if self._tls is None:
            transport.set_protocol(self._line)
            self._line.connection_made(transport)
        else:
            # In place of start_tls(), because uvloop may already read when that begins.
            connection = transport.get_extra_info("socket").dup()
            transport.abort()
            self._line.transport = _Handshake(self._line, connection, self._tls)
        self._lines.add(self._line)

    def _admits(self, peer: tuple[str, int]) -> bool:
        self._line.peer = "{} port {}".format(*peer[:2])
        return self._behind_proxy or self._line.comes_from(peer[0])


class _Handshake(asyncio.Transport):
    """In place of the line's transport until TLS is agreed upon."""

    def __init__(self, line: Line, connection: socket, tls: ssl.SSLContext) -> None:
        super().__init__()
        self._line = line
        self._task = asyncio.create_task(self._shake_hands(connection, tls))

    def abort(self) -> None:
        self._task.cancel()

    def is_closing(self) -> bool:
        return self._task.cancelling() > 0

    async def _shake_hands(self, connection: socket, tls: ssl.SSLContext) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._line,
                connection,
                ssl=tls,
                ssl_handshake_timeout=TLS_HANDSHAKE_S,
                ssl_shutdown_timeout=TLS_SHUTDOWN_S,
            )
        except OSError as error:
            log.debug("%s: no TLS: %s", self._line.peer, error)
        finally:
            if self._line.transport is self:  # it was not handed over
                self._line.depart()
