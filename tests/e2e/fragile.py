"""A household apart in which more can be broken: names, the server's place, the door's clock."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from .apart import PORT, Apart
from .household import PATIENCE_S, Door, Program, until
from .network import NAME, SERVER

YEAR_S = 365 * 86_400
_RESOLVING = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


class Fragile(Apart):
    """The door looks the server up by its name, at a name server of the household's own."""

    def __init__(self, folder: Path, beeps: Path | None = None) -> None:
        super().__init__(folder, beeps)
        self._resolv_conf = folder / "resolv.conf"
        # As in many a home, there are two, of which one is never there.
        self._resolv_conf.write_text(f"nameserver {SERVER}\nnameserver 10.77.9.9\n")
        self._clock = folder / "clock"
        self.names = self._beside("names", SERVER, NAME, SERVER)

    async def start_programs(self, *door_flags: str) -> None:
        """Door, server and name server."""
        self.names.start()
        self.programs.append(self.names)
        await super().start_programs(*door_flags)

    def make_door(self, *flags: str) -> Door:
        door = super().make_door("--server", f"wss://{NAME}:{PORT}/signal", *flags)
        door.prefix += ("unshare", "--mount", "sh", "-c", _RESOLVING, str(self._resolv_conf))
        return door

    async def replace_names(self, *known: str) -> None:
        """Another name server takes the place of the one that there is; this is all it knows."""
        self.names.kill()
        self.names.arguments = (SERVER, *known)
        self.names.start()
        await ready(self.names)

    @asynccontextmanager
    async def replaced_server(self, kind: str, certified: str = "") -> AsyncIterator[None]:
        """Something else answers in the server's place, with a certificate for that name."""
        pair = self.authority.issue(certified) if certified else ()
        portal = self._beside("portal", kind, SERVER, str(PORT), *map(str, pair))
        self.server.kill()
        portal.start()
        try:
            await ready(portal)
            yield
        finally:
            portal.kill()
            self.server.start()
        await self.server.ready()

    async def restart_door(self, *, clock_s: int | None = None) -> None:
        """Starts the door anew; if told so, with a clock that is wrong, and that can be set."""
        self.door.kill()
        self.door.environment.pop("LD_PRELOAD", None)
        if clock_s is not None:
            self.set_clock(clock_s)
            self.door.environment |= {
                "LD_PRELOAD": str(next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))),
                "FAKETIME_TIMESTAMP_FILE": str(self._clock),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        self.door.start()

    def set_clock(self, off_s: int) -> None:
        """Sets the door's clock, which it sees within a second."""
        self._clock.write_text(f"{off_s:+d}")

    @property
    def lines(self) -> int:
        """How many the door has had so far."""
        return self.door.output.count(" LineUp: ")

    async def another_line(self, lines: int, patience_s: float = PATIENCE_S) -> None:
        """Waits until the door has had more of them than that."""
        await until("the door has another line", lambda: self.lines > lines, patience_s)

    def black_hole_line(self) -> float:
        """The line's packets vanish, and those of no other; returns when that began."""
        which = ("state", "established", f"dport = :{PORT}")
        (line,) = self.network.door.run("ss", "-Htn", *which).splitlines()
        port = line.split()[2].rpartition(":")[2]
        for end in ("sport", "dport"):
            self.network.drop(f"tcp {end} {port}")
        return time.monotonic()

    async def tells(self, words: str) -> None:
        """Waits until the door's log has these words."""
        await until(f"the door tells: {words}", lambda: words in self.door.fresh_output)

    def _beside(self, module: str, *arguments: str) -> Program:
        """A program of the tests', on the router."""
        program = Program(self.folder, module, *arguments)
        package = "tests" if module == "portal" else "tests.e2e"
        program.module = (f"{package}.{module}",)
        program.prefix = self.network.router.prefix
        return program


async def ready(program: Program) -> None:
    """Waits until a program of the tests' listens."""
    await until(f"{program.log.stem} is ready", lambda: "ready" in program.fresh_output)
