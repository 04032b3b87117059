"""One client's connection at the server: what it may send, and what may wait for it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.frames import CloseCode, Frame
from websockets.protocol import Event, State

from homecall_pi.core.limits import Allowance, TokenBucket

from .lines import Lines

log = logging.getLogger(__name__)

MAX_OUTBOX_BYTES: Final = 256 * 1024
"""What may wait for a reader; twice the largest offer with its candidates. To be given to
websockets as `write_limit`, at which it calls `pause_writing`."""
MAX_HANDSHAKE_BYTES: Final = 32 * 1024
"""The whole HTTP request, and what comes when the connection is about to be closed. The library
alone would keep a megabyte of headers, and read and drop the rest of a frame that is too large."""
SLICE_BYTES: Final = 1024
"""What is parsed at once. The kernel may hand over 40,000 frames together."""
BURST_TOKENS: Final = 200.0
TOKENS_PER_S: Final = 40.0
BYTES_PER_TOKEN: Final = 4096
"""A frame costs one token, and another for each so many bytes. A page may well send 60 candidates
at once; what goes on like that is a flood."""
LINGER_S: Final = 0.2
"""For a client to read why it is cut off: when we close on unread data, its kernel drops what it
has not read itself (RFC 2525, section 2.17)."""


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
    """A WebSocket that neither blocks those who write to it nor takes more than its share.

    Args:
        lines: all connections of the server; this one leaves them by itself.
    """

    def __init__(self, *args: Any, lines: Lines, **options: Any) -> None:
        super().__init__(*args, **options)
        self._fail = self.protocol.fail
        self.protocol.fail = self._tell_and_fail  # type: ignore[method-assign]
        self._lines = lines
        self._faults: set[str] = set()
        self.since = self.loop.time()
        self._bucket = TokenBucket(burst=BURST_TOKENS, rate_per_s=TOKENS_PER_S, now=self.since)
        self._allowance: Allowance | None = None
        self._handshake_bytes = 0
        self._deaf = False
        self.peer = "?"
        self.malformed = 0
        self.joined = False
        """Whether it has joined a room, or tried to join one that is served here."""
        self.dismissed = False

    def comes_from(self, address: str) -> bool:
        """Takes the address whose allowance counts; False if that is used up.

        Raises:
            ValueError: this is no IP address.
        """
        now = self.loop.time()
        allowance = self._lines.allowances.of(address, now)
        if not allowance.enter(now):
            self.complain("too many connections from there, see `behind_proxy` if it is a proxy")
            return False
        self._allowance = allowance
        return True

    def may_join(self) -> bool:
        """Whether the address may join a room now."""
        return self._allowance is None or self._allowance.arrivals.take(1, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        super().connection_lost(exc)
        self.depart()
        if self.protocol.handshake_exc is not None:
            log.debug("%s: no WebSocket: %s", self.peer, self.protocol.handshake_exc)

    def depart(self) -> None:
        """Counts no more."""
        self.transport = _Gone()
        self._lines.discard(self)
        if self._allowance is not None:
            self._allowance.leave()
            self._allowance = None

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self.state is not State.OPEN and not self._deaf:
            self._handshake_bytes += len(data)
            if self._handshake_bytes > MAX_HANDSHAKE_BYTES:
                if self.request is None:
                    self.complain("request too large")
                self._stop_listening()
        for start in range(0, len(data), SLICE_BYTES):
            if self._deaf or self.transport.is_closing():
                break
            super().data_received(data[start : start + SLICE_BYTES])
        if self._deaf:  # the library goes on reading whenever it has dealt with what came
            self.transport.pause_reading()

    def process_event(self, event: Event) -> None:
        """Called by websockets with the request, then with each frame.

        Here they are paid for, because the library itself answers pings, and joins fragments.
        """
        if isinstance(event, Frame) and not self._affords(len(event.data)):
            if not self._deaf:
                self._stop_listening()
                self._lines.on_flood(self)
            return
        super().process_event(event)

    def _tell_and_fail(self, code: CloseCode | int, reason: str = "") -> None:
        """Called by websockets, which takes no more than the head of what is too large."""
        if code == CloseCode.MESSAGE_TOO_BIG and self.state is State.OPEN:
            self._lines.on_oversize(self)
        self._fail(code, reason)

    def _stop_listening(self) -> None:
        self._deaf = True
        self.loop.call_later(LINGER_S, self.cut)

    def _affords(self, size: int) -> bool:
        tokens, now = 1 + size // BYTES_PER_TOKEN, self.loop.time()
        return self._bucket.take(tokens, now) and (
            self._allowance is None or self._allowance.tokens.take(tokens, now)
        )

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

    def complain(self, fault: str, room: str | None = None) -> None:
        """Logs a fault of this client, each kind once, and no more of the room than its start."""
        if fault not in self._faults:
            self._faults.add(fault)
            where = f", room {room[:8]}" if room else ""
            self._lines.warn(f"{self.peer}{where}: {fault}")
