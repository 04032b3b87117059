"""What the page reports about the network, as the bitrate of the door's camera."""

from __future__ import annotations

import asyncio
import logging

from aiortc import RTCRtpSender

from ..core.bitrate import Bitrate
from ..core.ports import Door
from . import hooks

log = logging.getLogger(__name__)


class Steering:
    """Steers the camera while its connection serves a call. Another call's it leaves alone."""

    def __init__(self, sender: RTCRtpSender, door: Door) -> None:
        self._camera = door.camera
        self._bounds = door.bitrate
        self._bitrate: Bitrate | None = None
        hooks.on_key_frame_request(sender, self._camera.force_key_frame)
        hooks.on_bandwidth_estimate(sender, self._estimated)
        hooks.on_loss(sender, self._lost)

    def begin(self) -> None:
        """The call begins: whatever the last one ended with is forgotten."""
        self._bitrate = Bitrate(self._bounds, asyncio.get_running_loop().time())
        self._camera.set_bitrate(self._bitrate.target_bps)

    def rest(self) -> None:
        """The call is over."""
        self._bitrate = None

    def _estimated(self, bps: int) -> None:
        if self._bitrate is not None:
            self._aim(self._bitrate.estimated(bps))

    def _lost(self, share: float) -> None:
        if self._bitrate is not None:
            self._aim(self._bitrate.lost(share, asyncio.get_running_loop().time()))

    def _aim(self, bps: int | None) -> None:
        if bps is not None:
            log.debug("the camera aims at %d kbit/s", bps // 1000)
            self._camera.set_bitrate(bps)
