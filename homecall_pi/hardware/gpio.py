"""The panel at the pins of a Raspberry Pi, by gpiozero: button, light, door release, chime.

One thread owns it all. gpiozero's callbacks, the programs that hold the relays, and the event loop
put messages into its inbox; presses go to the loop by a mailbox. A part that cannot be had is told
in one line and tried again, as is one that fails later; the others go on.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from ..config.parts import PanelConfig
from ..core.actions import Show
from ..core.button import Rules
from ..core.ports import DoorRelease
from ..core.progress import Progress
from ..errors import HardwareError
from . import relay
from .gpio_parts import (
    Contact,
    Light,
    Part,
    Pins,
    ProgramDied,
    ProgramWaits,
    Pulsed,
    PushButton,
    Said,
    explain,
)
from .mailbox import Mailbox

log = logging.getLogger(__name__)

RETRY_S = 2.0
"""Seconds after which a part that could not be had is tried again, or is well if it was had."""
RESTART_S = 0.5
"""The same for a program that died: sooner, since a pin that nobody holds may still be driven."""

MAX_WAITING = 256
"""Messages that may wait, of those that come in any number: edges of a contact that flutters, and
wishes to release the door."""
LOOK_S = 10.0
"""Seconds after which the thread shows that it goes on, with nothing else to do."""
HANG_S = 30.0
"""Seconds after which it has hung: longer than it takes to import the libraries on a small Pi."""


class _ReleaseDoor:
    """The wish to let the visitor in."""


_Message: TypeAlias = Show | Contact | Said | _ReleaseDoor | None
"""None ends the thread."""


class GpioPanel:
    """The panel that the configuration describes."""

    def __init__(self, config: PanelConfig) -> None:
        self._config = config
        self._wiring: _Wiring | None = None
        self._mailbox: Mailbox[None] | None = None
        self.progress = Progress("panel", HANG_S)

    def start(self, on_press: Callable[[], None]) -> None:
        """Reports presses from now on."""
        mailbox = self._mailbox = Mailbox(lambda _: on_press(), capacity=4)
        self._wiring = _Wiring(self._config, lambda: mailbox.post(None), self.progress)
        threading.Thread(target=self._wiring.run, name="panel", daemon=True).start()

    def show(self, show: Show) -> None:
        """Lets the light show the state of the call."""
        if self._wiring is not None:
            self._wiring.put(show)

    def release_door(self) -> None:
        """Lets the visitor in, for the configured time."""
        if self._wiring is not None:
            self._wiring.put(_ReleaseDoor())

    @property
    def door(self) -> DoorRelease:
        """What the door release does."""
        return "none" if self._wiring is None else self._wiring.release.door

    def stop(self) -> None:
        """Reports no more presses, lets go of the door, and gives the pins back."""
        if self._wiring is not None and self._mailbox is not None:
            self._mailbox.close()
            self._wiring.put(None)
        self._wiring = self._mailbox = None


class _Wiring:
    """The parts and the loop of the thread that owns them."""

    def __init__(
        self, config: PanelConfig, on_press: Callable[[], None], progress: Progress
    ) -> None:
        # A SimpleQueue's `put` neither waits nor minds being called from within itself.
        self._inbox: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._on_press = on_press
        self._progress = progress
        put = self.put
        rules = Rules(config.debounce_s, config.gap_s, config.stuck_s)
        self._button = PushButton(config.button_pin, config.button_pull, rules, put, self._press)
        self._light = Light(config.led_pin)
        opening = relay.command(config.relay_pin, config.relay_active, config.relay_s)
        self.release = Pulsed("door release", config.relay_pin, opening, put)
        sounding = relay.command(config.chime_pin, config.chime_active, config.chime_s)
        self._chime = Pulsed("chime", config.chime_pin, sounding, put)
        parts: tuple[Part, ...] = (self._button, self._light, self.release, self._chime)
        self._pins = _Slot(Pins())
        self._slots = [_Slot(part) for part in parts if part.pin >= 0]

    def put(self, message: _Message) -> None:
        """Takes a message, or drops it when too many wait. Any thread."""
        if self._inbox.qsize() < MAX_WAITING or not isinstance(message, Contact | _ReleaseDoor):
            self._inbox.put(message)

    def run(self) -> None:
        """Owns the parts until None comes."""
        try:
            while True:
                self._progress.move(time.monotonic())
                due = self._tick(time.monotonic())
                try:
                    message = self._inbox.get(timeout=_wait_s(due))
                except queue.Empty:
                    continue
                if message is None:
                    self._progress.rest()
                    return
                self._take(message)
        finally:
            for slot in (*self._slots, self._pins):
                slot.close()

    def _tick(self, now: float) -> float:
        """Lets the parts do what is due; returns when the next thing is."""
        due = self._pins.tick(now)
        if not self._pins.is_open:  # one line in the log, not one for each part
            return due
        return min([slot.tick(now) for slot in self._slots], default=due)

    def _take(self, message: _Message) -> None:
        match message:
            case Show():
                self._light.show(message, time.monotonic())
            case Contact(closed=closed, at=at):
                self._button.edge(closed, at)
            case Said():
                for slot in self._slots:
                    slot.hear(message, time.monotonic())
            case _ReleaseDoor():
                self.release.pulse()

    def _press(self) -> None:
        self._on_press()
        self._chime.pulse()


class _Slot:
    """A part with its troubles."""

    def __init__(self, part: Part) -> None:
        self.is_open = False
        self._part = part
        self._retry_at = -math.inf
        self._well_at = math.inf
        """When a part that had trouble is taken to be well."""
        self._trouble = ""

    def tick(self, now: float) -> float:
        """Opens the part when that is due, or lets it do what is due; returns when next."""
        try:
            if not self.is_open and now >= self._retry_at:
                self._part.open(now)
                self.is_open = True
                if not isinstance(self._part, Pulsed):  # which is known when its program speaks
                    self._well_at = now + RETRY_S
            if self.is_open:
                return min(self._part.tick(now), self._recover(now))
        except Exception as error:  # of whatever library is under gpiozero
            self._fail(error, now)
        return self._retry_at

    def hear(self, said: Said, now: float) -> None:
        """Lets a part that has a program listen to it."""
        try:
            if isinstance(self._part, Pulsed) and self._part.hear(said):
                self._well_at = min(self._well_at, now + RETRY_S)
        except HardwareError as error:
            self._fail(error, now)

    def close(self) -> None:
        """Gives the pin back."""
        self.is_open = False
        try:
            self._part.close()
        except Exception as error:
            log.debug("closing the %s: %r", self._part.name, error)

    def _fail(self, error: Exception, now: float) -> None:
        """Tells the trouble, if it is not told yet, and lets go of the part for a while.

        What has a program that tries again by itself is left to it.
        """
        trouble = explain(self._part, error)
        if trouble != self._trouble:
            log.warning("the %s does not work: %s", self._part.name, trouble)
        self._trouble = trouble
        self._well_at = math.inf
        if isinstance(error, ProgramWaits):
            return
        self._retry_at = now + (RESTART_S if isinstance(error, ProgramDied) else RETRY_S)
        self.close()

    def _recover(self, now: float) -> float:
        """Tells that there is no trouble any more, once it has stayed away; returns when."""
        if not self._trouble:
            return math.inf
        if now < self._well_at:
            return self._well_at
        log.info("the %s works again", self._part.name)
        self._trouble = ""
        return math.inf


def _wait_s(due: float) -> float:
    """Seconds from now to `due`, or to a look that nothing calls for."""
    return min(LOOK_S, max(0.0, due - time.monotonic()))
