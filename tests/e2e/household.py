"""A household in processes: the signaling server, the door, and the family's browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from playwright.async_api import Browser, Page, Playwright

from homecall_pi import control
from homecall_pi.control import Status
from homecall_pi.errors import HomeCallError

ROOM = "5b0f8a4e-3c1d-4a57-9c3e-2f6d8e7a9b10"
PATIENCE_S = 20.0
SMALL_PICTURE = ("--camera-width=320", "--camera-height=180", "--camera-fps=15")
"""For all tests that are not about the picture: encoder and browser share one machine."""
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
]


async def launch_chromium(
    playwright: Playwright, *flags: str, wrapper: Path | None = None
) -> Browser:
    """Debian's Chromium, headless, with a microphone that beeps (or plays what a flag says).

    A `wrapper` is a script that starts it in its stead.
    """
    path = shutil.which("chromium")
    assert path, "Chromium is missing; scripts/test installs it"
    return await playwright.chromium.launch(
        executable_path=wrapper or path, args=[*CHROMIUM_FLAGS, *flags]
    )


async def until(what: str, condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Waits until `condition()` is true and returns its value; `what` names it in the failure."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited {patience_s:g} s in vain for: {what}")


def free_port() -> int:
    """A TCP port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """One of our commands in a process of its own; its log is kept in `folder`."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.log = folder / f"{name}.log"
        self.arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0
        self.environment: dict[str, str] = {}
        self.prefix: tuple[str, ...] = ()
        self.module: tuple[str, ...] = ("homecall_pi",)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._began = log.tell()
            self._process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", *self.module, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment,
            )

    def stop(self) -> int:
        """Ends it in good order and returns its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(10)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def fresh_output(self) -> str:
        """Since it was started last."""
        return self.log.read_bytes()[self._began :].decode(errors="replace")


class Server(Program):
    """The signaling server with the family's page, on localhost."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        super().__init__(folder, "server", "serve", "--port", str(self.port))

    @property
    def link(self) -> str:
        return f"http://localhost:{self.port}/?room={ROOM}"

    async def ready(self) -> None:
        def healthy() -> bool:
            with suppress(OSError):
                url = f"http://localhost:{self.port}/healthz"
                return bool(urllib.request.urlopen(url, timeout=2).status == 200)
            return False

        await until("the server answers", healthy)


class Door(Program):
    """The daemon, with all hardware from the shipped fakes."""

    def __init__(self, folder: Path, server_port: int, *flags: str) -> None:
        self.socket = folder / "door.sock"
        self.heard = folder / "heard.wav"
        where = ("--server", f"ws://localhost:{server_port}/signal", "--room", ROOM)
        parts = ("--fake", "--speaker-file", str(self.heard), "--control", str(self.socket))
        super().__init__(folder, "door", "run", *where, *parts, "--log-level", "debug", *flags)

    def ring(self) -> Status:
        return control.ask(self.socket, "ring")

    def hang_up(self) -> Status:
        return control.ask(self.socket, "hangup")

    def give_camera(self, plug: Path) -> None:
        """Gives it a Pi's camera before it starts, plugged in while that file is there."""
        plug.touch()
        self.module = ("tests.e2e.pi_camera",)
        self.arguments += ("--camera-source=picamera2",)
        self.environment["CAMERA"] = str(plug)

    @property
    def status(self) -> Status:
        return control.ask(self.socket, "status")

    async def ready(self) -> None:
        def joined() -> bool:
            with suppress(HomeCallError):
                return self.status.line == "up"
            return False

        await until("the door has joined", joined)

    async def becomes(self, state: str) -> Status:
        def status() -> Status | None:
            with suppress(HomeCallError):
                found = self.status
                return found if found.state == state else None
            return None

        found: Status = await until(f"the door is {state}", status)
        return found


