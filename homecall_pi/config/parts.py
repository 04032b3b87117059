"""What can be set of the parts at the door."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from .table import Table

_Pin: TypeAlias = Annotated[int, Meta(ge=-1, le=27)]
_Level: TypeAlias = Literal["high", "low"]


class PanelConfig(Table, frozen=True):
    """The button, the light, the door release and the chime on a Raspberry Pi (docs/hardware.md).

    Pins are given by their GPIO number, not by their place on the header.
    """

    source: Annotated[
        Literal["none", "gpio"],
        Meta(description="gpio: the pins of a Raspberry Pi; none: a door without all this"),
    ] = "none"
    button_pin: Annotated[_Pin, Meta(description="the button's GPIO; -1: not wired")] = 17
    button_pull: Annotated[
        Literal["up", "down"],
        Meta(description="up: the button connects its pin to ground; down: to 3.3 V"),
    ] = "up"
    debounce_s: Annotated[
        float, Meta(ge=0, le=0.5, description="the button's contact must be steady for so long")
    ] = 0.02
    gap_s: Annotated[
        float, Meta(ge=0, le=60, description="a press this soon after another is none")
    ] = 1.0
    stuck_s: Annotated[
        float,
        Meta(ge=1, le=3600, description="a button that is down for so long is reported as stuck"),
    ] = 30.0
    led_pin: Annotated[_Pin, Meta(description="the light's GPIO; -1: not wired")] = 27
    relay_pin: Annotated[
        _Pin, Meta(description="the door release's GPIO, 23 in the diagram; -1: not wired")
    ] = -1
    relay_active: Annotated[_Level, Meta(description="level of the pin that opens the door")] = (
        "high"
    )
    relay_s: Annotated[
        float, Meta(ge=0.1, le=10, description="the door release is on for so long, never longer")
    ] = 3.0
    chime_pin: Annotated[
        _Pin,
        Meta(description="GPIO of a gong for each press, 24 in the diagram; -1: not wired"),
    ] = -1
    chime_active: Annotated[_Level, Meta(description="level of the pin that sounds the gong")] = (
        "high"
    )
    chime_s: Annotated[float, Meta(ge=0.05, le=5, description="the gong is on for so long")] = 0.5

    def __post_init__(self) -> None:
        """Refuses two parts on one pin."""
        pins = [self.button_pin, self.led_pin, self.relay_pin, self.chime_pin]
        used = [pin for pin in pins if pin >= 0]
        twice = {pin for pin in used if used.count(pin) > 1}
        if twice:
            raise ValueError(f"GPIO {min(twice)} is given twice: each part needs its own pin")


_Bitrate: TypeAlias = Annotated[int, Meta(ge=100_000, le=10_000_000)]


class CameraConfig(Table, frozen=True):
    """The camera and its encoder (docs/camera.md)."""

    source: Annotated[
        Literal["none", "picamera2", "v4l2", "file", "test", "fake"],
        Meta(
            description="picamera2: a Raspberry Pi's camera on the ribbon cable; v4l2: a webcam; "
            "file: a clip, over and over; test: a test picture; fake: a visitor in the rain; "
            "none: no picture"
        ),
    ] = "none"
    file: Annotated[str, Meta(description="the clip, with file")] = ""
    device: Annotated[str, Meta(min_length=1, description="the webcam, with v4l2")] = "/dev/video0"
    width: Annotated[
        int, Meta(ge=160, le=1920, multiple_of=2, description="width of the picture")
    ] = 1280
    height: Annotated[
        int, Meta(ge=120, le=1080, multiple_of=2, description="height of the picture")
    ] = 720
    fps: Annotated[int, Meta(ge=5, le=60, description="pictures per second")] = 30
    bitrate_bps: Annotated[
        _Bitrate,
        Meta(description="at the start of a call, within the bounds; then the network decides"),
    ] = 1_500_000
    min_bitrate_bps: Annotated[_Bitrate, Meta(description="on the worst network")] = 250_000
    max_bitrate_bps: Annotated[_Bitrate, Meta(description="on the best network")] = 2_500_000
    rotation: Annotated[
        Literal[0, 180], Meta(description="180: the camera is mounted upside down")
    ] = 0
    hflip: Annotated[bool, Meta(description="mirror left and right")] = False
    vflip: Annotated[bool, Meta(description="mirror top and bottom")] = False
    night_fps: Annotated[
        int,
        Meta(
            ge=1,
            le=60,
            description="pictures per second in the dark, if fewer, each exposed for longer "
            "(picamera2)",
        ),
    ] = 15
    warm_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="the camera stays on for so long after a call, ready for the next",
        ),
    ] = 0.0

    def __post_init__(self) -> None:
        """Refuses bounds that leave no bitrate, and a clip without a name."""
        if self.source == "file" and not self.file:
            raise ValueError('source = "file" plays a clip: name it as `file`')
        if self.min_bitrate_bps > self.max_bitrate_bps:
            raise ValueError(
                f"min_bitrate_bps is {self.min_bitrate_bps} and max_bitrate_bps less: "
                f"{self.max_bitrate_bps}"
            )


_Device: TypeAlias = Annotated[
    str,
    Meta(description="part of the card's name (docs/sound.md), or its index; empty: the default"),
]
_Gain: TypeAlias = Annotated[float, Meta(ge=-60, le=30, description="louder or softer")]


class MicrophoneConfig(Table, frozen=True):
    """The microphone (docs/sound.md)."""

    source: Annotated[
        Literal["none", "pyaudio", "fake"],
        Meta(description="pyaudio: a sound card; fake: plays a recording; none: no sound"),
    ] = "none"
    device: _Device = ""
    gain_db: _Gain = 0.0
    mute: Annotated[bool, Meta(description="the family hears nothing")] = False
    echo_canceller: Annotated[
        bool,
        Meta(description="takes echo and noise out; false for a speakerphone that has its own"),
    ] = True
    file: Annotated[str, Meta(description="the recording that the fake plays; empty: its own")] = ""


class SpeakerConfig(Table, frozen=True):
    """The loudspeaker (docs/sound.md)."""

    source: Annotated[
        Literal["none", "pyaudio", "fake"],
        Meta(description="pyaudio: a sound card; fake: plays to nobody; none: no sound"),
    ] = "none"
    device: _Device = ""
    gain_db: _Gain = 0.0
    mute: Annotated[bool, Meta(description="the visitor hears nothing")] = False
    file: Annotated[
        str, Meta(description="WAV file in which the fake records the present or last call")
    ] = ""


class SoundsConfig(Table, frozen=True):
    """What the visitor hears of a call, beside the family (docs/sound.md).

    Each has a built-in tone, in whose place a recording may be named, a file.
    """

    on: Annotated[bool, Meta(description="false: none of these sounds")] = True
    gain_db: _Gain = 0.0
    chime: Annotated[str, Meta(description="recording for a press")] = ""
    ring_back: Annotated[
        str,
        Meta(description="recording that is repeated until somebody answers: end it with a pause"),
    ] = ""
    answered: Annotated[str, Meta(description="recording for when somebody answered")] = ""
    declined: Annotated[str, Meta(description="recording for when somebody declined")] = ""
    no_answer: Annotated[str, Meta(description="recording for when nobody answered")] = ""
    offline: Annotated[str, Meta(description="recording for when the family cannot be reached")] = (
        ""
    )
    reconnecting: Annotated[
        str,
        Meta(description="recording that is repeated until a lost connection is back"),
    ] = ""
    ended: Annotated[str, Meta(description="recording for the end of a call")] = ""
