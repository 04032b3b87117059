"""Makes connections to the signaling server."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from ..tls import tls_context

OPEN_S = 4.0
"""Seconds that connecting may take. With the rest that follows, and the next attempt, this is how
late a door can notice that a server is back which was silent."""
CLOSE_S = 1.0
"""Seconds that the server may take to close in good order."""
MAX_FRAME_BYTES = 1024 * 1024
"""Largest frame accepted from a server; a larger one costs the line."""
MAX_UNSENT_BYTES = 256 * 1024
"""Bytes on their way out, to which the library adds an answer to each of the server's pings."""
FAILURES: Final = (OSError, WebSocketException, EOFError, ValueError, ImportError)
"""What may come of an attempt."""


class Dialler:
    """Knows how to reach the server at `url`; `stalled` gets a connection that moves nothing."""

    def __init__(self, url: str, stalled: Callable[[ClientConnection], None]) -> None:
        self._url = url
        self._create = partial(_Connection, stalled=stalled)
        self._tls: ssl.SSLContext | None = None
        self._family = socket.AF_UNSPEC

    async def connect(self) -> ClientConnection:
        """One connection.

        Raises:
            FAILURES: there is none; `trouble.explain` tells why.
        """
        try:
            return await self._connect()
        except ssl.SSLCertVerificationError:
            self._tls = None  # what is trusted may be other files by now
            raise
        except TimeoutError:
            # Addresses are tried one after the other, and a network may have IPv6 that leads
            # nowhere: it would take all the time, each time.
            self._family = _other(self._family)
            raise
        except socket.gaierror:
            if self._family == socket.AF_UNSPEC:
                raise
            self._family = socket.AF_UNSPEC  # there is no IPv4 address
            return await self._connect()

    async def _connect(self) -> ClientConnection:
        return await connect(
            self._url,
            compression=None,
            open_timeout=OPEN_S,
            ping_interval=None,  # the line does that by itself
            close_timeout=CLOSE_S,
            max_size=MAX_FRAME_BYTES,
            max_queue=16,
            write_limit=MAX_UNSENT_BYTES,
            create_connection=cast(type[ClientConnection], self._create),
            family=self._family,
            **self._security(),
        )

    def _security(self) -> dict[str, Any]:
        """Made once, since that takes a moment."""
        if not self._url.startswith("wss:"):
            return {}
        self._tls = self._tls or tls_context()
        return {"ssl": self._tls}


def _other(family: socket.AddressFamily) -> socket.AddressFamily:
    return socket.AF_UNSPEC if family == socket.AF_INET else socket.AF_INET


class _Connection(ClientConnection):
    """Tells when nobody reads at the other end any more."""

    def __init__(
        self, *args: Any, stalled: Callable[[ClientConnection], None], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._stalled = stalled

    def pause_writing(self) -> None:
        """Called by asyncio when MAX_UNSENT_BYTES wait."""
        super().pause_writing()
        # Not at once: the library may be about to answer more pings.
        self.loop.call_soon(self._stalled, self)
