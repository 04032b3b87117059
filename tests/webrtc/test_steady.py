"""A clock that is set while a call is on."""

from __future__ import annotations

import ast
import time
from pathlib import Path
from types import ModuleType

import aioice
import aiortc
import pytest
from aiortc import clock
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtcpReceiverInfo, RtpPacket

from homecall_pi.webrtc import steady

YEAR_S = 365 * 86_400.0
UNUSED = {"mediastreams.py"}
"""The tracks of aiortc's own, of which the door uses none."""


@pytest.fixture(autouse=True)
def taken_over() -> None:
    steady.take_over()


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has each look at the time of day show a year more than the one before."""
    real, years = time.time, iter(range(1000))
    monkeypatch.setattr(time, "time", lambda: real() + next(years) * YEAR_S)


def askers(package: ModuleType) -> set[str]:
    """The library's modules that look at the time of day by the module `time`."""
    assert package.__file__ is not None
    return {
        path.name
        for path in Path(package.__file__).parent.glob("*.py")
        if "time.time" in path.read_text()  # the others need not be parsed
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.time"
    }


def test_every_module_that_looks_at_the_time_of_day_is_known():
    names = {Path(module.__file__ or "").name for module in steady.MODULES}
    assert askers(aioice) | askers(aiortc) == names | UNUSED


@pytest.mark.parametrize("module", steady.MODULES)
def test_the_module_uses_nothing_else_of_time(module: ModuleType):
    tree = ast.parse(Path(module.__file__ or "").read_text())
    used = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "time"
    }
    assert used == {"time.time"}


def test_time_goes_on_whatever_the_clock_does(set_clock: None):
    for look_s in (steady.now, lambda: clock.current_ms() / 1000):
        before_s = look_s()
        assert 0 <= look_s() - before_s < 60


def test_reports_on_the_sound_outlive_a_clock_that_is_set(set_clock: None):
    statistics = StreamStatistics(48_000)
    for number in range(3):
        statistics.add(RtpPacket(sequence_number=number, timestamp=number * 960))
    assert statistics.jitter < 48_000  # a second
    bytes(RtcpReceiverInfo(1, 0, 0, 0, jitter=statistics.jitter, lsr=0, dlsr=0))
