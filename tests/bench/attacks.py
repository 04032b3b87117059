"""Hostile clients for `scripts/bench hostile`: `python -m tests.bench.attacks NAME PORT TLS`.

Each kind is a coroutine that does its worst on one connection until that is closed. A crowd of
them, from so many loopback addresses, comes again whenever it is cut off, until the process gets
SIGTERM. It prints "begun" when all have tried, and in the end how often they came in and how much
they sent.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

import uvloop

from tests.signaling.frames import join, masked, offer, upgrade

MB = 1_000_000
COME_AGAIN_S = 0.2
"""Seconds until one who was cut off comes again."""


class Client:
    """One connection; everything sent is counted."""

    tried = 0
    came = 0
    sent_bytes = 0
    port = 0
    tls: ssl.SSLContext | None = None

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def coming_from(cls, address: str) -> AsyncIterator[Client]:
        """A connection from this loopback address."""
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", cls.port, local_addr=(address, 0), ssl=cls.tls
            )
        finally:
            cls.tried += 1
        cls.came += 1
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def send(self, data: bytes) -> None:
        if self.writer.transport.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        await asyncio.sleep(0)  # drain() alone may go on without a pause, and starve the others
        await self.writer.drain()
        Client.sent_bytes += len(data)

    async def upgrade(self) -> None:
        """Makes it a WebSocket."""
        await self.send(upgrade())
        await self.reader.readuntil(b"\r\n\r\n")

    async def sit(self) -> None:
        """Answers pings until the server has enough."""
        while data := await self.reader.read(65536):
            at = data.find(b"\x89\x04")
            if at >= 0:
                await self.send(b"\x8a\x84" + bytes(4) + data[at + 2 : at + 6])


Kind = Callable[[Client], Awaitable[None]]


async def mute(client: Client) -> None:
    await client.reader.read()


async def drip(client: Client) -> None:
    """Slow-loris: a byte of a request per second."""
    for byte in itertools.chain(upgrade()[:-2], itertools.repeat(ord("x"))):
        await client.send(bytes([byte]))
        await asyncio.sleep(1)


async def half_a_handshake(client: Client) -> None:
    await client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    await client.reader.read()


async def loiter(client: Client) -> None:
    await client.upgrade()
    await client.sit()


async def squat(client: Client) -> None:
    await client.upgrade()
    await client.send(masked(join("squatter", str(uuid4()))))
    await client.sit()


async def wander(client: Client) -> None:
    """Ten joins per second, each of another room, with an offer left behind."""
    await client.upgrade()
    while not client.reader.at_eof():
        room = str(uuid4())
        await client.send(masked(join("wanderer", room)) + masked(offer("wanderer", room=room)))
        await asyncio.sleep(0.1)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await client.reader.read(65536)


async def hoard(client: Client) -> None:
    """Leaves the largest offer that is taken in a room, and comes again for the next one."""
    await client.upgrade()
    room = str(uuid4())
    await client.send(masked(join("hoarder", room)))
    await client.send(masked(offer("hoarder", "x" * 60_000, room)))
    await asyncio.sleep(0.2)


async def flood(client: Client) -> None:
    await client.upgrade()
    room = str(uuid4())
    await client.send(masked(join("flooder", room)))
    while True:
        await client.send(masked(offer("flooder", "x" * 60_000, room)) * 16)


async def ping(client: Client) -> None:
    await client.upgrade()
    while True:
        await client.send((b"\x89\x80" + bytes(4)) * 10_000)


async def shred(client: Client) -> None:
    """A message in fragments of one byte."""
    await client.upgrade()
    await client.send(b"\x01\x80" + bytes(4))
    while True:
        await client.send((b"\x00\x81" + bytes(5)) * 10_000)


async def gigabyte(client: Client) -> None:
    """A frame of 1 GB."""
    await client.upgrade()
    await client.send(b"\x81\xff" + (1000 * MB).to_bytes(8, "big") + bytes(4))
    for _ in range(1000):
        await client.send(bytes(MB))


async def endless_request(client: Client) -> None:
    await client.send(b"GET / HTTP/1.1\r\n")
    while True:
        await client.send(b"X: " + b"x" * 4000 + b"\r\n")


async def garbage(client: Client) -> None:
    noise = os.urandom(2000)
    if noise[0] % 2:
        await client.upgrade()
    await client.send(noise[: 8 * noise[1]])
    await asyncio.sleep(0.05)


async def deaf(client: Client) -> None:
    """Does not listen, while a friend of its talks to it."""
    await client.upgrade()
    room = str(uuid4())
    await client.send(masked(join("deaf", room)))
    client.writer.transport.pause_reading()
    address, _ = client.writer.get_extra_info("sockname")
    async with Client.coming_from(address) as friend:
        await friend.upgrade()
        await friend.send(masked(join("friend", room)))
        while not client.writer.transport.is_closing():
            await friend.send(masked(offer("friend", "x" * 8000, room)))
            await asyncio.sleep(0.1)


@dataclass(frozen=True)
class Attack:
    """A crowd of one kind."""

    title: str
    kind: Kind
    clients: int
    addresses: int = 1
    tls: bool = True
    """Whether it gets through the TLS handshake, where there is TLS."""


ATTACKS = {
    attack.title: attack
    for attack in (
        Attack("1,000 silent connections", mute, 1000, tls=False),
        Attack("1,000 silent connections, 40 addresses", mute, 1000, 40, tls=False),
        Attack("1,000 TLS handshakes not ended, 40 addresses", half_a_handshake, 1000, 40, False),
        Attack("1,000 slow-loris, 40 addresses", drip, 1000, 40),
        Attack("1,000 idle WebSockets, 40 addresses", loiter, 1000, 40),
        Attack("1,000 in rooms of their own, 40 addresses", squat, 1000, 40),
        Attack("200 joins/s", wander, 20),
        Attack("200 joins/s, 20 addresses", wander, 20, 20),
        Attack("offers of 60 kB left, 20 addresses", hoard, 100, 20),
        Attack("flood of offers", flood, 20),
        Attack("flood of offers, 20 addresses", flood, 20, 20),
        Attack("flood of pings, 20 addresses", ping, 20, 20),
        Attack("flood of fragments, 20 addresses", shred, 20, 20),
        Attack("1 GB in a frame", gigabyte, 1),
        Attack("endless requests, 20 addresses", endless_request, 20, 20),
        Attack("garbage, 20 addresses", garbage, 40, 20),
        Attack("readers of nothing, 20 addresses", deaf, 40, 20),
    )
}


async def haunt(attack: Attack, number: int) -> None:
    """One of the crowd, for ever."""
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            async with Client.coming_from(f"127.0.1.{1 + number % attack.addresses}") as client:
                await attack.kind(client)
        await asyncio.sleep(COME_AGAIN_S)


async def main(title: str, port: int, with_tls: bool) -> None:
    """All of the crowd, until SIGTERM."""
    os.nice(10)  # real attackers have processors of their own
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it minds writing to who has cut us off
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # so does uvloop
    attack = ATTACKS[title]
    Client.port = port
    if with_tls and attack.tls:
        Client.tls = ssl.create_default_context()
        Client.tls.check_hostname, Client.tls.verify_mode = False, ssl.CERT_NONE
    work = asyncio.gather(*(haunt(attack, number) for number in range(attack.clients)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    while Client.tried < attack.clients:
        await asyncio.sleep(0.1)
    print("begun", flush=True)
    with suppress(asyncio.CancelledError):
        await work
    print(json.dumps({"came": Client.came, "sent_bytes": Client.sent_bytes}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "tls"))
