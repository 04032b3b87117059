"""Makes connections to the signaling server."""

from __future__ import annotations

import socket
import ssl
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

OPEN_S = 4.0
"""Seconds that connecting may take. With the rest that follows, and the next attempt, this is how
late a door can notice that a server is back which was silent."""
CLOSE_S = 1.0
"""Seconds that the server may take to close in good order."""
MAX_FRAME_BYTES = 1024 * 1024
"""Largest frame accepted from a server; a larger one costs the line."""
FAILURES: Final = (OSError, WebSocketException, EOFError, ValueError, ImportError)
"""What may come of an attempt."""


class Dialler:
    """Knows how to reach the server at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
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
            family=self._family,
            **self._security(),
        )

    def _security(self) -> dict[str, Any]:
        """Made once: reading a machine's certificates keeps a small Pi busy for a moment."""
        if not self._url.startswith("wss:"):
            return {}
        self._tls = self._tls or ssl.create_default_context()
        return {"ssl": self._tls}


def _other(family: socket.AddressFamily) -> socket.AddressFamily:
    return socket.AF_UNSPEC if family == socket.AF_INET else socket.AF_INET
