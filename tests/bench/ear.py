"""`scripts/bench ear`: how late each side hears the other, how whole, and what that costs.

A call between the daemon, by PyAudio on a sound card without hardware, and Chromium. Sound is timed
where it enters and leaves: at the card's two ends, and in the page where a microphone's samples
enter WebRTC and where the visitor's leave the browser's jitter buffer. Loss is made by nftables, of
the call's UDP ports on this machine alone. Exits with 1 if a figure is worse than its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from playwright.async_api import Page, async_playwright

from homecall_pi.hardware import clip
from homecall_pi.hardware.sound_messages import Half, Halves
from homecall_pi.hardware.soundcard import SoundCard
from tests.bench import listening
from tests.bench.gstreamer import connect, webrtcbin
from tests.bench.limits import Limits
from tests.bench.listening import CHIRPS, RATE, Chunk, Recording, Samples, to_bytes
from tests.e2e.household import Door, Family, Server, launch_chromium
from tests.virtual_card import VirtualCard

SCRIPT = Path(__file__).with_name("ear.js")
CARD = ("--microphone-source=pyaudio", "--speaker-source=pyaudio", "--camera-source=none")
EVERY_S = {"family": 1.0, "visitor": 1.37}
"""Seconds between two chirps: they seldom meet."""
SETTLE_S = 5.0
PAUSE_S = 1.0
BURST_S = 10.0
AFTER_S = 30.0
TABLE = "homecall_bench"
DIRECTIONS = (("page -> door", "mouth", "loudspeaker"), ("door -> page", "visitor", "ear"))
FAKE_PYAUDIO = """
import itertools

from homecall_pi.hardware import clip
from homecall_pi.hardware.fake_pyaudio import Card, Machine

