"""What the page says of the picture, as wishes to the door's camera."""

from __future__ import annotations

import asyncio
import logging

from ..core.bitrate import Bitrate
from ..core.loss import Loss
from ..core.ports import Door

log = logging.getLogger(__name__)


class Steering:
    """Steers the camera while its connection serves a call. Another call's it leaves alone."""

    def __init__(self, door: Door) -> None:
        self._camera = door.camera
        self._bounds = door.bitrate
        self._bitrate: Bitrate | None = None
        self._loss = Loss()

    def begin(self) -> None:
        """The call begins: whatever the last one ended with is forgotten."""
        self._bitrate = Bitrate(self._bounds, asyncio.get_running_loop().time())
        self._camera.set_bitrate(self._bitrate.target_bps)

    def rest(self) -> None:
        """The call is over."""
        self._bitrate = None

    @property
    def target_bps(self) -> int:
        """What the camera's encoder aims at, in bits per second; nought between calls."""
        return self._bitrate.target_bps if self._bitrate is not None else 0

    def want_key_frame(self) -> None:
        """The page cannot go on, or not begin, without a key frame."""
        if self._bitrate is not None:
            self._camera.force_key_frame()

    def estimated(self, bps: int) -> None:
        """The network is thought to carry `bps` bits per second."""
        if self._bitrate is not None:
            self._aim(self._bitrate.estimated(bps))

    def reported(self, lost: int, highest: int) -> None:
        """The page missed so many packets of those up to this one in sequence."""
        if self._bitrate is None:
            return
        now = asyncio.get_running_loop().time()
        share = self._loss.reported(lost, highest, now)
        if share is not None:
            self._aim(self._bitrate.lost(share, now))

    def _aim(self, bps: int | None) -> None:
        if bps is not None:
            log.debug("the camera aims at %d kbit/s", bps // 1000)
            self._camera.set_bitrate(bps)
