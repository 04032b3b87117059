"""A camera that is looked after: what goes wrong with it costs the picture, never the call."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial

from ..core.ports import AccessUnit
from ..core.progress import Progress
from . import still
from .mailbox import Mailbox
from .watch import Patience, Session, Source

log = logging.getLogger(__name__)

HANG_S = 30.0
"""Seconds without a picture, or an end, after which a driver is taken to hang for ever."""
UNITS_WAITING = 30
"""Access units that wait for a late event loop before the oldest is dropped."""


class WatchedCamera:
    """Any source of pictures as the camera of the door. All methods run on the loop's thread."""

    def __init__(
        self,
        open_source: Callable[[], Source],
        *,
        size: tuple[int, int],
        warm_s: float = 0.0,
        patience: Patience | None = None,
    ) -> None:
        self.open_source = open_source
        self._size = size
        self._warm_s = warm_s
        self._patience = patience or Patience()
        self._device = threading.Lock()
        self._session: Session | None = None
        self._mailbox: Mailbox[AccessUnit] | None = None
        self._for_stills: Mailbox[AccessUnit] | None = None
        """The mailbox while the camera is on for stills alone."""
        self._cooling: asyncio.TimerHandle | None = None
        self._stills = still.Waiting()
        self.progress = Progress("camera", HANG_S)

    def start(self, sink: Callable[[AccessUnit], None]) -> None:
        """Switches the camera on, or takes it over while it is warm."""
        self._detach()

        def deliver(unit: AccessUnit) -> None:
            self._stills.put(unit)
            sink(unit)

        self._mailbox = Mailbox(deliver, capacity=UNITS_WAITING)
        if self._session is None:
            self._switch_on()
        else:
            self._session.force_key_frame()

    def _switch_on(self, *, told: bool = False) -> None:
        """Tries again and again, while it is wanted, where no thread is to be had."""
        if self._session is not None or self._mailbox is None:
            return
        try:
            self._session = Session(
                self.open_source,
                self._post,
                size=self._size,
                patience=self._patience,
                device=self._device,
                progress=self.progress,
            )
        except RuntimeError as error:
            if not told:
                log.warning("the camera cannot be switched on: %s; trying again", error)
            again = partial(self._switch_on, told=True)
            asyncio.get_running_loop().call_later(self._patience.retry_s, again)

    def force_key_frame(self) -> None:
        """Makes the next picture a key frame."""
        if self._session is not None:
            self._session.force_key_frame()

    def set_bitrate(self, bps: int) -> None:
        """Aims at `bps` bits per second until the camera goes off."""
        if self._session is not None:
            self._session.set_bitrate(bps)

    async def still(self) -> bytes:
        """The next picture as a JPEG; the camera goes on for it if it is off.

        Raises:
            HardwareError: none came in time.
        """
        if self._mailbox is None:
            self._go_on_for_stills()
        try:
            return await self._stills.take(self.force_key_frame, self._patience.still_s)
        finally:
            if self._mailbox is not None and self._mailbox is self._for_stills:
                self.stop()

    def _go_on_for_stills(self) -> None:
        self.start(lambda _: None)
        self._for_stills = self._mailbox

    def stop(self) -> None:
        """Delivers nothing more; when all stills are made, the camera goes off after `warm_s`."""
        self._detach()
        if self._session is None:
            return
        if self._stills:
            self._go_on_for_stills()
        elif self._warm_s:
            loop = asyncio.get_running_loop()
            self._cooling = loop.call_later(self._warm_s, self._switch_off)
        else:
            self._switch_off()

    def _post(self, unit: AccessUnit) -> None:
        """Takes one access unit from a thread; between two calls nobody wants it."""
        mailbox = self._mailbox
        if mailbox is not None:
            mailbox.post(unit)

    def _detach(self) -> None:
        if self._cooling is not None:
            self._cooling.cancel()
            self._cooling = None
        if self._mailbox is not None:
            self._mailbox.close()
            self._mailbox = None

    def _switch_off(self) -> None:
        if self._session is not None:
            self._session.stop()
            self._session = None
