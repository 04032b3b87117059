"""The panel: the GPIO chip, the pins, and a button that does not come up.

Who holds a pin is asked of the kernel, which changes nothing: an output that is taken and let go
might open the door.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..config.parts import PanelConfig
from ..errors import HardwareError
from ..hardware import pins
from .finding import Finding, fail, ok, warn

GET_CHIPINFO = 0x8044B401
GET_LINEINFO = 0xC100B405
"""GPIO_GET_CHIPINFO_IOCTL and GPIO_V2_GET_LINEINFO_IOCTL of <linux/gpio.h>."""
_CHIP = struct.Struct("32s32sI")
"""struct gpiochip_info: name, label, number of lines."""
_LINE = struct.Struct("32s32sII Q 160s 16s")
"""struct gpio_v2_line_info: name, consumer, offset, number of attributes, flags, and the rest."""
_USED = 1
"""GPIO_V2_LINE_FLAG_USED."""
HEADER = "pinctrl-"
"""What the chip of a Raspberry Pi's header is labelled with; a Pi has others, too."""
OURS = "lg"
"""What lgpio, and so the daemon, calls itself to the kernel."""
PULLED_UP = 8
"""The last pin that is pulled high while the board starts; those after it are pulled low."""
SETTLE_S = 0.1
"""Seconds that the pull may take to charge a long wire and a capacitor."""

Ioctl = Callable[[int, int, bytearray], Any]
Pressed = Callable[[PanelConfig], bool]


def is_pressed(config: PanelConfig) -> bool:
    """Whether the button's contact is closed.

    Raises:
        HardwareError: the pin cannot be had.
    """
    pin_factory = pins.factory()
    from gpiozero import Button

    try:
        up = config.button_pull == "up"
        with Button(config.button_pin, pull_up=up, pin_factory=pin_factory) as button:
            time.sleep(SETTLE_S)
            return bool(button.is_pressed)
    except Exception as error:  # of whatever library is under gpiozero
        raise HardwareError(pins.cure(error, config.button_pin)) from error
    finally:
        pins.close()


def check(
    config: PanelConfig,
    daemon: bool,
    dev: Path = Path("/dev"),
    ioctl: Ioctl = fcntl.ioctl,
    pressed: Pressed = is_pressed,
) -> Finding:
    """The pins; where the daemon runs, it has them, and the button is its own."""
    if config.source == "none":
        return warn("there is none: nobody can press a button", 'set source = "gpio" in [panel]')
    chips = sorted(dev.glob("gpiochip*"))
    if not chips:
        return fail(
            f"there is no {dev}/gpiochip0: this is no Raspberry Pi, or its kernel lacks the driver",
            'update the system, or set source = "none" in [panel]',
        )
    if locked := [chip for chip in chips if not os.access(chip, os.R_OK | os.W_OK)]:
        return warn(f"this user may not use {locked[0]}", "sudo homecall-pi doctor")
    chip = next((chip for chip in chips if _label(chip, ioctl).startswith(HEADER)), None)
    if chip is None:
        return fail(
            "none of the GPIO chips is that of a Raspberry Pi's header",
            'set source = "none" in [panel]',
        )
    wired = ", ".join(f"{part} {pin}" for part, pin in parts(config))
    return (
        _conflict(config, daemon, chip, ioctl)
        or (None if daemon or config.button_pin < 0 else _stuck(config, pressed))
        or _pulled_on(config)
        or ok(f"{'the daemon has the pins' if daemon else 'the pins are free'}: {wired}")
    )


def _conflict(config: PanelConfig, daemon: bool, chip: Path, ioctl: Ioctl) -> Finding | None:
    for part, pin in parts(config):
        holder = _holder(chip, pin, ioctl)
        if holder and not (holder == OURS and daemon):
            return fail(
                f"GPIO {pin} ({part}) is held by {holder!r}",
                "stop that program, take its overlay out of /boot/firmware/config.txt, "
                f"or give the {part} another pin in [panel]",
            )
    return None


def parts(config: PanelConfig) -> Iterator[tuple[str, int]]:
    """What is wired, and to which pin."""
    wired = {
        "button": config.button_pin,
        "light": config.led_pin,
        "door release": config.relay_pin,
        "chime": config.chime_pin,
    }
    yield from ((part, pin) for part, pin in wired.items() if pin >= 0)


def _pulled_on(config: PanelConfig) -> Finding | None:
    """A relay whose pin is pulled to its active level opens the door at each start."""
    pin = config.relay_pin
    if pin < 0 or (pin <= PULLED_UP) != (config.relay_active == "high"):
        return None
    cure = "9 to 27 with a relay that is on at high level" if pin <= PULLED_UP else "0 to 8"
    return warn(
        f"GPIO {pin} is pulled {'high' if pin <= PULLED_UP else 'low'} while the board starts: "
        "the door release is on then",
        f"give it another pin in [panel]: {cure}",
    )


def _stuck(config: PanelConfig, pressed: Pressed) -> Finding | None:
    try:
        if not pressed(config):
            return None
    except HardwareError as error:
        what, _, cure = str(error).partition("; ")
        return fail(what, cure)
    return fail(
        f"the button at GPIO {config.button_pin} is down",
        "if nobody presses it, it is stuck, or its wires touch; or button_pull is wrong",
    )


def _label(chip: Path, ioctl: Ioctl) -> str:
    _, label, _ = _ask(chip, GET_CHIPINFO, _CHIP, bytearray(_CHIP.size), ioctl)
    return _text(label)


def _holder(chip: Path, pin: int, ioctl: Ioctl) -> str:
    """Who holds the pin; empty if nobody does."""
    question = bytearray(_LINE.pack(b"", b"", pin, 0, 0, b"", b""))
    _, consumer, _, _, flags, *_ = _ask(chip, GET_LINEINFO, _LINE, question, ioctl)
    return (_text(consumer) or "?") if flags & _USED else ""


def _ask(
    chip: Path, request: int, form: struct.Struct, question: bytearray, ioctl: Ioctl
) -> tuple[Any, ...]:
    descriptor = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
    with contextlib.closing(os.fdopen(descriptor, "rb", buffering=0)):
        ioctl(descriptor, request, question)
    return form.unpack(question)


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode(errors="replace")
