"""The local Unix socket by which `ring`, `hangup`, `release`, `status` reach the running daemon.

One request and one reply per connection, each one line of JSON: `{"command": "ring"}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import msgspec

from .errors import HomeCallError, OperatorError, may_pass

log = logging.getLogger(__name__)

MAX_LINE_BYTES = 4096
MAX_REQUESTS = 16
"""Connections served at a time; others are closed."""
PATIENCE_S = 5.0
"""Seconds that either side waits for the other."""
RETRY_S = 2.0
"""Seconds until a socket that could not be made is tried again."""
SERVICE_PATH = Path("/run/homecall-pi/control.sock")

Command = Literal["ring", "hangup", "release", "status"]


class Request(msgspec.Struct, frozen=True):
    """What a client asks for."""

    command: Command


class Status(msgspec.Struct, frozen=True):
    """What the daemon tells of itself."""

    state: str
    """offline, idle, offering, ringing, connecting, talking or reconnecting."""
    line: Literal["up", "refused", "down"]
    """Whether the signaling server is reached; refused: it is, but does not let the door in."""
    call_id: int | None
    """The number of the call in progress."""
    calls: int
    """Calls since the daemon started."""
    last_reason: str | None
    """Why the last call ended."""
    frames_sent: int
    """Pictures sent in the present call, or the last one."""
    audio_samples: int
    """Samples of the family's voice received in the present call, or the last one (48 kHz)."""
    audio_dbfs: float
    """Level of the last second of it, in dB below full scale; -100 is silence."""
    tasks: int
    """What the event loop has under way; at rest it is the same after every call."""
    door: Literal["none", "closed", "open"] = "none"
    """What the door release does; none: there is none, or it does not work."""
    verified: bool = False
    """Whether the page in the present call has proven to have the link's key."""
    refusal: str | None = None
    """Why the signaling server does not let the door into its room, and what to do about it."""


def default_path() -> Path:
    """The service's socket where the service runs, else one of the user's own."""
    if SERVICE_PATH.parent.is_dir():
        return SERVICE_PATH
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = Path(runtime) if runtime else Path(f"/tmp/homecall-pi-{os.getuid()}")  # noqa: S108
    return own / "homecall-pi.sock"


class ControlServer:
    """Answers on the socket at `path` by calling `answer`."""

    def __init__(self, path: Path, answer: Callable[[Command], Awaitable[Status]]) -> None:
        self._path = path
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._retrying: asyncio.Task[None] | None = None
        self._requests: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listens; or goes on trying where the fault may pass, for a door rings without commands.

        Raises:
            OperatorError: another daemon listens there, or the place cannot be written to.
        """
        try:
            await self._listen()
        except OSError as error:
            fault = f"the control socket {self._path} cannot be made: {error.strerror or error}"
            if not may_pass(error):
                raise OperatorError(f"{fault}; give another place with --control PATH") from None
            log.warning("%s; without it no command reaches the door; trying again", fault)
            self._retrying = asyncio.create_task(self._retry())

    async def _retry(self) -> None:
        while self._server is None:
            await asyncio.sleep(RETRY_S)
            with contextlib.suppress(OSError, OperatorError):
                await self._listen()
        log.info("the control socket works")

    async def _listen(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._path.parent.stat().st_uid not in (os.geteuid(), 0):
            # Whoever owns the folder can put a socket of their own in the place of this one.
            raise OperatorError(
                f"{self._path.parent} belongs to another user; give another place with "
                "--control PATH"
            )
        self._remove_stale()
        self._server = await asyncio.start_unix_server(
            self._take, str(self._path), limit=MAX_LINE_BYTES
        )
        self._path.chmod(0o660)

    def _remove_stale(self) -> None:
        if self._path.exists() and not self._path.is_socket():
            raise OperatorError(
                f"{self._path} is no socket; give another place with --control PATH"
            )
        try:
            _connect(self._path).close()
        except (FileNotFoundError, ConnectionRefusedError):
            self._path.unlink(missing_ok=True)
        else:
            raise OperatorError(
                f"a daemon is running already and listens on {self._path}; "
                "stop it, or give another place with --control PATH"
            )

    async def stop(self) -> None:
        """Listens no more; requests under way come to nothing."""
        if self._retrying is not None:
            self._retrying.cancel()
        if self._server is None:
            return
        self._server.close()
        self._path.unlink(missing_ok=True)
        for request in self._requests:
            request.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._requests) >= MAX_REQUESTS:
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                request = msgspec.json.decode(await reader.readline(), type=Request)
                status = await self._answer(request.command)
                writer.write(msgspec.json.encode(status) + b"\n")
                await writer.drain()
        except (OSError, ValueError, TimeoutError) as error:
            log.debug("a request on the control socket came to nothing: %r", error)
        finally:
            writer.close()


def ask(path: Path, command: Command) -> Status:
    """Sends `command` to the daemon and returns its status after it.

    Raises:
        HomeCallError: no daemon answers there.
    """
    try:
        with contextlib.closing(_connect(path)) as connection:
            connection.sendall(msgspec.json.encode(Request(command)) + b"\n")
            return msgspec.json.decode(_read_line(connection), type=Status)
    except PermissionError:
        raise HomeCallError(
            f"{path} is for root and the group of the service: use sudo, or, once and for all, "
            "`sudo usermod -aG homecall USER` and log in anew"
        ) from None
    except TimeoutError:
        raise HomeCallError(
            f"the daemon on {path} does not respond; if that lasts, end it and start it anew"
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        why = getattr(error, "strerror", None) or error
        raise HomeCallError(
            f"no daemon answers on {path} ({why}); start it with `homecall-pi run`, "
            "or name its socket with --control PATH"
        ) from None


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE_S)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _read_line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.readline(MAX_LINE_BYTES)