card = Card("fake")
card.said.extend(itertools.islice(clip.blocks(clip.MEDIA / "speech.ogg"), 20_000))
machine = Machine(card)
PyAudio, paInt16 = machine.PyAudio, machine.paInt16
"""
"""A card whose microphone hears speech, and which takes nothing to speak of."""
LONGEST_S = 900
"""Seconds that somebody speaks."""
TARGET_MS, TARGET_AFTER_MS = 150, 200
"""From mouth to ear, ordinarily and after a burst of loss."""
TARGET_PERCENT = 98
"""Of the speech, with 5 % loss."""
TARGET_HEARD = 0.9
"""Of the chirps, or else a median of those that were heard says little."""
TARGET_S = 1.0
"""Of processor time per 10 s, both directions."""


class Recorder:
    """Keeps what a sink of the card plays, with the times."""

    def __init__(self, card: VirtualCard, sink: str) -> None:
        self._process = card.listen(sink)
        self._chunks: list[Chunk] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while content := os.read(self._process.stdout.fileno(), 65_536):
            self._chunks.append((time.time(), content))

    def take(self) -> list[Chunk]:
        """What came since the last time."""
        taken, self._chunks = self._chunks, []
        return taken


class Call:
    """A conversation, and ears at all of its ends."""

    def __init__(self, card: VirtualCard, door: Door, page: Page, folder: Path) -> None:
        self._card = card
        self.door = door
        self._page = page
        self._folder = folder
        self._ends = {name: Recorder(card, name) for name in ("visitor", "loudspeaker")}
        self._visitor: subprocess.Popen[bytes] | None = None

    async def say(self, family: Samples, visitor: Samples) -> None:
        """Lets both say something over and over, at most for LONGEST_S."""
        await self._page.evaluate("bench.say", base64.b64encode(to_bytes(family)).decode())
        self.hush()
        path = self._folder / "visitor.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
            file.writeframes(to_bytes(visitor) * int(LONGEST_S * RATE / len(visitor)))
        self._visitor = self._card.say(path)

    def hush(self) -> None:
        """The visitor is silent."""
        if self._visitor is not None:
            self._visitor.kill()
            self._visitor.wait()

    async def listen(self, seconds: float) -> dict[str, Recording]:
        """Everything that is said and heard from now on."""
        for name in ("mouth", "ear"):
            await self._page.evaluate("bench.take", name)
        for recorder in self._ends.values():
            recorder.take()
        await asyncio.sleep(seconds)
        heard = {name: Recording(recorder.take()) for name, recorder in self._ends.items()}
        for name in ("mouth", "ear"):
            times, samples = await self._page.evaluate("bench.take", name)
            heard[name] = Recording(_split(times, base64.b64decode(samples)))
        return heard


def _split(times: list[float], samples: bytes) -> list[Chunk]:
    size = len(samples) // len(times)
    return [(at, samples[index * size :][:size]) for index, at in enumerate(times)]


@contextlib.contextmanager
def loss(door: Door, percent: int) -> Iterator[None]:
    """Loses packets of the door's, both ways."""
    ports = {each.laddr.port for each in door.process.net_connections("udp")}
    mine = ", ".join(map(str, ports))
    ways = (f"udp {way} {{ {mine} }}" for way in ("dport", "sport"))
    rules = (
        f"add rule inet {TABLE} input {way} numgen random mod 100 < {percent} drop" for way in ways
    )
    hook = "{ type filter hook input priority 0; }"
    lines = (f"add table inet {TABLE}", f"add chain inet {TABLE} input {hook}", *rules)
    subprocess.run(["nft", "-f", "-"], input="\n".join(lines), text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", TABLE], check=True)


async def main(seconds: float) -> bool:
    """Prints all figures; whether all are good."""
    limits = Limits()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        card = VirtualCard(folder / "card")
        card.plug()
        server = Server(folder)
        door = Door(folder, server.port, *CARD, "--no-sounds-on")
        door.environment = card.environment
        try:
            await card_alone(card)
            server.start()
            door.start()
            await server.ready()
            await door.ready()
            async with async_playwright() as playwright:
                flag = "--autoplay-policy=no-user-gesture-required"
                browser = await launch_chromium(playwright, flag)
                context = await browser.new_context(bypass_csp=True)
                await context.add_init_script(path=SCRIPT)
                family = Family(await context.new_page())
                await talk(server, door, family)
                call = Call(card, door, family.page, folder)
                await asyncio.sleep(SETTLE_S)
                await measure(call, seconds, limits)
                door.hang_up()
                await by_webrtcbin(server, card, await context.new_page(), seconds)
                call.hush()
            await without_pulseaudio(folder, seconds)
            print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            return limits.verdict()
        finally:
            for program in (door, server):
                if program.running:
                    program.stop()
            card.unplug()


async def talk(server: Server, door: Door, family: Family) -> None:
    """Brings about a conversation."""
    await family.open(server.link)
    await family.becomes("waiting")
    door.ring()
    await family.becomes("ringing")
    await family.page.click("#answer")
    await family.becomes("talking")
    await door.becomes("talking")
    await family.page.evaluate("bench.listen()")


async def measure(call: Call, seconds: float, limits: Limits) -> None:
    """All of it."""
    await call.say(chirping("family"), chirping("visitor"))
    await asyncio.sleep(SETTLE_S)
    what = f"mouth to ear, {seconds:g} s"
    lateness(what, await call.listen(seconds), limits, TARGET_MS)
    with loss(call.door, 10):
        await asyncio.sleep(BURST_S)
    what = f"in the {AFTER_S:g} s after {BURST_S:g} s of 10 % loss"
    lateness(what, await call.listen(AFTER_S), limits, TARGET_AFTER_MS)
    speech = read_speech()
    await call.say(*turns(speech))
    await asyncio.sleep(SETTLE_S)
    wholeness("without loss", await call.listen(seconds), limits)
    await call.say(*turns(speech))
    with loss(call.door, 5):
        await asyncio.sleep(SETTLE_S)
        wholeness("5 % loss", await call.listen(seconds), limits)
    await call.say(speech, np.roll(speech, len(speech) // 2))
    await asyncio.sleep(SETTLE_S)
    before = cpu(call.door)
    # Whoever speaks into the loudspeaker's voice loses some of it to the canceller: no limit.
    wholeness("without loss, both at once", await call.listen(seconds))
    costs(before, cpu(call.door), seconds, limits)


def read_speech() -> Samples:
    """The visitor that ships with the project."""
    return np.frombuffer(clip.samples(clip.MEDIA / "speech.ogg"), np.int16) / 32768


def turns(speech: Samples) -> tuple[Samples, Samples]:
    """One round of what the family and the visitor say, who let each other finish."""
    pause = np.zeros(int(PAUSE_S * RATE))
    silence = np.zeros_like(speech)
    return (
        np.concatenate((speech, pause, silence, pause)),
        np.concatenate((silence, pause, speech, pause)),
    )


def chirping(who: str) -> Samples:
    """One round of what this side says."""
    chirp = CHIRPS[who]
    return np.pad(chirp, (0, int(EVERY_S[who] * RATE) - len(chirp)))


async def card_alone(card: VirtualCard) -> None:
    """What the card and PyAudio take by themselves, each way."""
    loudspeaker = Recorder(card, "loudspeaker")
    visitor = Recorder(card, "visitor")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "visitor.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
            file.writeframes(to_bytes(chirping("visitor")) * 20)
        speaking = card.say(path)
        probe = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.bench.card",
            "12",
            env=os.environ | card.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        output, _ = await probe.communicate()
        speaking.kill()
    found = json.loads(output)
    heard = Recording((at, bytes.fromhex(block)) for at, block in found["heard"])
    out = listening.delays(found["played"], Recording(loudspeaker.take()).chirps(CHIRPS["family"]))
    said = Recording(visitor.take()).chirps(CHIRPS["visitor"])
    into = listening.delays(said, heard.chirps(CHIRPS["visitor"]))
    print("the virtual card and PyAudio alone, not subtracted below (ms): median, p95")
    row("PyAudio -> loudspeaker", out)
    row("microphone -> PyAudio", into)


def lateness(what: str, heard: dict[str, Recording], limits: Limits, target_ms: float) -> None:
    """The delays of one stretch of time."""
    print(f"{what} (ms): median, p95; chirps heard")
    for (name, mouth, ear), who in zip(DIRECTIONS, ("family", "visitor"), strict=True):
        said = heard[mouth].chirps(CHIRPS[who])
        found = listening.delays(said, heard[ear].chirps(CHIRPS[who]))
        median_ms = row(name, found, f"{len(found)} of {len(said)}; wanted {target_ms:g}")
        limits.at_most(target_ms, f"{what}, {name}: ms", median_ms)
        enough = len(found) >= TARGET_HEARD * len(said)
        limits.require(enough, f"{what}, {name}: {len(found)} chirps heard of {len(said)}")


def row(name: str, delays_s: list[float], more: str = "") -> float:
    """One line; the median in ms, or no number if nothing was heard."""
    if not delays_s:
        print(f"  {name:24} nothing was heard   {more}", flush=True)
        return math.nan
    delays_ms = sorted(1000 * each for each in delays_s)
    p95 = delays_ms[min(len(delays_ms) - 1, int(0.95 * len(delays_ms)))]
    median = statistics.median(delays_ms)
    print(f"  {name:24} {median:6.0f} {p95:6.0f}   {more}", flush=True)
    return median


def wholeness(what: str, heard: dict[str, Recording], limits: Limits | None = None) -> None:
    """How much of the speech comes out whole."""
    print(f"speech that comes out without a gap over 40 ms, {what}:")
    for name, mouth, ear in DIRECTIONS:
        percent = 100 * listening.whole_share(heard[mouth], heard[ear])
        wanted = f", wanted {TARGET_PERCENT}" if limits else ""
        print(f"  {name:24} {percent:6.2f} %{wanted}", flush=True)
        if limits:
            trouble = f"{what}, {name}: {percent:.2f} % came out whole, wanted {TARGET_PERCENT}"
            limits.require(percent >= TARGET_PERCENT, trouble)


def cpu(door: Door) -> dict[str, float]:
    """Seconds of processor time so far, of the daemon and of the card's program."""
    (program,) = door.process.children()
    return {"daemon": used(door.process), "the card's program": used(program)}


def used(process: psutil.Process) -> float:
    """Seconds of processor time so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def costs(
    before: dict[str, float], after: dict[str, float], seconds: float, limits: Limits
) -> None:
    """Seconds of processor time per 10 s."""
    print("processor time per 10 s of speech both ways, with echo canceller:")
    for name in before:
        print_cost(name, after[name] - before[name], seconds)
    both_s = sum(after.values()) - sum(before.values())
    print_cost(f"both, wanted {TARGET_S:g}", both_s, seconds)
    limits.at_most(TARGET_S, "processor time per 10 s", 10 * both_s / seconds)


def print_cost(name: str, used_s: float, seconds: float) -> None:
    """One line."""
    print(f"  {name:48} {10 * used_s / seconds:5.2f} s", flush=True)


async def by_webrtcbin(server: Server, card: VirtualCard, page: Page, seconds: float) -> None:
    """What GStreamer takes for the same: the card, echo canceller, Opus, a peer connection."""
    await page.goto(f"http://localhost:{server.port}/healthz")
    speech = to_bytes(read_speech())
    with webrtcbin("voice", environment=card.environment) as peer:
        await connect(peer, page, speak=True)
        await page.evaluate("bench.say", base64.b64encode(speech).decode())
        await asyncio.sleep(SETTLE_S)
        process = psutil.Process(peer.pid)
        before = used(process)
        await asyncio.sleep(seconds)
        print_cost("the same by GStreamer's webrtcbin", used(process) - before, seconds)


async def without_pulseaudio(folder: Path, seconds: float) -> None:
    """What the card's program takes when PyAudio is a fake: the rest is PulseAudio's client."""
    (folder / "pyaudio.py").write_text(FAKE_PYAUDIO)
    os.environ["PYTHONPATH"] = str(folder)
    others = psutil.Process().children()
    card = SoundCard(Halves(Half(), Half()))
    card.speaker.start(lambda: None)
    card.microphone.start(card.speaker.play)
    await asyncio.sleep(SETTLE_S)
    (program,) = set(psutil.Process().children()) - set(others)
    before = used(program)
    await asyncio.sleep(seconds)
    print_cost("the card's program without PulseAudio's library", used(program) - before, seconds)
    program.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench ear", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of each measurement [60]", metavar="S"
    )
    arguments = parser.parse_args()
    if subprocess.run(["nft", "list", "tables"], capture_output=True).returncode:
        raise SystemExit("packets are lost by nftables: run this as root")
    raise SystemExit(not asyncio.run(main(arguments.seconds)))
