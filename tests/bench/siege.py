"""What a family notices while the server is attacked, and what it costs the server.

For each attack: a server of its own, with TLS and limited to the family's room or open to all;
hostile clients in a process of their own; and, from another address, a door and a page that talk
all the time while others come anew. The same goes on at a second server that nobody attacks: since
all of them share this machine's processors, delays are compared with those there at the same time.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.bench.limits import Limits
from tests.signaling.conftest import _write_certificate
from tests.signaling.frames import ANNA, DOOR, ROOM, candidate, join

PATIENCE_S = 5.0
"""For a message, or for coming in."""
EVERY_S = 0.02
"""Seconds from one message of the door to the next."""
END_S = 60.0
"""For the attackers to go home: they have the least of the processors."""
SETTLE_S = 2.0
"""For an attack to build up, and for the server to recover from it."""
PEAK_MB = 250.0
"""At most; where the unit has systemd end the server (MemoryMax)."""


HEAD = (
    f"{'attack':46} {'server':7} {'came':>7} {'sent':>9} {'delay':>6} {'99th, twin':>14} "
    f"{'told/lost':>9} {'in/out, twin':>12} {'CPU':>6} RSS before, peak (limit), after"
)


@dataclass
class Notes:
    """What the family noticed."""

    delays_s: list[float] = field(default_factory=list)
    lost: int = 0
    came: int = 0
    refused: int = 0

    def row(self, twin: Notes) -> str:
        """As columns: delays, those at the other server, and who was served."""
        ratio = statistics.median(self.delays_s) / statistics.median(twin.delays_s)
        return (
            f"{ratio:5.1f}x {self.high_ms:5.0f} {twin.high_ms:5.0f} ms "
            f"{len(self.delays_s):5}/{self.lost:<3} {self.came:4}/{self.refused:<3} {twin.came:3}"
        )

    @property
    def high_ms(self) -> float:
        """What one delay in a hundred is above."""
        return 1000 * sorted(self.delays_s)[int(len(self.delays_s) * 0.99)]


class Server:
    """The server as a program, on a free port."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, tls: ssl.SSLContext | None):
        self.process, self.port, self.tls = process, port, tls
        self.usage = psutil.Process(process.pid)
        self.peak_mb = 0.0

    @classmethod
    @asynccontextmanager
    async def running(cls, *, limited: bool) -> AsyncIterator[Server]:
        """Limited to the family's room, with TLS; or open and plain."""
        with tempfile.TemporaryDirectory() as folder, socket.create_server(("", 0)) as free:
            port = free.getsockname()[1]
            config, tls = Path(folder) / "config.toml", None
            config.write_text(f'[serve]\nport = {port}\n[log]\nlevel = "error"\n')
            if limited:
                cert, key = _write_certificate(Path(folder))
                tls = ssl.create_default_context(cafile=str(cert))
                config.write_text(
                    f'[serve]\nport = {port}\nrooms = ["{ROOM}"]\n'
                    f'tls_cert = "{cert}"\ntls_key = "{key}"\n[log]\nlevel = "error"\n'
                )
            free.close()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "homecall_pi", "serve", "--config", str(config)
            )
            server = cls(process, port, tls)
            try:
                await server.ready()
                yield server
            finally:
                process.terminate()
                await process.wait()

    async def ready(self) -> None:
        async with asyncio.timeout(20):
            while True:
                with suppress(OSError, WebSocketException):
                    await (await self.connect()).close()
                    return
                await asyncio.sleep(0.1)

    async def connect(self) -> ClientConnection:
        scheme = "wss" if self.tls else "ws"
        url = f"{scheme}://127.0.0.1:{self.port}/signal"
        return await connect(url, ssl=self.tls, open_timeout=PATIENCE_S, compression=None)

    async def watch(self) -> None:
        """Keeps the peak of its memory."""
        while True:
            self.peak_mb = max(self.peak_mb, self.rss_mb)
            await asyncio.sleep(0.05)

    @property
    def rss_mb(self) -> float:
        return self.usage.memory_info().rss / 1e6

    @property
    def cpu_s(self) -> float:
        times = self.usage.cpu_times()
        return times.user + times.system


