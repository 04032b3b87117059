"""Parts, memory and disks that fail at the door: each costs its own, and comes back by itself."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ..manager import Manager
from .conftest import Household
from .household import Door, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


TOLD = "--log-level=info"
"""Debugging shows where a part failed, which looks like a fault of ours."""


async def test_a_camera_replugged_in_a_call_is_seen_again(household: Household, tmp_path: Path):
    plug = tmp_path / "camera"
    await household.start(TOLD, camera=plug)
    family = await household.talking()
    await family.sees_moving_pictures()
    plug.unlink()
    await family.sees_a_card()
    heard = household.door.status.audio_samples
    plug.touch()
    await until("the door says so", lambda: "the camera is back" in household.door.output)
    for _ in range(2):  # once might be from the card to the picture
        await family.sees_moving_pictures()
    assert household.door.status.audio_samples > heard
    assert household.door.status.state == await family.state() == "talking"
    assert about(household.door, "the camera ") == [
        "the camera does not respond; a card is shown until it is back",
        "the camera is back",
    ]


async def test_a_camera_that_is_missing_at_the_press_comes_when_it_is_plugged_in(
    household: Household, tmp_path: Path
):
    plug = tmp_path / "camera"
    await household.start(TOLD, camera=plug)
    plug.unlink()
    family = await household.waiting_page()
    household.door.ring()
    await family.becomes("ringing")
    await family.sees_a_card()
    plug.touch()
    await until("the door says so", lambda: "the camera is back" in household.door.output)
    assert about(household.door, "camera ") == [
        "no camera is connected; a card is shown until it is back",
        "the camera is back",
    ]


def about(door: Door, words: str) -> list[str]:
    """What the log tells of it, without time, level and origin."""
    return [line.partition(": ")[2] for line in door.output.splitlines() if words in line]


@contextmanager
def little_memory(door: Door, left: int) -> Iterator[None]:
    """The door gets no more than so many bytes beyond what it has."""
    process, limit = door.process, resource.RLIMIT_AS
    before = resource.prlimit(process.pid, limit)
    resource.prlimit(process.pid, limit, (process.memory_info().vms + left, before[1]))
    yield
    resource.prlimit(process.pid, limit, before)


async def test_little_memory_at_the_press_costs_the_picture_until_there_is_more(
    household: Household, tmp_path: Path
):
    """So little that no thread can be started."""
    await household.start(TOLD, camera=tmp_path / "camera")
    family = await household.waiting_page()
    with little_memory(household.door, 4 * 2**20):
        household.door.ring()
        await family.becomes("ringing")
    await family.page.click("#answer")
    await family.becomes("talking")
    await family.sees_moving_pictures()
    assert household.door.status.state == "talking"


class Disk:
    """A small one, which can be full: of bytes, and of files."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        size = ("-o", "size=1m,nr_inodes=20")
        subprocess.run(["mount", "-t", "tmpfs", *size, "tmpfs", str(place)], check=True)

    def fill(self) -> None:
        """Leaves no room."""
        (self.place / "filler").mkdir(exist_ok=True)
        with suppress(OSError):
            for number in itertools.count():
                (self.place / "filler" / str(number)).touch()
        with suppress(OSError), (self.place / "filler" / "0").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    def clear(self) -> None:
        """Makes room."""
        shutil.rmtree(self.place / "filler")

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.place)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "disk")
    yield disk
    disk.close()


READ_ONLY = ("unshare", "--mount", "sh", "-c", 'mount -o remount,bind,ro / && exec "$@"', "sh")
"""What a command line begins with to find everything but other file systems read-only."""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems, which needs root")
async def test_full_and_read_only_disks_cost_what_would_be_written(
    disk: Disk, household: Household, manager: Manager
):
    """Its own disk is full: log, recording, control socket, $TMPDIR. All else is read-only."""
    await household.start_server()
    door = household.door = Door(disk.place, household.server.port)
    door.prefix = READ_ONLY
    door.environment["TMPDIR"] = str(disk.place)
    household.programs.insert(0, door)
    door.log.touch()
    disk.fill()
    door.start()
    await manager.until("STATUS=Ready: waiting for a press")
    assert door.output == ""
    assert not door.socket.exists()
    family = await household.waiting_page()
    disk.clear()
    await door.ready()
    await household.ring_and_answer(family)
    await until("the voice is recorded", lambda: door.heard.stat().st_size > 20_000)
    disk.fill()
    heard = door.status.audio_samples
    await until("the voice is heard", lambda: door.status.audio_samples > heard + 48_000)
    await family.sees_moving_pictures()
    assert door.status.state == await family.state() == "talking"
    disk.clear()
    assert door.hang_up().state == "idle"
    await family.becomes("waiting")
    assert "heard.wav cannot be written: No space left on device; playing on" in door.output
