"""How gpiozero's pins are had, and what is said when they are not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from gpiozero import Device, PinUnknownPi
from gpiozero.pins.mock import MockFactory

from homecall_pi.errors import HardwareError
from homecall_pi.hardware import pins

LGPIO = """
import os
os.chdir(os.environ["LG_WD"])
open(".lgd-nfy0", "w").close()
PLACE = os.getcwd()
"""
"""What importing lgpio 0.2.2 does besides."""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    yield
    pins.close()


def test_the_pins_are_those_of_the_variable_and_the_same_until_closed():
    first = pins.factory()
    assert isinstance(first, MockFactory)
    assert pins.factory() is first
    pins.close()
    assert Device.pin_factory is None
    assert pins.factory() is not first


@pytest.fixture
def lgpio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with an lgpio of our own, ahead of others; without the variable it is taken."""
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY")
    monkeypatch.setitem(sys.modules, "lgpio", ModuleType("lgpio"))
    del sys.modules["lgpio"]
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "lgpio.py"


def test_lgpio_leaves_neither_a_file_nor_another_working_directory(lgpio: Path):
    lgpio.write_text(LGPIO)
    here = os.getcwd()
    with pytest.raises(HardwareError):  # there is no more to this lgpio
        pins.factory()
    assert os.getcwd() == here
    assert not Path(sys.modules["lgpio"].PLACE).exists()
    assert "LG_WD" not in os.environ


def test_without_lgpio_nothing_else_is_tried(lgpio: Path):
    lgpio.write_text("raise ImportError(\"No module named '_lgpio'\")")
    with pytest.raises(HardwareError, match="apt install python3-gpiozero python3-lgpio"):
        pins.factory()
    assert os.environ["GPIOZERO_PIN_FACTORY"] == "lgpio"


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ModuleNotFoundError("No module named 'gpiozero'"), "apt install python3-gpiozero"),
        (PinUnknownPi("unable to locate Pi revision"), "update python3-gpiozero"),
        (RuntimeError("'GPIO busy'"), "give another pin"),
        (RuntimeError("'can not open gpiochip'"), "usermod -aG gpio"),
        (RuntimeError("it is raining in"), "RuntimeError: it is raining in; "),
    ],
)
def test_every_trouble_has_a_cure_in_one_line(error: Exception, advice: str):
    for text in (pins.cure(error), pins.cure(error, 17)):
        assert str(error) in text
        assert advice in text
        assert "\n" not in text
    assert pins.cure(error, 17).startswith("GPIO 17: ")