Pair = tuple[ClientConnection, ClientConnection]


@asynccontextmanager
async def seated(server: Server) -> AsyncIterator[Pair]:
    """A door and a page in one room."""
    async with await server.connect() as door, await server.connect() as page:
        for client, name in ((door, DOOR), (page, ANNA)):
            await client.send(join(name))
            await client.send("fence")
            await client.recv()  # both have their seats when this is answered
        yield door, page


async def observe(server: Server, pair: Pair, seconds: float) -> Notes:
    """The door talks to the page for so long, while others come in and leave again."""
    notes = Notes()
    visits = asyncio.create_task(visit(server, notes))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await talk(*pair, notes)
        await asyncio.sleep(EVERY_S)
    visits.cancel()
    return notes


async def talk(door: ClientConnection, page: ClientConnection, notes: Notes) -> None:
    """One message from the door to the page."""
    started = time.perf_counter()
    try:
        await door.send(candidate(DOOR))
        async with asyncio.timeout(PATIENCE_S):
            await page.recv()
    except TimeoutError:
        notes.lost += 1
    else:
        notes.delays_s.append(time.perf_counter() - started)


async def visit(server: Server, notes: Notes) -> None:
    """Somebody else of the family comes in twice a second."""
    while True:
        try:
            async with asyncio.timeout(PATIENCE_S), await server.connect() as newcomer:
                await newcomer.send(join("newcomer"))
                await newcomer.recv()  # the room is full
            notes.came += 1
        except (OSError, WebSocketException, TimeoutError):
            notes.refused += 1
        await asyncio.sleep(0.5)


@asynccontextmanager
async def attacked(server: Server, title: str) -> AsyncIterator[dict[str, int]]:
    """An attack goes on; what it did is in the dictionary afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.attacks", title, str(server.port), "tls" if server.tls else "plain"),
        stdout=asyncio.subprocess.PIPE,
    )
    did: dict[str, int] = {}
    try:
        assert process.stdout is not None
        await process.stdout.readline()  # it has begun
        await asyncio.sleep(SETTLE_S)
        yield did
        process.terminate()
        async with asyncio.timeout(END_S):
            said, _ = await process.communicate()
        did.update(json.loads(said))
    finally:
        if process.returncode is None:
            process.kill()


async def suffer(title: str, seconds: float, limits: Limits, *, limited: bool) -> None:
    """One attack on one server, as a line of the table.

    Who is in must not notice it; nor who comes, where the server is limited to its rooms.
    """
    running = Server.running
    async with (
        running(limited=limited) as server,
        running(limited=limited) as twin,
        seated(server) as pair,
        seated(twin) as twins,
    ):
        await asyncio.gather(observe(server, pair, SETTLE_S), observe(twin, twins, SETTLE_S))
        before = server.rss_mb
        watching = asyncio.create_task(server.watch())
        async with attacked(server, title) as did:
            cpu_s, since = server.cpu_s, time.monotonic()
            notes, quiet = await asyncio.gather(
                observe(server, pair, seconds), observe(twin, twins, seconds)
            )
            cpu = (server.cpu_s - cpu_s) / (time.monotonic() - since)
        await asyncio.sleep(SETTLE_S)
        watching.cancel()
        kind = "limited" if limited else "open"
        limits.require(notes.lost == 0, f"{title}, {kind}: {notes.lost} messages were lost")
        refused = notes.refused if limited else 0
        limits.require(refused == 0, f"{title}, {kind}: {refused} of the family were not let in")
        peak = limits.at_most(PEAK_MB, f"{title}, {kind}: peak of memory", server.peak_mb)
        print(
            f"{title:46} {kind:7} {did['came']:7} "
            f"{did['sent_bytes'] / 1e6:6.0f} MB {notes.row(quiet)} {100 * cpu:4.0f} % "
            f"{before:4.0f} {peak:>9} {server.rss_mb:4.0f} MB",
            flush=True,
        )
