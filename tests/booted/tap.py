"""A relay in front of the server of a booted machine, which tells what the door says.

`python -m tests.booted.tap CERTIFICATE KEY DOOR` takes connections at PORT and hands them on. It
prints the type of each message that the participant DOOR sends.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve

PORT = 8444
SERVER = "wss://localhost:8443/signal"


async def main(certificate: str, key: str, door: str) -> None:
    async def attend(client: ServerConnection) -> None:
        async with connect(SERVER) as server:
            back = asyncio.create_task(hand_on(server, client, ""))
            await hand_on(client, server, door)
        await back

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with serve(attend, "localhost", PORT, ssl=tls) as relay:
        print("ready", flush=True)
        await relay.serve_forever()


async def hand_on(source: Connection, target: Connection, tapped: str) -> None:
    async for frame in source:
        message = json.loads(frame)
        if tapped in (message.get("user"), message.get("from")):
            print(message["type"], flush=True)
        await target.send(frame)
    await target.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
