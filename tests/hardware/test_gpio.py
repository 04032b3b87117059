"""The panel on gpiozero's mock pins: its thread and its programs are real, its contacts are not."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from gpiozero import LED, Device
from gpiozero.pins.mock import MockFactory, MockPin

from homecall_pi.config.parts import PanelConfig
from homecall_pi.core.actions import Show
from homecall_pi.core.state import State
from homecall_pi.hardware import gpio, gpio_parts, pins, pulse, relay
from homecall_pi.hardware.gpio import GpioPanel

from ..conftest import PATIENCE_S

BUTTON, LIGHT, RELAY, CHIME = 17, 27, 23, 24
PROGRAM = "echo ready; while read -r line; do echo on; echo off; echo {pin} >> {heard}; done"
"""Stands for the program that holds a relay: starts at once, and notes each pulse."""


def config(**keys: Any) -> PanelConfig:
    quick = {"debounce_s": 0.0, "gap_s": 0.0}
    return PanelConfig(**{"source": "gpio", "led_pin": -1, **quick, **keys})


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)


def pin(number: int) -> MockPin:
    return Device.pin_factory.pin(number)


class Panel(GpioPanel):
    """The panel, and its presses."""

    def __init__(self, config: PanelConfig) -> None:
        super().__init__(config)
        self.presses = 0

    def begin(self) -> None:
        self.start(self._count)

    def _count(self) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.presses += 1

    async def press(self) -> None:
        """Pushes the button down and lets go, on a thread of gpiozero's."""
        await asyncio.to_thread(pin(BUTTON).drive_low)
        await asyncio.to_thread(pin(BUTTON).drive_high)

    async def ended(self) -> None:
        self.stop()
        await until(lambda: not any(t.name == "panel" for t in threading.enumerate()))


@pytest.fixture(autouse=True)
def mock_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    """A function that starts a panel with further keys, its button in place."""
    panels: list[Panel] = []

    async def started(**keys: Any) -> Panel:
        Device.pin_factory = Device.pin_factory or MockFactory()
        panel = Panel(config(**keys))
        panels.append(panel)
        panel.begin()
        await until(lambda: panel._wiring._slots[0].is_open)
        return panel

    yield started
    for panel in panels:
        await panel.ended()


async def test_a_press_arrives_on_the_loop(start: Callable[..., Any]):
    panel = await start()
    assert pin(BUTTON).pull == "up"
    await panel.press()
    await until(lambda: panel.presses == 1)
    await panel.press()
    await until(lambda: panel.presses == 2)


async def test_a_contact_that_flutters_does_not_pile_up(start: Callable[..., Any]):
    """A long wire beside a motor does that; meanwhile the thread may be at something else."""
    panel = await start(debounce_s=0.01)
    at_ease, held = threading.Event(), threading.Event()
    wiring = panel._wiring
    wiring._button.edge = lambda *_: (held.set(), at_ease.wait())
    try:
        for _ in range(gpio.MAX_WAITING):
            await panel.press()
            panel.release_door()
        assert await asyncio.to_thread(held.wait, PATIENCE_S)
        assert wiring._inbox.qsize() <= gpio.MAX_WAITING
    finally:
        at_ease.set()
    del wiring._button.edge
    await until(wiring._inbox.empty)
    await panel.press()
    await until(lambda: panel.presses > 0)


async def test_a_button_to_the_supply_is_pressed_by_a_high_level(start: Callable[..., Any]):
    panel = await start(button_pull="down")
    assert pin(BUTTON).pull == "down"
    await asyncio.to_thread(pin(BUTTON).drive_high)
    await until(lambda: panel.presses == 1)


async def test_bounces_and_hammering_are_one_press(start: Callable[..., Any]):
    panel = await start(debounce_s=0.01, gap_s=60.0)
    for _ in range(20):
        await panel.press()
    await asyncio.to_thread(pin(BUTTON).drive_low)
    await until(lambda: panel.presses)
    for _ in range(20):
        await panel.press()
    assert panel.presses == 1


