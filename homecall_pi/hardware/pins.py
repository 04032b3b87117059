"""gpiozero, opened the way a daemon needs it, and its errors with their cures."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from typing import Any

from ..errors import HardwareError


def factory() -> Any:
    """The pins that gpiozero finds: lgpio's, unless GPIOZERO_PIN_FACTORY names others.

    Without the variable gpiozero would fall back to libraries that do not know a Pi 5, and hide
    what is wrong with lgpio. Importing takes a second on a small Pi: not on the event loop.

    Raises:
        HardwareError: no pins here; the message says what to do.
    """
    name = os.environ.setdefault("GPIOZERO_PIN_FACTORY", "lgpio")
    try:
        if name == "lgpio" and "lgpio" not in sys.modules:
            _import_lgpio()
        from gpiozero import Device

        Device.ensure_pin_factory()
    except Exception as error:  # lgpio's own errors, too, which cannot be named without it
        raise HardwareError(cure(error)) from error
    return Device.pin_factory


def _import_lgpio() -> None:
    """Imports lgpio and goes back to where we were.

    While it is imported, lgpio makes a pipe in the working directory, which a service cannot write
    to and where two processes take each other's, or in LG_WD, into which it changes for good. Once
    both ends are open, nobody needs the pipe's name.
    """
    here = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="homecall-pi-") as place:
        os.environ["LG_WD"] = place
        try:
            importlib.import_module("lgpio")
        finally:
            os.chdir(here)
            del os.environ["LG_WD"]


def close() -> None:
    """Gives all pins back."""
    from gpiozero import Device

    if Device.pin_factory is not None:
        Device.pin_factory.close()
        Device.pin_factory = None


def cure(error: Exception, pin: int | None = None) -> str:
    """What is wrong with the pins, or with one of them, and what to do, in one line."""
    text = f"{type(error).__name__}: {error}".lower()
    where = "" if pin is None else f"GPIO {pin}: "
    for marks, advice in _CURES:
        if any(mark in text for mark in marks):
            return f"{where}{str(error) or type(error).__name__}; {advice}"
    return f"{where}{type(error).__name__}: {error}; try it alone: gpioinfo, pinout"


_CURES = (
    (
        ("no module named", "cannot import", "importerror", "attributeerror"),
        "install it: sudo apt install python3-gpiozero python3-lgpio",
    ),
    (
        ("pinunknownpi", "badpinfactory"),
        "this is no Raspberry Pi that gpiozero knows: update python3-gpiozero, "
        'or set source = "none" in [panel]',
    ),
    (
        ("busy", "already in use"),
        "another program or an overlay in config.txt has it: see gpioinfo, "
        "or give another pin in [panel]",
    ),
    (
        ("can not open gpiochip", "permission", "no such file"),
        "let the user in: sudo usermod -aG gpio USER, and see that /dev/gpiochip0 is there",
    ),
)
