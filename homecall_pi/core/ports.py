"""What the door is made of, as the rest of the program sees it.

Every method is called on the event loop's thread and returns at once; sinks are called there too,
whatever threads a part has inside. A part that fails raises nothing: it logs once what is wrong,
delivers nothing, and tries again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import msgspec

from .actions import Show
from .bitrate import Bounds
from .progress import Progress

SAMPLE_RATE = 48_000
"""Samples per second of all sound inside the program: one channel of signed 16-bit integers."""
BLOCK_SAMPLES = 480
"""Samples in one block of sound: 10 ms, the frame that echo cancellers work on."""
CHUNK_BLOCKS = 2
"""Blocks that move at once where waking up costs more than the work does. An Opus packet has as
many, and waits for the second one anyhow."""
CHUNK_SAMPLES = CHUNK_BLOCKS * BLOCK_SAMPLES
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
    bitrate: Bounds = Bounds()
    """Between what bounds the camera's bitrate is steered."""
    progress: tuple[Progress, ...] = ()
    """Of the parts' threads, as far as they could hang and cannot heal themselves."""


DoorRelease: TypeAlias = Literal["none", "closed", "open"]
"""What the door release does; none: there is none, or it does not work."""


class Panel(Protocol):
    """The button, whatever shows the visitor that something happens, and the door release."""

    def start(self, on_press: Callable[[], None]) -> None:
        """Reports presses from now on."""

    def show(self, show: Show) -> None:
        """Lets the visitor see or hear the state of the call."""

    def release_door(self) -> None:
        """Lets the visitor in, for a time that is set; does nothing where `door` is none."""

    @property
    def door(self) -> DoorRelease:
        """What the door release does."""

    def stop(self) -> None:
        """Reports no more presses."""


class Camera(Protocol):
    """A camera with its encoder. It is off between `stop` and `start`."""

    def start(self, sink: Callable[[AccessUnit], None]) -> None:
        """Switches the camera on; access units go to `sink`."""

    def force_key_frame(self) -> None:
        """Makes the next picture a key frame."""

    def set_bitrate(self, bps: int) -> None:
        """Makes the encoder aim at `bps` bits per second, where it can."""

    async def still(self) -> bytes:
        """The next picture as a JPEG; the camera goes on for it if it is off.

        Raises:
            HardwareError: none came in time.
        """

    def stop(self) -> None:
        """Switches the camera off, or lets it run on for a while without a sink."""


class Microphone(Protocol):
    """A source of sound. It is off between `stop` and `start`."""

    def start(self, sink: Callable[[bytes], None]) -> None:
        """Starts capture; sound, one or more whole blocks, goes to `sink` in real time."""

    def stop(self) -> None:
        """Stops capture."""


class Speaker(Protocol):
    """The loudspeaker at the door."""

    def start(self, on_room: Callable[[], None]) -> None:
        """Opens the loudspeaker to the voice; `on_room` is called each time it has taken some.

        So the loudspeaker sets the pace; it also calls when there was nothing to take.
        """

    @property
    def waiting(self) -> int:
        """Blocks queued and not yet taken."""

    def sound(self, once: bytes, then: bytes = b"") -> None:
        """Plays samples of the door's own over the voice: `once`, then `then` over and over.

        They take the place of those before; empty ones are silence. The loudspeaker opens for them
        by itself.
        """

    def play(self, sound: bytes) -> None:
        """Queues one or more whole blocks; the oldest are dropped when too many wait."""

    def stop(self) -> None:
        """Closes the loudspeaker to the voice; what waits of it is dropped."""