async def test_a_stuck_button_is_told_once(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    await start(stuck_s=0.01)
    await asyncio.to_thread(pin(BUTTON).drive_low)
    await until(lambda: "the button is stuck, down for 0 s; free it" in caplog.text)
    await asyncio.to_thread(pin(BUTTON).drive_high)
    await until(lambda: "the button is free again" in caplog.text)
    assert caplog.text.count("stuck") == 1


async def test_the_light_follows_the_call(start: Callable[..., Any]):
    panel = await start(led_pin=LIGHT)
    assert not pin(LIGHT).state
    panel.show(Show(State.IDLE))
    await until(lambda: pin(LIGHT).state)
    pin(LIGHT).clear_states()
    panel.show(Show(State.CONNECTING))
    await until(lambda: len(pin(LIGHT).states) >= 4)
    assert [state for _, state in pin(LIGHT).states[:4]] == [True, False, True, False]
    panel.show(Show(State.IDLE))
    await until(lambda: pin(LIGHT).state)


async def test_a_light_that_fails_is_told_and_comes_back_as_it_was(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(gpio, "RETRY_S", 0.01)
    panel = await start(led_pin=LIGHT)
    with monkeypatch.context() as broken:
        broken.setattr(LED, "value", property(None, _fail))
        panel.show(Show(State.IDLE))
        await until(lambda: "the light does not work: GPIO 27: " in caplog.text)
    await until(lambda: pin(LIGHT).state)
    await until(lambda: "the light works again" in caplog.text)
    assert caplog.text.count("does not work") == 1
    await panel.press()
    await until(lambda: panel.presses == 1)


def _fail(*_: object) -> None:
    raise RuntimeError("the wire came off")


async def test_stop_ends_the_thread_and_gives_the_pins_back(start: Callable[..., Any]):
    panel = await start(led_pin=LIGHT)
    light = pin(LIGHT)
    panel.show(Show(State.IDLE))
    await until(lambda: light.state)
    await panel.ended()
    assert light.function == "input"
    assert Device.pin_factory is None
    panel.show(Show(State.IDLE))
    panel.release_door()
    assert panel.door == "none"
    panel.stop()


async def test_the_thread_shows_that_it_goes_on_with_nothing_to_do(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gpio, "LOOK_S", 0.001)
    panel = await start()
    for _ in range(3):
        moved_at = panel.progress.moved_at
        await until(lambda: panel.progress.moved_at > moved_at)  # noqa: B023
    await panel.ended()
    await until(lambda: panel.progress.moved_at is None)


async def test_a_thread_that_is_stuck_in_a_library_hangs(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    returns = threading.Event()
    entered = threading.Event()

    def drive(*_: object) -> None:
        entered.set()
        returns.wait()

    panel = await start(led_pin=LIGHT)
    monkeypatch.setattr(pin(LIGHT), "_set_state", drive)
    panel.show(Show(State.IDLE))
    await asyncio.to_thread(entered.wait)
    moved_at = panel.progress.moved_at
    assert panel.progress.hangs(moved_at + gpio.HANG_S + 1)
    returns.set()


async def test_a_press_after_stop_is_none(start: Callable[..., Any]):
    panel = await start()
    button = pin(BUTTON)
    panel.stop()
    await asyncio.to_thread(button.drive_low)
    await panel.ended()
    assert panel.presses == 0


async def test_a_machine_without_pins_costs_the_panel_and_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gpio, "RETRY_S", 0.001)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "nonsense")
    tried = 0
    real = pins.factory

    def factory() -> Any:
        nonlocal tried
        tried += 1
        return real()

    monkeypatch.setattr(pins, "factory", factory)
    panel = Panel(config(led_pin=LIGHT, relay_pin=RELAY))
    panel.begin()
    panel.show(Show(State.IDLE))
    await until(lambda: tried > 3)
    (record,) = caplog.records
    assert record.getMessage().startswith("the panel does not work: Unable to find pin factory")
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    await until(lambda: Device.pin_factory is not None and pin(LIGHT).state)
    await panel.ended()


async def test_a_pin_that_is_taken_costs_that_part_alone(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gpio, "RETRY_S", 0.01)
    Device.pin_factory = MockFactory()
    other = LED(LIGHT)
    panel = await start(led_pin=LIGHT)
    panel.show(Show(State.IDLE))
    await until(lambda: "the light does not work: GPIO 27: " in caplog.text)
    assert "already in use" in caplog.text
    await panel.press()
    await until(lambda: panel.presses == 1)
    other.close()
    await until(lambda: pin(LIGHT).state)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[[], list[str]]:
    """Replaces the programs that hold relays; a function that returns the pulsed pins."""
    file = tmp_path / "heard"

    def command(number: int, active: str, pulse_s: float) -> list[str]:
        return ["sh", "-c", PROGRAM.format(pin=number, heard=file)]

    monkeypatch.setattr(relay, "command", command)
    return lambda: file.read_text().split() if file.exists() else []


async def test_the_door_is_released(start: Callable[..., Any], heard: Callable[[], list[str]]):
    panel = await start(relay_pin=RELAY)
    await until(lambda: panel.door == "closed")
    panel.release_door()
    await until(heard)
    assert heard() == [str(RELAY)]


async def test_a_press_sounds_the_chime_and_opens_no_door(
    start: Callable[..., Any], heard: Callable[[], list[str]]
):
    panel = await start(relay_pin=RELAY, chime_pin=CHIME)
    await until(lambda: panel.door == "closed" and panel._wiring._chime.door == "closed")
    await panel.press()
    await until(heard)
    assert heard() == [str(CHIME)]
    assert panel.presses == 1


async def test_without_a_release_there_is_no_door(start: Callable[..., Any]):
    panel = await start()
    panel.release_door()
    assert panel.door == "none"


async def test_a_program_that_dies_is_soon_started_again(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """Nobody else would switch off what it may have left on."""
    monkeypatch.setattr(gpio, "RESTART_S", 0.01)
    monkeypatch.setattr(relay, "command", lambda *_: ["sh", "-c", "echo ready; read -r line"])
    panel = await start(relay_pin=RELAY)
    await until(lambda: panel.door == "closed")
    panel.release_door()
    await until(lambda: "the program that held its pin died" in caplog.text)
    await until(lambda: panel.door == "closed")


@pytest.mark.parametrize(
    ("program", "trouble"),
    [
        ("echo failed GPIO 23: busy", "the door release does not work: GPIO 23: busy"),
        ("exit 1", "the door release does not work: the program for its pin does not start"),
    ],
)
async def test_a_program_that_cannot_have_its_pin_is_told_once_and_tried_again(
    start: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    trouble: str,
):
    started: list[str] = []

    def command(*_: object) -> list[str]:
        started.append(program)
        return ["sh", "-c", program]

    monkeypatch.setattr(gpio, "RETRY_S", 0.001)
    monkeypatch.setattr(relay, "command", command)
    panel = await start(relay_pin=RELAY)
    await until(lambda: trouble in caplog.text)
    panel._wiring.release._command[2] = "echo ready; cat"
    await until(lambda: panel.door == "closed")
    assert caplog.text.count("does not work") == 1


async def test_a_program_that_waits_for_its_pin_is_left_to_it(
    start: Callable[..., Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(gpio, "RETRY_S", 0.01)
    starts = tmp_path / "starts"
    program = f"echo one >> {starts}; echo failed busy; echo failed busy; echo ready; cat"
    monkeypatch.setattr(relay, "command", lambda *_: ["sh", "-c", program])
    panel = await start(relay_pin=RELAY)
    await until(lambda: panel.door == "closed")
    await until(lambda: "works again" in caplog.text)
    assert starts.read_text() == "one\n"
    told = [record.message for record in caplog.records]
    assert told == ["the door release does not work: busy", "the door release works again"]


async def test_the_real_program_holds_the_pin(start: Callable[..., Any]):
    """With pins of its own, which nobody here can see: what it says is what counts."""
    panel = await start(relay_pin=RELAY, relay_s=0.1)
    await until(lambda: panel.door == "closed")
    panel.release_door()
    await until(lambda: panel.door == "open")
    await until(lambda: panel.door == "closed")


@pytest.mark.parametrize("module", [gpio, gpio_parts, pins, pulse, relay])
def test_gpiozero_is_not_imported_with_the_module(module: ModuleType):
    """Importing takes a second on a small Pi, and fails on other machines."""
    origins = [
        getattr(value, "__module__", None) or getattr(value, "__name__", "")
        for value in vars(module).values()
    ]
    assert not [origin for origin in origins if origin.startswith("gpiozero")]
