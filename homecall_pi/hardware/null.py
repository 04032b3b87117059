"""Parts that are not there. A door without them still does the rest."""

from __future__ import annotations

from collections.abc import Callable

from ..core.actions import Show
from ..core.ports import AccessUnit, DoorRelease
from ..errors import HardwareError


class NullPanel:
    """No button: presses come over the control socket."""

    def start(self, on_press: Callable[[], None]) -> None:
        """Reports nothing."""

    def show(self, show: Show) -> None:
        """Shows nothing."""

    def release_door(self) -> None:
        """Has no door to release."""

    @property
    def door(self) -> DoorRelease:
        """There is none."""
        return "none"

    def stop(self) -> None:
        """Has nothing to stop."""


class NullCamera:
    """No camera: the page gets no picture."""

    def start(self, sink: Callable[[AccessUnit], None]) -> None:
        """Delivers nothing."""

    def force_key_frame(self) -> None:
        """Has no picture to make a key frame of."""

    def set_bitrate(self, bps: int) -> None:
        """Has no encoder."""

    async def still(self) -> bytes:
        """Has no picture to give."""
        raise HardwareError("there is no camera")

    def stop(self) -> None:
        """Has nothing to stop."""


class NullMicrophone:
    """No microphone: the page hears nothing."""

    def start(self, sink: Callable[[bytes], None]) -> None:
        """Delivers nothing."""

    def stop(self) -> None:
        """Has nothing to stop."""


class NullSpeaker:
    """No loudspeaker: nobody at the door hears the family."""

    def start(self, on_room: Callable[[], None]) -> None:
        """Opens nothing."""

    @property
    def waiting(self) -> int:
        """Takes no blocks, as if it were full."""
        return 1_000_000

    def sound(self, once: bytes, then: bytes = b"") -> None:
        """Plays to nobody."""

    def play(self, sound: bytes) -> None:
        """Drops the sound."""

    def stop(self) -> None:
        """Has nothing to stop."""
