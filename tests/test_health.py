"""When the watchdog is fed, with time passed in; and that it is fed, over a real socket."""

from __future__ import annotations

import asyncio
import logging

import pytest

from homecall_pi.core.progress import Progress
from homecall_pi.health import Health

from .doubles import in_background
from .manager import Manager


@pytest.fixture
def line() -> Progress:
    return Progress("line", 90, moved_at=0.0)


@pytest.fixture
def camera() -> Progress:
    return Progress("camera", 30)


def test_with_nothing_that_could_hang_all_is_well():
    assert Health().look(1e9)


def test_as_long_as_all_parts_move_or_rest_all_is_well(line: Progress, camera: Progress):
    health = Health([line, camera])
    for now in range(0, 1000, 60):
        line.move(now)
        assert health.look(now + 59)


def test_a_part_that_hangs_is_told_once_and_needs_a_restart(
    line: Progress, camera: Progress, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="homecall_pi.health")
    health = Health([line, camera])
    camera.move(80)
    assert health.look(90)
    assert not health.look(100)
    assert not health.look(110)
    assert not health.look(120)
    assert caplog.messages == [
        "the line hangs; only a restart mends that",
        "the camera hangs; only a restart mends that",
    ]
    assert {record.levelname for record in caplog.records} == {"CRITICAL"}


def test_a_part_that_goes_on_after_all_is_well(line: Progress, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="homecall_pi.health")
    health = Health([line])
    assert not health.look(100)
    line.move(101)
    assert health.look(102)
    assert caplog.messages[1:] == ["the line goes on again"]
    assert not health.look(200)
    assert len(caplog.messages) == 3


def test_a_call_is_not_ended_for_a_part_that_hangs(camera: Progress):
    busy = True
    health = Health([camera], lambda: busy)
    camera.move(0)
    assert health.look(1000)
    busy = False
    assert not health.look(1001)


async def test_the_watchdog_is_fed_well_before_it_is_due(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WATCHDOG_USEC", "9000")
    async with in_background(Health().run()):
        assert await manager.until("WATCHDOG=1") == ["WATCHDOG=1"]
        assert await manager.until("WATCHDOG=1") == ["WATCHDOG=1"]


async def test_the_watchdog_goes_hungry_while_a_part_hangs(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, camera: Progress
):
    monkeypatch.setenv("WATCHDOG_USEC", "3000")
    health, looks = Health([camera]), list[bool]()
    look = health.look
    monkeypatch.setattr(health, "look", lambda now: looks.append(look(now)) or looks[-1])
    async with in_background(health.run()):
        await manager.until("WATCHDOG=1")
        camera.move(-1e9)
        fed = len(looks)
        while len(looks) < fed + 3:
            await asyncio.sleep(0)
        assert looks[fed:] == [False] * 3
        with pytest.raises(BlockingIOError):
            manager.next()
        camera.rest()
        await manager.until("WATCHDOG=1")
