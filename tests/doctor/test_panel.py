"""What is found of the pins: chips of our own making, and gpiozero's mock pins for the button."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory, MockPin

from homecall_pi.config.parts import PanelConfig
from homecall_pi.doctor import panel
from homecall_pi.doctor.finding import Finding
from homecall_pi.errors import HardwareError
from homecall_pi.hardware import pins

BUTTON, LIGHT = 17, 27
WIRED = PanelConfig(source="gpio")


class Kernel:
    """Answers for GPIO chips, which are plain files, as <linux/gpio.h> says."""

    def __init__(self, dev: Path) -> None:
        self.dev = dev
        self.holders: dict[int, str] = {}
        """Who holds which pin."""
        self._labels: dict[int, bytes] = {}

    def plug(self, name: str, label: str) -> None:
        """Adds a chip."""
        chip = self.dev / name
        chip.touch()
        self._labels[chip.stat().st_ino] = label.encode()

    def ioctl(self, descriptor: int, request: int, buffer: bytearray) -> int:
        if request == panel.GET_CHIPINFO:
            label = self._labels[os.fstat(descriptor).st_ino]
            buffer[:] = b"gpiochip".ljust(32, b"\0") + label.ljust(32, b"\0") + bytes([58, 0, 0, 0])
            return 0
        assert request == panel.GET_LINEINFO
        assert len(buffer) == 256  # sizeof(struct gpio_v2_line_info)
        holder = self.holders.get(int.from_bytes(buffer[64:68], "little"), "")
        buffer[32:64] = holder.encode().ljust(32, b"\0")
        buffer[72:80] = (0b101 if holder else 0b100).to_bytes(8, "little")
        return 0


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A Raspberry Pi's: the header's chip is not the first one."""
    kernel = Kernel(tmp_path)
    kernel.plug("gpiochip0", "gpio-brcmstb@107d508500")
    kernel.plug("gpiochip4", "pinctrl-rp1")
    return kernel


def look(
    kernel: Kernel,
    config: PanelConfig = WIRED,
    daemon: bool = False,
    pressed: Callable[[PanelConfig], bool] = lambda _: False,
) -> Finding:
    return panel.check(config, daemon, kernel.dev, kernel.ioctl, pressed)


def test_free_pins_and_a_button_that_is_up_are_well(kernel: Kernel):
    assert look(kernel) == Finding("ok", "the pins are free: button 17, light 27")


def test_a_machine_without_a_gpio_chip_fails(tmp_path: Path):
    found = panel.check(WIRED, False, tmp_path)
    assert found.status == "fail"
    assert f"there is no {tmp_path}/gpiochip0" in found.found
    assert 'source = "none"' in found.cure


def test_the_chip_of_another_machine_has_no_header(tmp_path: Path):
    kernel = Kernel(tmp_path)
    kernel.plug("gpiochip0", "INTC1055:00")
    found = look(kernel)
    assert (found.status, "none of the GPIO chips" in found.found) == ("fail", True)


def test_what_is_no_gpio_chip_is_not_taken_for_one(tmp_path: Path):
    (tmp_path / "gpiochip0").touch()
    with pytest.raises(OSError, match="Inappropriate ioctl"):  # which the report tells
        panel.check(WIRED, False, tmp_path, fcntl.ioctl)


def test_a_pin_that_an_overlay_has_is_named_with_its_holder(kernel: Kernel):
    kernel.holders[LIGHT] = "spi0 CS0"
    found = look(kernel)
    assert (found.status, found.found) == ("fail", "GPIO 27 (light) is held by 'spi0 CS0'")
    assert "config.txt" in found.cure
    assert look(kernel, daemon=True).status == "fail"


def test_a_holder_without_a_name_is_one_all_the_same(kernel: Kernel):
    kernel.holders[BUTTON] = "\0"
    assert "GPIO 17 (button) is held by '?'" in look(kernel).found


def test_pins_that_the_daemon_has_are_well_and_the_button_is_its_own(kernel: Kernel):
    kernel.holders |= {BUTTON: "lg", LIGHT: "lg"}

    def never(_: PanelConfig) -> bool:
        raise AssertionError("the daemon has the button")

    found = look(kernel, daemon=True, pressed=never)
    assert found == Finding("ok", "the daemon has the pins: button 17, light 27")
    assert look(kernel).status == "fail"  # with no daemon, another program has them


def test_a_button_that_is_down_is_stuck(kernel: Kernel):
    found = look(kernel, pressed=lambda _: True)
    assert (found.status, found.found) == ("fail", "the button at GPIO 17 is down")
    assert "button_pull" in found.cure


def test_a_button_that_cannot_be_read_is_told_with_its_cure(kernel: Kernel):
    def cannot(_: PanelConfig) -> bool:
        raise HardwareError("No module named 'lgpio'; install it: sudo apt install python3-lgpio")

    found = look(kernel, pressed=cannot)
    assert (found.status, found.found) == ("fail", "No module named 'lgpio'")
    assert found.cure == "install it: sudo apt install python3-lgpio"


def test_without_a_button_there_is_none_to_read(kernel: Kernel):
    found = look(kernel, PanelConfig(source="gpio", button_pin=-1), pressed=lambda _: True)
    assert found == Finding("ok", "the pins are free: light 27")


@pytest.mark.parametrize(
    ("pin", "active", "status"),
    [(23, "high", "ok"), (5, "low", "ok"), (5, "high", "warn"), (23, "low", "warn")],
)
def test_a_door_release_that_is_on_while_the_board_starts_is_told(
    kernel: Kernel, pin: int, active: str, status: str
):
    found = look(kernel, PanelConfig(source="gpio", relay_pin=pin, relay_active=active))
    assert found.status == status
    assert ("another pin" in found.cure) == (status == "warn")


def test_a_chip_that_this_user_may_not_use_is_not_tried(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may do everything
    found = look(kernel)
    assert (found.status, found.cure) == ("warn", "sudo homecall-pi doctor")


def test_a_door_without_a_panel_cannot_be_rung():
    found = panel.check(PanelConfig(), False)
    assert (found.status, "nobody can press" in found.found) == ("warn", True)


class Grounded(MockPin):
    """A pin that is wired to ground."""

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        self._change_state(False)


@pytest.fixture(autouse=True)
def mock_pins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    monkeypatch.setattr(panel, "SETTLE_S", 0.0)
    yield
    pins.close()


@pytest.mark.parametrize(
    ("wire", "pull", "down"),
    [(MockPin, "up", False), (MockPin, "down", False), (Grounded, "up", True)],
)
def test_the_button_is_read_as_the_daemon_reads_it(wire: type[MockPin], pull: str, down: bool):
    Device.pin_factory = MockFactory(pin_class=wire)
    assert panel.is_pressed(PanelConfig(source="gpio", button_pull=pull)) is down
    assert Device.pin_factory is None  # given back
