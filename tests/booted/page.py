"""A page of the family, run in the network of a booted machine: it answers the next ring.

`python -m tests.booted.page LINK` prints one word for each thing that happens, and ends with the
call.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiortc import MediaStreamTrack
from websockets.asyncio.client import ClientConnection, connect

from homecall_pi.core.seal import Proof, check, seal

from ..webrtc.doubles import Page

NAME = "Anna"
FRAMES = 15


async def main(link: str) -> None:
    url = urlsplit(link)
    room, key = parse_qs(url.query)["room"][0], parse_qs(url.fragment)["k"][0]
    page = Page(control=True)
    async with connect(f"wss://{url.netloc}/signal") as line:
        await say(line, "join", room, user=NAME)
        print("joined", flush=True)
        await answer(page, line, room, base64.urlsafe_b64decode(f"{key}=="))
        await page.connected()
        for track in page.tracks.values():
            await receive(track)
            print(track.kind, flush=True)
        await page.say(json.dumps({"type": "answered"}))
        print("answered", flush=True)
        await ended(page)
        print("ended", flush=True)
    await page.close()


async def answer(page: Page, line: ClientConnection, room: str, key: bytes) -> None:
    async for text in line:
        message = json.loads(text)
        if message["type"] == "offer":
            offer = message["sdp"]
            assert check(key, "offer", room, offer) is Proof.VALID
            sdp = seal(key, "answer", room, await page.answer(offer), offer)
            await say(line, "answer", room, sdp=sdp)
            return


async def receive(track: MediaStreamTrack) -> None:
    for _ in range(FRAMES):
        await track.recv()


async def ended(page: Page) -> None:
    told: dict[str, Any] = {}
    while told.get("type") != "ended":
        with contextlib.suppress(TimeoutError):  # a call may last
            told = await page.told()


async def say(line: ClientConnection, kind: str, room: str, **fields: str) -> None:
    await line.send(json.dumps({"type": kind, "room": room, "from": NAME, **fields}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
