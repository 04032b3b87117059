"""`scripts/bench video`: what sending H.264 as it comes costs, next to GStreamer's webrtcbin."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
from playwright.async_api import Browser, Page, async_playwright

from tests.bench.press import print_row, waiting_page
from tests.bench.replay_door import FPS, HEIGHT, WIDTH, read, record
from tests.e2e.household import Door, Family, Server, launch_chromium

SYSTEM_PYTHON = "/usr/bin/python3"
CLIP_S = 10
ANSWER = """async offer => {
  const video = document.body.appendChild(document.createElement("video"));
  video.muted = video.autoplay = true;
  const pc = window.pc = new RTCPeerConnection();
  pc.ontrack = event => { video.srcObject = new MediaStream([event.track]); };
  await pc.setRemoteDescription({type: "offer", sdp: offer});
  await pc.setLocalDescription(await pc.createAnswer());
  while (pc.iceGatheringState !== "complete")
    await new Promise(done => { pc.onicegatheringstatechange = done; });
  return pc.localDescription.sdp;
}"""
SHOWN = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"


async def main(seconds: float, calls: int, bitrate_bps: int) -> None:
    """Measures both, one after the other, and prints all figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        units = folder / "units"
        real_bps = record(units, bitrate_bps, CLIP_S)
        print(f"{WIDTH}x{HEIGHT} at {FPS}, {real_bps / 1e6:.2f} Mbit/s, to Chromium, no encoder:")
        async with async_playwright() as playwright:
            browser = await launch_chromium(playwright, "--use-fake-ui-for-media-stream")
            await ours(folder, browser, units, seconds)
            await theirs(folder, browser, units, seconds)
            print(f"press -> first frame presented, page waiting, {calls} calls (ms): median, p95")
            for camera in ("fake", "picamera2"):
                await press(folder, browser, camera, calls)


class OtherDoor(Door):
    """The daemon with the camera that `replay_door` gives it, and no sound."""

    def __init__(self, folder: Path, server: Server, camera: str, *flags: str) -> None:
        super().__init__(folder, server.port, *flags)
        self.camera = camera

    def start(self) -> None:
        """Starts it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.replay_door", self.camera, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


NO_SOUND = ("--microphone-source", "none", "--speaker-source", "none", "--log-level", "warning")


async def household(folder: Path, camera: str, *flags: str) -> tuple[Server, Door]:
    """Server and door, running."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    server = Server(folder)
    door = OtherDoor(folder, server, camera, *flags)
    if camera == "fake":
        door = Door(folder, server.port, *flags)
    server.start()
    door.start()
    await server.ready()
    await door.ready()
    return server, door


async def ours(folder: Path, browser: Browser, units: Path, seconds: float) -> None:
    """A call of the daemon, without sound."""
    server, door = await household(folder, str(units), *NO_SOUND)
    try:
        family = Family(await browser.new_page())
        await family.open(server.link)
        await family.becomes("waiting")
        door.ring()
        await family.becomes("ringing")  # with the picture, and no sound yet
        await family.sees_moving_pictures()
        await report("homecall-pi, daemon without sound", door.process, family.page, seconds)
        await family.page.close()
    finally:
        door.stop()
        server.stop()


def start_webrtcbin(clip: Path) -> subprocess.Popen[str]:
    """The sender in a process of its own."""
    return subprocess.Popen(
        [SYSTEM_PYTHON, str(Path(__file__).with_name("webrtcbin.py")), str(clip)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def theirs(folder: Path, browser: Browser, units: Path, seconds: float) -> None:
    """The same by webrtcbin."""
    clip = folder / "clip.h264"
    rounds = int(seconds / CLIP_S) + 3
    clip.write_bytes(b"".join(read(units)) * rounds)
    sender = start_webrtcbin(clip)
    try:
        page = await browser.new_page()
        offer = json.loads(await asyncio.to_thread(sender.stdout.readline))
        answer = await page.evaluate(ANSWER, offer)
        # Names that only multicast DNS knows: the page's checks reach us without.
        lines = [line for line in answer.splitlines() if ".local" not in line]
        print(json.dumps("\r\n".join(lines) + "\r\n"), file=sender.stdin, flush=True)
        await page.wait_for_function(f"{SHOWN} > {FPS}")
        await report("GStreamer webrtcbin", psutil.Process(sender.pid), page, seconds)
        await page.close()
    finally:
        sender.kill()
        sender.wait()


async def report(name: str, process: psutil.Process, page: Page, seconds: float) -> None:
    """One line: processor time per 10 s, and what the page showed meanwhile."""
    before: Any = await page.evaluate(SHOWN)
    spent_s = await cost(process, seconds)
    shown: Any = await page.evaluate(SHOWN) - before
    print(f"  {name:34} {spent_s:.3f} s per 10 s, {shown / seconds:.1f} pictures per second")


async def cost(process: psutil.Process, seconds: float) -> float:
    """Seconds of processor time per 10 s."""
    before = process.cpu_times()
    await asyncio.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) * 10 / seconds


async def press(folder: Path, browser: Browser, camera: str, calls: int) -> None:
    """Rings until the first picture, the camera cold each time."""
    server, door = await household(folder, camera)
    try:
        family = Family(await browser.new_page())
        await family.open(server.link)
        await family.becomes("waiting")
        rows = [await waiting_page(door, family) for _ in range(calls)]
        print_row(f"camera: {camera}", [row["first frame presented"] for row in rows])
        await family.page.close()
    finally:
        door.stop()
        server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench video", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement [20]")
    parser.add_argument("--calls", type=int, default=10, help="presses for each camera [10]")
    parser.add_argument("--bitrate", type=int, default=2_000_000, help="bits per second [2000000]")
    given = parser.parse_args()
    asyncio.run(main(given.seconds, given.calls, given.bitrate))
