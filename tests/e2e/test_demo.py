"""The demo as its user runs it, and the server on a host without the door's libraries."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from .. import sound
from ..hardware.clips import write_video
from .conftest import Household
from .household import PATIENCE_S, ROOM, Family, Server, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

DEVICE_LIBRARIES = (
    "aioice",
    "aiortc",
    "av",
    "cryptography",
    "gpiozero",
    "libcamera",
    "lgpio",
    "numpy",
    "OpenSSL",
    "picamera2",
    "pyaudio",
    "pylibsrtp",
    "pywebrtc_audio",
)


class Demo:
    """`homecall-pi demo` with a keyboard and a screen."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.keyboard = process.stdin
        self._screen = process.stdout

    async def says(self, pattern: str) -> str:
        """Waits for a line with `pattern` in it and returns what matched."""
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self._screen.readline()).decode():
                print(line, end="")  # shown where the test fails
                if found := re.search(pattern, line):
                    return found[0]
        raise AssertionError(f"the demo ended without saying {pattern}")


def _heed_ctrl_c() -> None:
    """A shell starts what is to run in the background deaf to it, and that is handed down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@asynccontextmanager
async def shown(*flags: str) -> AsyncIterator[Demo]:
    """The demo, started with these flags."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homecall_pi", "demo", "--port", str(free_port())),
        *flags,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=_heed_ctrl_c,
    )
    try:
        yield Demo(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()


@pytest_asyncio.fixture(loop_scope="session")
async def demo(request: pytest.FixtureRequest) -> AsyncIterator[Demo]:
    """The demo, started with the flags that the test gives as parameter."""
    async with shown(*request.param) as started:
        yield started


async def answered_call(family: Family) -> None:
    await family.becomes("ringing")
    await family.page.click("#answer")
    await family.becomes("talking")


@pytest.mark.parametrize("demo", [()], indirect=True)
async def test_enter_rings(demo: Demo, household: Household) -> None:
    link = await demo.says(r"http://localhost\S+")
    command = await demo.says(r"(?<=`)\S+ status --control [^`]+")
    await demo.says("Enter rings")
    status = await asyncio.create_subprocess_exec(*shlex.split(command))
    assert await status.wait() == 0
    family = await household.page()
    await family.open(link)
    await family.becomes("waiting")
    demo.keyboard.write(b"\n")
    await demo.says("Pressed: the door is")
    await family.sees_moving_pictures()
    await answered_call(family)
    await demo.says("answered by Anna after")
    await family.page.click("#hangup")
    await demo.says("ended after .* because somebody hung up")


@pytest.mark.parametrize("demo", [()], indirect=True)
async def test_it_goes_on_without_a_keyboard(demo: Demo) -> None:
    demo.keyboard.write(b"\n")
    demo.keyboard.close()
    told = "no keyboard to read|Pressed: the door is"  # in either order: two threads
    assert await demo.says(told) != await demo.says(told)
    demo.process.send_signal(signal.SIGINT)
    output, _ = await demo.process.communicate()
    *story, end = output.decode().splitlines()
    assert (demo.process.returncode, end.endswith("stopped")) == (0, True)
    assert all("INFO" in line for line in story), story


@pytest.mark.parametrize("demo", [("--ring-every", "600")], indirect=True)
async def test_it_rings_by_itself(demo: Demo, household: Household) -> None:
    link = await demo.says(r"http://localhost\S+")
    family = await household.page()
    await family.open(link)
    await answered_call(family)


@pytest.fixture
def clips(tmp_path: Path) -> tuple[str, ...]:
    """Flags for a visitor in blue who beeps."""
    sound.write_beeps(tmp_path / "beeps.wav", 660.0)
    write_video(tmp_path / "blue.mp4", colour="blue")
    return "--camera", str(tmp_path / "blue.mp4"), "--microphone", str(tmp_path / "beeps.wav")


async def test_clips_are_seen_and_heard(clips: tuple[str, ...], household: Household) -> None:
    async with shown(*clips, "--ring-every", "600") as demo:
        family = await household.page()
        await family.open(await demo.says(r"http://localhost\S+"))
        await answered_call(family)
        await family.sees_blue()
        heard = sound.decode(await family.records_sound(2))
        assert sound.loudest_pitch(heard) == pytest.approx(660, rel=0.02)


@pytest.mark.parametrize("demo", [("--camera", __file__)], indirect=True)
async def test_a_clip_that_is_none_is_named_and_ends_it(demo: Demo) -> None:
    await demo.says(f"{re.escape(__file__)} cannot be played")
    async with asyncio.timeout(PATIENCE_S):
        assert await demo.process.wait() == 1


@pytest.mark.parametrize("demo", [()], indirect=True)
async def test_a_program_that_is_killed_is_named_and_ends_it(demo: Demo) -> None:
    await demo.says(r"http://localhost\S+")
    programs = psutil.Process(demo.process.pid).children()
    next(each for each in programs if "run" in each.cmdline()).kill()
    await demo.says("the door was ended by SIGKILL; start the demo again")
    async with asyncio.timeout(PATIENCE_S):
        assert await demo.process.wait() == 1
    assert not any(each.is_running() for each in programs)


@pytest.fixture
def without_libraries(tmp_path: Path) -> dict[str, str]:
    """The environment of a program that has none of the door's libraries."""
    hidden = f"import sys\nsys.modules.update(dict.fromkeys({DEVICE_LIBRARIES!r}))\n"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    return {"PYTHONPATH": str(tmp_path)}


async def test_the_server_needs_none_of_the_devices_libraries(
    tmp_path: Path, without_libraries: dict[str, str]
) -> None:
    server = Server(tmp_path)
    server.environment |= without_libraries
    server.start()
    await server.ready()
    assert server.stop() == 0


@pytest.mark.parametrize("command", ["run", "doctor"])
async def test_a_door_without_its_libraries_is_told_how_to_get_them(
    without_libraries: dict[str, str], command: str
) -> None:
    door = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homecall_pi", command, "--room", ROOM),
        env=os.environ | without_libraries,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        _, errors = await door.communicate()
    assert door.returncode == 78
    assert b"pip install '.[door]'" in errors
