"""A service manager's end of $NOTIFY_SOCKET."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path


class Manager:
    """Takes what a service tells, a list of assignments for each datagram."""

    def __init__(self, path: Path, patience_s: float) -> None:
        self.path = str(path)
        self._patience_s = patience_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.setblocking(False)

    def next(self) -> list[str]:
        """What has been told, and not been taken yet."""
        return self._socket.recv(65536).decode().split("\n")

    async def until(self, assignment: str) -> list[str]:
        """Everything that is told up to `assignment`, waiting for it."""
        told: list[str] = []
        async with asyncio.timeout(self._patience_s):
            while assignment not in told:
                data = await asyncio.get_running_loop().sock_recv(self._socket, 65536)
                told += data.decode().split("\n")
        return told

    def close(self) -> None:
        """Listens no more."""
        self._socket.close()
