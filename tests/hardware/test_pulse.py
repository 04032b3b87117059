"""The pin that is never on for longer than its pulse, whoever hangs or dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecall_pi.errors import HardwareError
from homecall_pi.hardware import pins, pulse, relay

from ..conftest import PATIENCE_S

FOREVER_S = 1000.0


class World:
    """A pipe to which lines come at given times and that closes at last; a pin; and a clock."""

    def __init__(self, lines: list[float], closing: float) -> None:
        self.now = 0.0
        self.log: list[tuple[float, bool]] = []
        self.said: list[str] = []
        self._lines = sorted(line for line in lines if line < closing)
        self._closing = closing

    def monotonic(self) -> float:
        return self.now

    def read(self, _: int, timeout_s: float | None) -> bool:
        until = FOREVER_S if timeout_s is None else self.now + timeout_s
        came = next(iter([*self._lines, self._closing]))
        if came > until:
            self.now = until
            return True
        self.now = max(self.now, came)
        self._lines = [line for line in self._lines if line > self.now]
        return self.now < self._closing

    def on(self) -> None:
        self.log.append((self.now, True))

    def off(self) -> None:
        self.log.append((self.now, False))

    def serve(self, pulse_s: float) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pulse, "_read", self.read)
            patch.setattr(pulse, "time", SimpleNamespace(monotonic=self.monotonic))
            pulse.serve(self, pulse_s, -1, self.said.append)


def test_a_line_is_one_pulse():
    world = World([5.0], closing=100.0)
    world.serve(3.0)
    assert world.log == [(5.0, True), (8.0, False)]
    assert world.said == ["ready", "on", "off"]


def test_lines_that_come_during_a_pulse_do_not_lengthen_it():
    world = World([5.0, 6.0, 7.9, 20.0], closing=100.0)
    world.serve(3.0)
    assert world.log == [(5.0, True), (8.0, False), (20.0, True), (23.0, False)]


def test_a_pulse_ends_at_once_when_the_daemon_dies():
    world = World([5.0], closing=6.0)
    world.serve(3.0)
    assert world.log == [(5.0, True), (6.0, False)]


@given(st.lists(st.floats(0, 100), max_size=30), st.floats(0, 120), st.floats(0.1, 10))
def test_it_is_never_on_for_longer_and_off_in_the_end(
    lines: list[float], closing: float, pulse_s: float
):
    world = World(lines, closing)
    world.serve(pulse_s)
    assert [on for _, on in world.log] == [True, False] * (len(world.log) // 2)
    for (began, on), (ended, _) in pairwise(world.log):
        assert not on or ended - began <= pulse_s + 1e-6


def test_a_signal_during_a_pulse_lets_go(monkeypatch: pytest.MonkeyPatch):
    world = World([5.0], closing=100.0)
    read = world.read

    def interrupted(pipe: int, timeout_s: float | None) -> bool:
        if timeout_s is not None:
            raise SystemExit(143)
        return read(pipe, timeout_s)

    monkeypatch.setattr(world, "read", interrupted)
    with pytest.raises(SystemExit):
        world.serve(3.0)
    assert world.log == [(5.0, True), (5.0, False)]


def test_further_signals_do_not_keep_it_from_letting_go():
    before = {number: signal.getsignal(number) for number in pulse.ENDINGS}
    try:
        with pytest.raises(SystemExit, match="143"):
            pulse._end(signal.SIGTERM, None)
        assert all(signal.getsignal(number) is signal.SIG_IGN for number in pulse.ENDINGS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture
def mock_pins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    yield
    pins.close()


@pytest.mark.parametrize(("active_high", "level_off"), [(True, False), (False, True)])
def test_the_pin_is_claimed_off(mock_pins: None, active_high: bool, level_off: bool):
    output = pulse.claim(23, active_high=active_high)
    try:
        assert output.pin.function == "output"
        assert output.pin.state is level_off
    finally:
        output.close()
    assert pins.factory().pin(23).function == "input"


def test_a_pin_that_is_taken_is_told(mock_pins: None):
    output = pulse.claim(23, active_high=True)
    try:
        with pytest.raises(HardwareError, match=r"^GPIO 23: .* already in use .*gpioinfo"):
            pulse.claim(23, active_high=True)
    finally:
        output.close()


@pytest.mark.parametrize("ending", ["close", "signal"])
def test_the_program_ends_its_pulse_when_it_must_end(mock_pins: None, ending: str):
    with subprocess.Popen(
        relay.command(23, "high", FOREVER_S),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.stdin.write(b"\n")
        assert process.stdout.readline() == b"on\n"
        if ending == "close":
            process.stdin.close()
            assert process.stdout.readline() == b"off\n"
        else:
            process.terminate()
        assert process.wait(PATIENCE_S) == (0 if ending == "close" else 128 + signal.SIGTERM)


class Pins:
    """Refuses the pin twice, and then gives it."""

    def __init__(self) -> None:
        self.refusals = ["busy", "still busy"]

    def claim(self, pin: int, *, active_high: bool) -> tuple[int, bool]:
        if self.refusals:
            raise HardwareError(self.refusals.pop(0))
        return pin, active_high


@pytest.mark.parametrize("gone", [False, True])
def test_a_pin_that_is_taken_is_waited_for_as_long_as_the_daemon_lives(
    gone: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pulse, "claim", Pins().claim)
    monkeypatch.setattr(pulse, "_read", lambda _, __: not gone)
    said: list[str] = []
    output = pulse._wait_for(23, True, -1, said.append)
    assert output == (None if gone else (23, True))
    assert said == (["failed busy"] if gone else ["failed busy", "failed still busy"])


def test_the_program_says_what_keeps_it_from_its_pin():
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "nonsense"}
    done = subprocess.run(
        [sys.executable, "-m", "homecall_pi.hardware.pulse", "23", "high", "1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("failed Unable to find pin factory 'nonsense'; ")
    assert done.stderr == ""
