"""The parts of the panel, each on one pin. All methods are called on the panel's own thread.

`open` takes the pin, `tick` does what is due and says when it wants to be called again, `close`
gives the pin back. What goes wrong is a HardwareError, or whatever gpiozero raises.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec

from ..core import button as core
from ..core import lights
from ..core.actions import Show
from ..core.button import Rules
from ..core.ports import DoorRelease
from ..errors import HardwareError
from . import pins
from .relay import Relay

log = logging.getLogger(__name__)


class Contact(msgspec.Struct, frozen=True):
    """The button's contact closed or opened at a time of the monotonic clock."""

    closed: bool
    at: float


class Said(msgspec.Struct, frozen=True):
    """The program that holds a relay's pin said something."""

    key: object
    """Which run of which program it was."""
    text: str


class ProgramDied(HardwareError):
    """A program that held a pin ended without being told to."""


class ProgramWaits(HardwareError):
    """A program cannot have its pin, and goes on trying."""


class Part(Protocol):
    """One part of the panel."""

    name: str
    pin: int

    def open(self, now: float) -> None:
        """Takes the pin."""

    def tick(self, now: float) -> float:
        """Does what is due; returns when it wants to be called again."""

    def close(self) -> None:
        """Gives the pin back."""


class Pins:
    """All pins together: without them there is no part."""

    def __init__(self) -> None:
        self.name = "panel"
        self.pin = -1

    def open(self, now: float) -> None:
        """Finds the pins."""
        pins.factory()

    def tick(self, now: float) -> float:
        """Does nothing by itself."""
        return math.inf

    def close(self) -> None:
        """Gives the pins back."""
        pins.close()


class PushButton:
    """The button. Its contact's edges come back from gpiozero's thread through `put`."""

    def __init__(
        self,
        pin: int,
        pull: str,
        rules: Rules,
        put: Callable[[Contact], None],
        on_press: Callable[[], None],
    ) -> None:
        self.name = "button"
        self.pin = pin
        self._pull_up = pull == "up"
        self._rules = rules
        self._put = put
        self._on_press = on_press
        self._device: Any = None
        self._button = core.Button()

    def open(self, now: float) -> None:
        """Takes the pin. A button that is down already is no press."""
        from gpiozero import DigitalInputDevice

        # The bouncing is taken out by core.button.
        device = DigitalInputDevice(self.pin, pull_up=self._pull_up, bounce_time=None)
        device.when_activated = lambda: self._put(Contact(True, time.monotonic()))
        device.when_deactivated = lambda: self._put(Contact(False, time.monotonic()))
        self._device = device
        self._button = core.start(device.is_active, now)

    def edge(self, closed: bool, at: float) -> None:
        """Takes note of the contact."""
        self._button, events = core.edge(self._button, closed, at, self._rules)
        for event in events:
            self._tell(event)

    def tick(self, now: float) -> float:
        """Looks at the contact itself, too: the edges of a short spike may be lost."""
        due = core.deadline(self._button, self._rules)
        if due is not None and now >= due:
            self.edge(self._device.is_active, now)
            due = core.deadline(self._button, self._rules)
        return math.inf if due is None else due

    def close(self) -> None:
        """Gives the pin back."""
        if self._device is not None:
            self._device.close()
        self._device = None

    def _tell(self, event: core.Event) -> None:
        match event:
            case core.Pressed():
                self._on_press()
            case core.Stuck():
                log.warning(
                    "the button is stuck, down for %.0f s; free it, or see whether its wires touch",
                    self._rules.stuck_s,
                )
            case core.Released():
                log.info("the button is free again")


class Light:
    """The status light."""

    def __init__(self, pin: int) -> None:
        self.name = "light"
        self.pin = pin
        self._device: Any = None
        self._show: Show | None = None
        self._changes: Iterator[tuple[bool, float]] = iter(())
        self._due = math.inf

    def open(self, now: float) -> None:
        """Takes the pin, dark."""
        from gpiozero import LED

        self._device = LED(self.pin)
        if self._show is not None:
            self.show(self._show, now)

    def show(self, show: Show, now: float) -> None:
        """Begins the rhythm that belongs to `show`."""
        self._show = show
        self._changes = lights.changes(show)
        self._due = now

    def tick(self, now: float) -> float:
        """Switches when it is time."""
        if now >= self._due:
            on, seconds = next(self._changes)
            self._device.value = on
            self._due = now + seconds
        return self._due

    def close(self) -> None:
        """Gives the pin back, dark."""
        if self._device is not None:
            self._device.close()
        self._device = None


_NO_START = "the program for its pin does not start; its error is above"


class Pulsed:
    """A door release or a chime: on for a pulse, which a program of its own takes care of."""

    def __init__(
        self, name: str, pin: int, command: list[str], put: Callable[[Said], None]
    ) -> None:
        self.name = name
        self.pin = pin
        self.door: DoorRelease = "none"
        """What it does, seen as a door release."""
        self._command = command
        self._put = put
        self._relay: Relay | None = None
        self._key = object()
        self._failure = ""

    def open(self, now: float) -> None:
        """Starts the program. Whether it has the pin is known when it speaks."""
        key = self._key = object()
        self._relay = Relay(self._command, lambda text: self._put(Said(key, text)))

    def pulse(self) -> None:
        """Switches it on for its time, unless it is on."""
        if self._relay is not None and self.door != "none":
            self._relay.pulse()

    def hear(self, said: Said) -> bool:
        """Takes note of what its program said, and whether it was its own.

        An earlier program's words do not count, nor those of another part's.

        Raises:
            HardwareError: it cannot have the pin yet, or it has ended.
        """
        if said.key is not self._key:
            return False
        word, _, rest = said.text.partition(" ")
        match word:
            case "ready" | "off":
                self.door = "closed"
            case "on":
                self.door = "open"
                log.info("the %s is on", self.name)
            case "failed":
                self._failure = rest
                raise ProgramWaits(rest)
            case _ if self.door != "none":
                raise ProgramDied("the program that held its pin died")
            case _:
                raise HardwareError(self._failure or _NO_START)
        return True

    def tick(self, now: float) -> float:
        """Does nothing by itself."""
        return math.inf

    def close(self) -> None:
        """Ends the program."""
        self.door = "none"
        self._key = object()
        self._failure = ""
        if self._relay is not None:
            self._relay.close()
        self._relay = None


def explain(part: Part, error: Exception) -> str:
    """What is wrong with a part and what to do, in one line."""
    return str(error) if isinstance(error, HardwareError) else pins.cure(error, part.pin)
