"""What the door is made of, as the rest of the program sees it.

Every method is called on the event loop's thread and returns at once; sinks are called there too,
whatever threads a part has inside. A part that fails raises nothing: it logs once what is wrong,
delivers nothing, and tries again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from .call import Show

SAMPLE_RATE = 48_000
"""Samples per second of all sound inside the program: one channel of signed 16-bit integers."""
BLOCK_SAMPLES = 960
"""Samples in one block of sound: 20 ms, one Opus frame."""
VIDEO_CLOCK_HZ = 90_000
"""Ticks per second of an access unit's time (RFC 6184, section 8.2.1)."""


class AccessUnit(msgspec.Struct, frozen=True):
    """One encoded picture: H.264 constrained baseline, Annex B, SPS and PPS before a key frame."""

    data: bytes
    pts: int
    """Time of capture in ticks of VIDEO_CLOCK_HZ."""
    key_frame: bool


class Door(msgspec.Struct, frozen=True):
    """All the parts of one door."""

    panel: Panel
    camera: Camera
    microphone: Microphone
    speaker: Speaker


class Panel(Protocol):
    """The button and whatever shows the visitor that something happens."""

    def start(self, on_press: Callable[[], None]) -> None:
        """Reports presses from now on."""

    def show(self, show: Show) -> None:
        """Lets the visitor see or hear the state of the call."""

    def stop(self) -> None:
        """Reports no more presses."""


class Camera(Protocol):
    """A camera with its encoder. It is off between `stop` and `start`."""

    def start(self, sink: Callable[[AccessUnit], None]) -> None:
        """Switches the camera on; access units go to `sink`."""

    def force_key_frame(self) -> None:
        """Makes the next picture a key frame."""

    def stop(self) -> None:
        """Switches the camera off."""


class Microphone(Protocol):
    """A source of sound. It is off between `stop` and `start`."""

    def start(self, sink: Callable[[bytes], None]) -> None:
        """Starts capture; blocks of BLOCK_SAMPLES samples go to `sink` in real time."""

    def stop(self) -> None:
        """Stops capture."""


class Speaker(Protocol):
    """The loudspeaker at the door."""

    def start(self) -> None:
        """Opens the loudspeaker."""

    def play(self, block: bytes) -> None:
        """Queues one block of BLOCK_SAMPLES samples; the oldest is dropped when too many wait."""

    def stop(self) -> None:
        """Closes the loudspeaker; what waits is dropped."""
