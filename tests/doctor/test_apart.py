"""Checks in processes of their own, which may die or hang there."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from homecall_pi.config.parts import CameraConfig
from homecall_pi.doctor import camera
from homecall_pi.doctor.apart import apart
from homecall_pi.doctor.finding import ok


async def test_what_is_found_elsewhere_is_what_is_found_here():
    film = partial(camera.check, CameraConfig(), None, [])
    assert await apart(film) == film()
    assert await apart(partial(print, "noise")) is None


async def test_a_library_that_ends_its_process_ends_nothing_else():
    found = await apart(os.abort)
    assert found is not None
    assert found.status == "fail"
    assert "a library ended the program that used it (signal SIGABRT" in found.found
    assert found.cure
    left = await apart(partial(os._exit, 3))
    assert left is not None
    assert "exit code 3" in left.found


async def test_what_is_raised_elsewhere_is_told_here():
    found = await apart(partial(int, "x"))
    assert found is not None
    assert (found.status, "ValueError: invalid literal" in found.found) == ("fail", True)


async def test_what_hangs_elsewhere_is_ended_when_nobody_waits_any_more():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await apart(signal.pause)


async def test_nothing_is_imported_from_the_folder_where_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "msgspec.py").write_text("raise SystemExit('a trap')")
    monkeypatch.chdir(tmp_path)
    assert await apart(partial(ok, "well")) == ok("well")