class Family:
    """One open page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(PATIENCE_S * 1000)

    async def open(self, link: str, name: str = "Anna") -> None:
        """Opens the link; where the page asks for a name, gives it."""
        await self.page.goto(link)
        if await self.state() == "name":
            await self.page.fill("#name", name)
            await self.page.press("#name", "Enter")

    async def state(self) -> str:
        return str(await self.page.evaluate("document.body.dataset.state"))

    async def becomes(self, *states: str) -> None:
        selector = ", ".join(f"body[data-state={state}]" for state in states)
        await self.page.wait_for_selector(selector, state="attached")

    async def sees_moving_pictures(self) -> None:
        """Waits until two pictures that differ were presented."""
        await self._comes_about(
            "the page shows moving pictures",
            """async () => {
              const video = document.querySelector("#picture");
              const canvas = new OffscreenCanvas(64, 36);
              const context = canvas.getContext("2d", {willReadFrequently: true});
              const presented = () => new Promise(done => video.requestVideoFrameCallback(done));
              let before = null;
              for (;;) {
                await presented();
                context.drawImage(video, 0, 0, 64, 36);
                const now = context.getImageData(0, 0, 64, 36).data.join();
                if (before !== null && now !== before) return;
                before = now;
              }
            }""",
        )

    async def hears_sound(self, least_dbfs: float = -60.0) -> None:
        """Waits until what the page plays is as loud as that."""
        await self._comes_about(
            "the page plays sound",
            """async leastDbfs => {
              const context = new AudioContext();
              const source = context.createMediaStreamSource(
                document.querySelector("#sound").srcObject);
              const analyser = new AnalyserNode(context);
              source.connect(analyser);
              const samples = new Float32Array(analyser.fftSize);
              const dbfs = () => {
                analyser.getFloatTimeDomainData(samples);
                const power = samples.reduce((sum, value) => sum + value * value, 0);
                return 10 * Math.log10(power / samples.length);
              };
              while (!(dbfs() > leastDbfs)) await new Promise(done => setTimeout(done, 20));
              await context.close();
            }""",
            least_dbfs,
        )

    async def _comes_about(self, what: str, script: str, argument: object = None) -> None:
        """Waits until the script's promise is kept; `what` names it in the failure."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.page.evaluate(script, argument)
        except TimeoutError:
            raise AssertionError(f"waited {PATIENCE_S:g} s in vain for: {what}") from None

    async def sees_blue(self) -> None:
        """Waits for a picture that is blue all over."""
        await self._comes_about(
            "the page shows a blue picture",
            """async () => {
              const video = document.querySelector("#picture");
              const canvas = new OffscreenCanvas(1, 1);
              const context = canvas.getContext("2d", {willReadFrequently: true});
              for (;;) {
                await new Promise(done => video.requestVideoFrameCallback(done));
                context.drawImage(video, 0, 0, 1, 1);
                const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
                if (blue > 150 && red < 80 && green < 80) return;
              }
            }""",
        )

    async def sees_a_card(self) -> None:
        """Waits for the dark picture that stands in for a camera's."""
        await self.page.wait_for_function(
            """() => {
              const video = document.querySelector("#picture");
              if (video.readyState < video.HAVE_CURRENT_DATA) return false;
              const canvas = new OffscreenCanvas(64, 36);
              const context = canvas.getContext("2d", {willReadFrequently: true});
              context.drawImage(video, 0, 0, 64, 36);
              const {data} = context.getImageData(0, 0, 64, 36);
              return data.filter((_, index) => index % 4 === 1).reduce((a, b) => a + b) / 2304 < 60;
            }""",
            polling=100,
        )

    async def records_sound(self, seconds: float) -> bytes:
        """What the page plays, as a WebM recording."""
        recorded = await self.page.evaluate(
            """async seconds => {
              const recorder = new MediaRecorder(document.querySelector("#sound").srcObject);
              const chunks = [];
              recorder.ondataavailable = event => chunks.push(event.data);
              const stopped = new Promise(done => { recorder.onstop = done; });
              recorder.start();
              await new Promise(done => setTimeout(done, seconds * 1000));
              recorder.stop();
              await stopped;
              return Array.from(new Uint8Array(await new Blob(chunks).arrayBuffer()));
            }""",
            seconds,
        )
        return bytes(recorded)
