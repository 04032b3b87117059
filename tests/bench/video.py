"""`scripts/bench video`: what sending H.264 as it comes costs, next to GStreamer's webrtcbin.

Then, how soon a key frame that the page asks for is sent, how the encoder follows a network that
becomes narrow, and how soon a press becomes a picture. Exits with 1 if any of it is worse than
wanted; the limits stand in brackets.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import psutil
from playwright.async_api import Browser, Page, async_playwright

from tests.bench.gstreamer import connect, webrtcbin
from tests.bench.limits import Limits
from tests.bench.press import PRESENTED, print_row, waiting_page
from tests.bench.replay_door import FPS, HEIGHT, WIDTH, read, record
from tests.bench.wishes import follow_network, give_key_frames
from tests.e2e.household import Door, Family, Server, launch_chromium

Cost: TypeAlias = tuple[float, float]
"""Seconds of processor time per 10 s, and pictures shown per second."""
CLIP_S = 10
SETTLE_S = 2.0
"""Seconds from the first pictures until a measurement."""
SHOWN = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
DAEMON = "daemon"
DAEMON_S = 0.25
"""Seconds of processor time per 10 s that video may cost the daemon."""
NO_SOUND = ("--microphone-source", "none", "--speaker-source", "none", "--log-level", "warning")


async def main(runs: int, seconds: float, calls: int, bitrate_bps: int) -> bool:
    """Measures all of it and prints the figures; whether they are as wanted."""
    limits = Limits()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with async_playwright() as playwright:
            browser = await launch_chromium(playwright, "--use-fake-ui-for-media-stream")
            await costs(folder, browser, runs, seconds, bitrate_bps, limits)
            async with household(folder, "picamera2") as (server, door):
                await give_key_frames(browser, server, door, limits)
            await follow_network(folder, playwright, limits)
            print(f"press -> {PRESENTED}, page waiting, {calls} calls (ms): median, p95")
            # The fake's twice, for the medians of one and the same camera differ, too.
            first_ms = await presses(folder, browser, "fake", calls)
            cold_ms = await presses(folder, browser, "picamera2", calls)
            second_ms = await presses(folder, browser, "fake", calls)
            print_row("camera: fake, before", first_ms)
            print_row("camera: fake, after", second_ms)
            slower_ms = max(statistics.median(first_ms), statistics.median(second_ms))
            print_row("camera: picamera2, cold", cold_ms, limits, slower_ms)
    return limits.verdict()


async def costs(
    folder: Path, browser: Browser, runs: int, seconds: float, bitrate_bps: int, limits: Limits
) -> None:
    """Prints the processor time of the whole daemon, with and without video, and of webrtcbin."""
    units = folder / "units"
    real_bps = record(units, bitrate_bps, CLIP_S)
    clip = folder / "clip.h264"
    clip.write_bytes(b"".join(read(units)) * (int(seconds / CLIP_S) + 3))
    print(f"{WIDTH}x{HEIGHT} at {FPS}, {real_bps / 1e6:.2f} Mbit/s, to Chromium, no encoder;")
    print(f"processor seconds per 10 s, {runs} runs of {seconds:g} s (median, least, most):")
    rows: dict[str, list[Cost]] = {DAEMON: [], "daemon without camera": [], "webrtcbin": []}
    for _ in range(runs):
        rows[DAEMON].append(await ours(folder, browser, str(units), seconds))
        rows["daemon without camera"].append(await ours(folder, browser, "", seconds))
        rows["webrtcbin"].append(await theirs(browser, clip, seconds))
    for name, row in rows.items():
        spent_s, rates = zip(*row, strict=True)
        median_s, rate = statistics.median(spent_s), statistics.median(rates)
        median = f"{median_s:.3f}"
        if name == DAEMON:
            median = limits.at_most(DAEMON_S, "video, processor seconds", median_s, digits=3)
        least_s, most_s = min(spent_s), max(spent_s)
        print(f"  {name:22} {median:>12} {least_s:.3f} {most_s:.3f}, {rate:4.1f} pictures shown")


@asynccontextmanager
async def household(folder: Path, camera: str, *flags: str) -> AsyncIterator[tuple[Server, Door]]:
    """Server and door; the camera is one of `replay_door`'s, or what the flags say if it is ""."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    server = Server(folder)
    door = Door(folder, server.port, *flags)
    if camera:
        door.module = ("tests.bench.replay_door", camera)
    server.start()
    door.start()
    try:
        await server.ready()
        await door.ready()
        yield server, door
    finally:
        for program in (door, server):
            if program.running:
                program.stop()


async def ours(folder: Path, browser: Browser, camera: str, seconds: float) -> Cost:
    """Processor time of the daemon in a call without sound."""
    source = () if camera else ("--camera-source", "none")
    async with household(folder, camera, *NO_SOUND, *source) as (server, door):
        family = Family(await browser.new_page())
        await family.open(server.link)
        await family.becomes("waiting")
        door.ring()
        await family.becomes("ringing")  # with the picture, and no sound yet
        if camera:
            await family.sees_moving_pictures()
        spent = await cost(door.process, family.page, seconds)
        await family.page.close()
        return spent


async def theirs(browser: Browser, clip: Path, seconds: float) -> Cost:
    """Processor time of webrtcbin for the same."""
    page = await browser.new_page()
    with webrtcbin("video", str(clip)) as sender:
        await connect(sender, page, speak=False)
        await page.wait_for_function(f"{SHOWN} > {FPS}")
        spent = await cost(psutil.Process(sender.pid), page, seconds)
    await page.close()
    return spent


async def cost(process: psutil.Process, page: Page, seconds: float) -> Cost:
    """Measures for some seconds."""
    await asyncio.sleep(SETTLE_S)
    shown: Any = await page.evaluate(SHOWN)
    before = process.cpu_times()
    await asyncio.sleep(seconds)
    after = process.cpu_times()
    shown = await page.evaluate(SHOWN) - shown
    spent_s = after.user + after.system - before.user - before.system
    return spent_s * 10 / seconds, shown / seconds


async def presses(folder: Path, browser: Browser, camera: str, calls: int) -> list[float]:
    """Rings until the first picture, the camera cold each time: milliseconds of each."""
    async with household(folder, "" if camera == "fake" else camera) as (server, door):
        family = Family(await browser.new_page())
        await family.open(server.link)
        await family.becomes("waiting")
        rows = [await waiting_page(door, family) for _ in range(calls)]
        await family.page.close()
        return [row[PRESENTED] for row in rows]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench video", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each measurement of cost [3]")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each of them [20]")
    parser.add_argument("--calls", type=int, default=20, help="presses for each camera [20]")
    parser.add_argument("--bitrate", type=int, default=2_000_000, help="bits per second [2000000]")
    given = parser.parse_args()
    raise SystemExit(not asyncio.run(main(given.runs, given.seconds, given.calls, given.bitrate)))
