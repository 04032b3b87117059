"""What a real page asks of the encoder, and what becomes of it: key frames, and a bitrate."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, Playwright

from homecall_pi.core.bitrate import Bounds
from tests.authority import Authority
from tests.bench.limits import Limits
from tests.bench.replay_door import FPS
from tests.e2e.household import ROOM, Door, Family, Program, Server, launch_chromium, until
from tests.e2e.network import SERVER, Network

REQUESTS = 20
PORT = 8443
LIMIT_KBIT = 600
"""A network of which Chromium believes that it carries about 500 kbit/s of video."""
START_KBIT = Bounds().start_bps // 1000
WITHIN_PICTURES = 2
"""Till a key frame that was asked for."""
NARROW_S, LOOK_S, PATIENCE_S = 20.0, 10.0, 120.0
QDISC, LINE = ("tc", "qdisc"), ("dev", "page", "root")
LIMIT = ("tbf", "rate", f"{LIMIT_KBIT}kbit", "burst", "8kb", "latency", "300ms")

# Playwright runs these in the page: keep its connections at hand; make a worker that asks for a key
# frame at each message; tell what has come of the picture so far.
KEEP_CONNECTIONS = """
const Real = RTCPeerConnection;
window.connections = [];
window.RTCPeerConnection = class extends Real {
  constructor(...given) { super(...given); connections.push(this); }
};
"""
MAKE_ASKER = """() => {
  const pc = connections.find(each => each.connectionState === "connected");
  const receiver = pc.getReceivers().find(each => each.track.kind === "video");
  const code = `onrtctransform = ({transformer}) => {
    transformer.readable.pipeTo(transformer.writable);
    onmessage = () => transformer.sendKeyFrameRequest();
  }`;
  window.asker = new Worker(URL.createObjectURL(new Blob([code])));
  receiver.transform = new RTCRtpScriptTransform(asker);
}"""
RECEIVED = """async () => {
  const pc = connections.find(each => each.connectionState === "connected");
  const stats = [...(await pc.getStats()).values()];
  const video = stats.find(each => each.type === "inbound-rtp" && each.kind === "video");
  return {bytes: video.bytesReceived, pictures: video.framesDecoded,
          frozen: video.totalFreezesDuration};
}"""


async def give_key_frames(browser: Browser, server: Server, door: Door, limits: Limits) -> None:
    """Has the page ask for key frames, and prints how soon they were sent."""
    page = await browser.new_page(bypass_csp=True)  # for the worker
    await page.add_init_script(KEEP_CONNECTIONS)
    family = Family(page)
    await family.open(server.link)
    await family.becomes("waiting")
    door.ring()
    await family.becomes("ringing")
    await family.sees_moving_pictures()
    await page.evaluate(MAKE_ASKER)
    for index in range(REQUESTS):
        await page.evaluate("asker.postMessage(0)")
        await until("a key frame", lambda index=index: len(key_frames(door)) > index)
        await asyncio.sleep(0.3 + index % 7 / 7 / FPS)  # at any moment between two pictures
    took_ms, pictures = zip(*key_frames(door), strict=True)
    within_ms = 1000 * WITHIN_PICTURES / FPS
    most = limits.at_most(within_ms, "ms until a key frame", max(took_ms))
    picture = limits.at_most(WITHIN_PICTURES, "pictures until a key frame", max(pictures))
    print(f"key frame asked for by the page -> sent, at {FPS} pictures per s, {REQUESTS} requests:")
    print(f"  {statistics.median(took_ms):.0f} ms, most {most};", end=" ")
    print(f"picture {statistics.median(pictures):g} after it, most {picture}")
    await page.close()


def key_frames(door: Door) -> list[tuple[float, float]]:
    """Of each that was asked for: milliseconds and pictures until it was sent."""
    found = re.findall(r"noted: key frame after (\S+) ms, picture (\d+)", door.output)
    return [(float(took_ms), float(picture)) for took_ms, picture in found]


async def follow_network(folder: Path, playwright: Playwright, limits: Limits) -> None:
    """Narrows the network from door to page, widens it again, and prints what happens."""
    if os.geteuid() != 0:
        print("how the encoder follows a network that becomes narrow: left out, it needs root")
        return
    folder = Path(tempfile.mkdtemp(dir=folder))
    with Network() as network:
        server, door = apart(folder, network)
        chromium = folder / "chromium"
        chromium.write_text(f'#!/bin/sh\nexec {" ".join(network.page.prefix)} chromium "$@"\n')
        chromium.chmod(0o755)
        flags = ("--use-fake-ui-for-media-stream", "--ignore-certificate-errors")
        browser = await launch_chromium(playwright, *flags, wrapper=chromium)
        try:
            server.start()
            await until("the server listens", lambda: "serving" in server.output)
            door.start()
            await door.ready()
            await talk(await browser.new_page(), door, network, limits)
        finally:
            await browser.close()
            for program in (door, server):
                if program.running:
                    program.stop()


def apart(folder: Path, network: Network) -> tuple[Program, Door]:
    """Server and door, each in its network."""
    authority = Authority(folder)
    cert, key = authority.issue(SERVER)
    where = ("--host", SERVER, "--port", str(PORT), "--tls-cert", str(cert), "--tls-key", str(key))
    server = Program(folder, "server", "serve", *where)
    server.prefix = network.router.prefix
    no_sound = ("--microphone-source", "none", "--speaker-source", "none")
    door = Door(folder, PORT, "--server", f"wss://{SERVER}:{PORT}/signal", *no_sound)
    door.prefix = network.door.prefix
    door.environment["SSL_CERT_FILE"] = str(authority.file)
    door.module = ("tests.bench.replay_door", "noise")
    return server, door


async def talk(page: Page, door: Door, network: Network, limits: Limits) -> None:
    """A call on a wide, a narrow, and again a wide network."""
    await page.add_init_script(KEEP_CONNECTIONS)
    family = Family(page)
    await family.open(f"https://{SERVER}:{PORT}/?room={ROOM}")
    await family.becomes("waiting")
    door.ring()
    await family.becomes("ringing")
    await page.click("#answer")
    await door.becomes("talking")
    print(f"a network that narrows to {LIMIT_KBIT} kbit/s; kbit/s, and {LOOK_S:g} s each:")
    print(f"  {'':20} estimate encoder received pictures/s frozen (s)")
    await until("the network is wide", lambda: target(door) >= START_KBIT, PATIENCE_S)
    await look("wide", door, page)
    network.router.run(*QDISC, "replace", *LINE, *LIMIT)
    await look("at once after", door, page)
    await asyncio.sleep(NARROW_S)
    await look("narrow", door, page)
    limits.at_most(LIMIT_KBIT, "kbit/s that the encoder aims at while it is narrow", target(door))
    network.router.run(*QDISC, "delete", *LINE)
    widened = time.monotonic()
    await until("the bitrate is back", lambda: target(door) >= START_KBIT, PATIENCE_S)
    back_s = time.monotonic() - widened
    await look(f"wide, back in {back_s:.0f} s", door, page)


async def look(name: str, door: Door, page: Page) -> None:
    """Prints a row: what page and encoder aim at in the end, what the page got meanwhile."""
    before: Any = await page.evaluate(RECEIVED)
    await asyncio.sleep(LOOK_S)
    after: Any = await page.evaluate(RECEIVED)
    received, pictures, frozen_s = (after[key] - before[key] for key in before)
    estimate = int(re.findall(r"noted: estimate (\d+)", door.output)[-1]) // 1000
    print(
        f"  {name:20} {estimate:8} {target(door):7} {received * 8 / 1000 / LOOK_S:8.0f}"
        f" {pictures / LOOK_S:10.1f} {frozen_s:10.1f}"
    )


def target(door: Door) -> int:
    """The bitrate in kbit/s that the encoder was asked for last."""
    changes = re.findall(r"the camera aims at (\d+) kbit/s", door.output)
    return int(changes[-1]) if changes else START_KBIT
