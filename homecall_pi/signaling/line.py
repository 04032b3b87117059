"""One client's connection at the server: what it may send, and what may wait for it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.protocol import State

from homecall_pi.core.limits import TokenBucket

log = logging.getLogger(__name__)

MAX_LINES: Final = 512
"""Connections at a time, those in their handshake included."""
MAX_OUTBOX_BYTES: Final = 256 * 1024
"""What may wait for a reader; twice the largest offer with its candidates. To be given to
websockets as `write_limit`, at which it calls `pause_writing`."""
BURST_TOKENS: Final = 200.0
TOKENS_PER_S: Final = 40.0
BYTES_PER_TOKEN: Final = 4096
"""A message costs one token, and another for each so many bytes. A page may well send 60
candidates at once; what goes on like that is a flood."""


class _Gone(asyncio.Transport):
    """In place of a transport that is closed.

    websockets aborts it once more to be sure, which fails in asyncio (seen with Python 3.11)
    if it was closed while data was waiting.
    """

    def abort(self) -> None:
        pass

    def is_closing(self) -> bool:
        return True


class Line(ServerConnection):
    """A WebSocket that neither blocks those who write to it nor holds more than its share.

    Args:
        lines: all connections of the server; the connection enters and leaves the set by itself.
    """

    def __init__(self, *args: Any, lines: set[Line], **options: Any) -> None:
        super().__init__(*args, **options)
        self._lines = lines
        self._faults: set[str] = set()
        self._bucket = TokenBucket(
            burst=BURST_TOKENS, rate_per_s=TOKENS_PER_S, now=self.loop.time()
        )
        self.peer = "?"
        self.malformed = 0
        self.dismissed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        super().connection_made(transport)
        if self.remote_address is not None:  # it is when the peer has already gone
            self.peer = "{} port {}".format(*self.remote_address[:2])
        self._lines.add(self)
        if len(self._lines) > MAX_LINES:
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        super().connection_lost(exc)
        self.transport = _Gone()
        self._lines.discard(self)
        if self.protocol.handshake_exc is not None:
            log.debug("%s: no WebSocket: %s", self.peer, self.protocol.handshake_exc)

    def pause_writing(self) -> None:
        """Called by asyncio when `MAX_OUTBOX_BYTES` wait: nobody reads at the other end.

        Waiting would block whoever writes to this connection, keepalive and close included. Only
        a file of the page may be larger than that; who fetches it is the only one to wait.
        """
        super().pause_writing()
        if self.state is not State.CONNECTING:
            self.complain("does not read what it is sent")
            # Not at once: asyncio warns of each write to an aborted transport, and websockets
            # may be about to answer thousands of pings.
            self.loop.call_soon(self.cut)

    def cut(self) -> None:
        """Ends the connection without a word."""
        self.transport.abort()

    def push(self, frame: str) -> None:
        """Sends without waiting; `pause_writing` bounds what piles up."""
        if not self.transport.is_closing():
            broadcast([self], frame)

    def within_limits(self, frame: str | bytes) -> bool:
        """Whether the client may send this much now."""
        return self._bucket.take(1 + len(frame) // BYTES_PER_TOKEN, self.loop.time())

    def complain(self, fault: str, room: str | None = None) -> None:
        """Logs a fault of this client, each kind once, and no more of the room than its start."""
        if fault not in self._faults:
            self._faults.add(fault)
            where = f", room {room[:8]}" if room else ""
            log.warning("%s%s: %s", self.peer, where, fault)
