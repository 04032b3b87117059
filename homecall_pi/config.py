"""The configuration: one TOML file, every key of it also a flag of `homecall-pi run`.

The structs below are the whole truth: the file's keys, the flags, their meaning in `--help`, in
config/config.toml and in docs/configuration.md, and the checks all come from them. After a change
here, `scripts/reference` writes these two anew.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import secrets
import tomllib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import Meta

from .core import turn
from .core.seal import KEY_BYTES
from .errors import OperatorError

DEFAULT_PATH = Path("/etc/homecall-pi/config.toml")

_ICE_URL = r"^(stuns?:[\w.-]+(:\d{1,5})?|turns?:[\w.-]+(:\d{1,5})?(\?transport=(udp|tcp))?)$"
"""RFC 7064 and RFC 7065, without IPv6 literals."""


_ROOM = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""A UUID as messages spell it."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class CallConfig(_Section, frozen=True):
    """How long a call may take."""

    ring_s: Annotated[
        float, Meta(gt=0, le=600, description="a ring waits this long for an answer")
    ] = 45.0
    connect_s: Annotated[
        float, Meta(gt=0, le=120, description="connecting to a page may take this long")
    ] = 15.0
    talk_s: Annotated[
        float, Meta(gt=0, le=86400, description="a call ends by itself after this")
    ] = 600.0


_Pin: TypeAlias = Annotated[int, Meta(ge=-1, le=27)]
_Level: TypeAlias = Literal["high", "low"]


class PanelConfig(_Section, frozen=True):
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


class CameraConfig(_Section, frozen=True):
    """The camera and its encoder (docs/camera.md)."""

    source: Annotated[
        Literal["none", "picamera2", "v4l2", "fake", "test"],
        Meta(
            description="picamera2: a Raspberry Pi's camera on the ribbon cable; v4l2: a webcam; "
            "fake: plays a clip with a running clock; test: a test picture; none: no picture"
        ),
    ] = "none"
    file: Annotated[str, Meta(description="the clip that the fake plays; empty: its own")] = ""
    device: Annotated[str, Meta(min_length=1, description="the webcam, with v4l2")] = "/dev/video0"
    width: Annotated[
        int, Meta(ge=160, le=1920, multiple_of=2, description="width of the picture")
    ] = 1280
    height: Annotated[
        int, Meta(ge=120, le=1080, multiple_of=2, description="height of the picture")
    ] = 720
    fps: Annotated[int, Meta(ge=5, le=60, description="pictures per second")] = 30
    bitrate_bps: Annotated[
        _Bitrate, Meta(description="at the start of a call; then the network decides")
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
            description="pictures per second in the dark, each exposed for longer (picamera2)",
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


_Device: TypeAlias = Annotated[
    str,
    Meta(description="part of the card's name (docs/sound.md), or its index; empty: the default"),
]
_Gain: TypeAlias = Annotated[float, Meta(ge=-60, le=30, description="louder or softer")]


class MicrophoneConfig(_Section, frozen=True):
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


class SpeakerConfig(_Section, frozen=True):
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


class SoundsConfig(_Section, frozen=True):
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


class IceServer(_Section, frozen=True):
    """One STUN or TURN server, as in the browsers' RTCIceServer, or with a shared secret."""

    urls: Annotated[
        tuple[Annotated[str, Meta(pattern=_ICE_URL)], ...],
        Meta(
            min_length=1,
            description="its addresses: stun:HOST[:PORT], turn:HOST[:PORT] with or without "
            "?transport=tcp, turns:HOST[:PORT]",
        ),
    ]
    username: Annotated[str | None, Meta(description="to log in to a TURN server")] = None
    credential: Annotated[str | None, Meta(description="the password that goes with it")] = None
    secret: Annotated[
        str | None,
        Meta(
            description="in place of a password: coturn's static-auth-secret, from which passwords "
            "are made that run out"
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuses what browsers refuse, together with all the other servers."""
        if self.credential and self.secret:
            raise ValueError("credential and secret are both given: keep the one the server knows")
        relays = any(url.startswith("turn") for url in self.urls)
        if relays and not (self.username and self.credential) and not self.secret:
            raise ValueError("a turn server needs username and credential, or secret")

    def login(self, now: float) -> tuple[str | None, str | None]:
        """Username and credential, at `now` in seconds since 1970."""
        if self.secret:
            return turn.credentials(self.secret, self.username or "", now)
        return self.username, self.credential


class IceConfig(_Section, frozen=True):
    """STUN and TURN servers, for connections across networks (docs/turn.md)."""

    servers: Annotated[
        tuple[IceServer, ...],
        Meta(
            description="the door uses them; a signaling server hands them to its page",
            examples=[
                [
                    {"urls": ["stun:stun.example.org"]},
                    {
                        "urls": ["turn:turn.example.org"],
                        "username": "door",
                        "credential": "password",
                    },
                    {
                        "urls": ["turns:turn.example.org:5349"],
                        "secret": "the static-auth-secret of a coturn",
                    },
                ]
            ],
        ),
    ] = ()
    policy: Annotated[
        Literal["all", "relay"],
        Meta(
            description="relay: calls go through a TURN server alone, so that neither side learns "
            "the other's address; all: they go the best way there is"
        ),
    ] = "all"


class ServeConfig(_Section, frozen=True):
    """The signaling server and the family's page, `homecall-pi serve` (docs/server.md)."""

    host: Annotated[
        str,
        Meta(min_length=1, description="address to listen on; ::, every address of the machine"),
    ] = "localhost"
    port: Annotated[int, Meta(ge=0, le=65535, description="port to listen on; 0: any")] = 8443
    tls_cert: Annotated[str, Meta(description="file with the certificate chain, PEM")] = ""
    tls_key: Annotated[str, Meta(description="file with its private key, PEM")] = ""
    behind_proxy: Annotated[
        bool, Meta(description="plain HTTP on any address, because a proxy in front does TLS")
    ] = False
    origins: Annotated[
        tuple[str, ...],
        Meta(
            description="further origins whose pages may connect",
            examples=[["https://door.example.org"]],
        ),
    ] = ()
    rooms: Annotated[
        tuple[str, ...],
        Meta(
            description="the only rooms that are served: the `room` of each door; empty: any room",
            examples=[["5b0f8a4e-6c1d-4b7e-9f0a-2d3c4e5f6a7b"]],
        ),
    ] = ()

    def __post_init__(self) -> None:
        """Refuses a room that nobody can join."""
        if not all(_ROOM.fullmatch(room) for room in self.rooms):
            raise ValueError("a room there is no UUID; put the `room` of each door there")


class LogConfig(_Section, frozen=True):
    """What is told, and how (docs/logs.md)."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="the least that is told")
    ] = "info"
    format: Annotated[
        Literal["auto", "console", "journal"],
        Meta(
            description="journal: with fields; console: lines on stderr; auto: by where stderr goes"
        ),
    ] = "auto"


class Config(_Section, frozen=True):
    """The door, and where the family meets it."""

    server: Annotated[
        str,
        Meta(
            description="the signaling server, wss://HOST[:PORT]/signal; ws:// is accepted for "
            "this machine alone",
            examples=["wss://call.example.org/signal"],
        ),
    ] = ""
    room: Annotated[
        str,
        Meta(
            description="the room, a UUID, made by `uuidgen`; whoever knows it can see and answer "
            "the door: keep it secret"
        ),
    ] = ""
    key: Annotated[
        str,
        Meta(
            description="the key in the family's link, made by `homecall-pi new-key`: with it, "
            "door and page find out a signaling server that puts itself between them "
            "(docs/security.md); a new key is a new link"
        ),
    ] = ""
    verify: Annotated[
        Literal["off", "prefer", "require"],
        Meta(
            description="require: only pages with the key get a call; prefer: also those without, "
            "but they cannot open the door; off: the key is not used"
        ),
    ] = "prefer"
    name: Annotated[
        str, Meta(min_length=1, max_length=64, description="what the family sees as the caller")
    ] = "Front door"
    control: Annotated[
        str,
        Meta(
            description="the socket behind `homecall-pi ring`, `hangup`, `release` and `status`; "
            "empty: the default place"
        ),
    ] = ""
    call: CallConfig = CallConfig()
    panel: PanelConfig = PanelConfig()
    camera: CameraConfig = CameraConfig()
    microphone: MicrophoneConfig = MicrophoneConfig()
    speaker: SpeakerConfig = SpeakerConfig()
    sounds: SoundsConfig = SoundsConfig()
    ice: IceConfig = IceConfig()
    serve: ServeConfig = ServeConfig()
    log: LogConfig = LogConfig()


def load(path: Path | None, overrides: Mapping[str, Any]) -> Config:
    """The file at `path` with `overrides` (nested like the file) on top.

    Without `path`, the file at DEFAULT_PATH is used if there is one.

    Raises:
        OperatorError: unreadable file, unknown key or bad value; the message names file and key.
    """
    values: dict[str, Any] = {}
    if path is not None or _is_there(DEFAULT_PATH):
        path = path or DEFAULT_PATH
        values = _read(path)
        _convert(values, str(path))
    return _convert(_merge(values, overrides), "command line")


def _is_there(path: Path) -> bool:
    """Whether there is a file, or something that hides whether there is one."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"{path}: cannot be read: {error}; give a readable file with --config, or use sudo"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise OperatorError(f"{path}: is not TOML: {error}; mend that line") from None


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        nested = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merge(below, value) if nested else value  # type: ignore[arg-type]
    return merged


def _convert(values: Mapping[str, Any], source: str) -> Config:
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise OperatorError(f"{source}: {_explain(str(error))}") from None


def _explain(error: str) -> str:
    """A validation error of msgspec's as "KEY: what is wrong; the cure"."""
    text, _, place = error.partition(" - at `$")
    section = place.rstrip("`").lstrip(".")
    if unknown := re.search("unknown field `(.+)`", text):
        key = f"{section}.{unknown[1]}".lstrip(".")
        return f"{key}: no such key; the keys there are: {', '.join(_keys(section))}"
    return f"{section}: {text[:1].lower()}{text[1:]}; see `homecall-pi config --help`"


def _keys(section: str) -> tuple[str, ...]:
    if section.startswith("ice.servers"):
        return IceServer.__struct_fields__
    struct: msgspec.Struct = getattr(Config(), section) if section else Config()
    return struct.__struct_fields__


def require_server(config: Config) -> str:
    """The server's URL, checked.

    Raises:
        OperatorError: it is missing or of no use.
    """
    if not config.server:
        raise OperatorError("server: is not set; give --server wss://HOST/signal")
    url = _split(config.server)
    if url is None:
        raise OperatorError(f"server: {config.server!r} is no address; give wss://HOST/signal")
    if url.scheme == "ws" and not is_loopback(url.hostname or ""):
        raise OperatorError(
            "server: ws:// is not encrypted and accepted for this machine alone; "
            f"give wss://{url.netloc}{url.path.rstrip('/') or '/signal'}"
        )
    if url.path in {"", "/"}:
        raise OperatorError(
            f"server: {config.server!r} lacks the path; give {url.scheme}://{url.netloc}/signal"
        )
    return config.server


def _split(address: str) -> SplitResult | None:
    """The parts of a WebSocket address that can be connected to and shown in a link."""
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        return None
    fits = url.scheme in {"ws", "wss"} and url.hostname and port != 0
    return None if not fits or url.fragment or "@" in url.netloc else url


def require_room(config: Config) -> str:
    """The room's UUID, checked and in its usual form.

    Raises:
        OperatorError: it is missing or no UUID.
    """
    if not config.room:
        raise OperatorError(
            f"room: is not set; give --room UUID, for instance a new one: {uuid.uuid4()}"
        )
    try:
        return str(uuid.UUID(config.room))
    except ValueError:
        raise OperatorError(
            f"room: what is given is no UUID; a new one would be {uuid.uuid4()}"
        ) from None


def new_key() -> str:
    """A key for the link, of a length that nobody guesses."""
    return secrets.token_urlsafe(KEY_BYTES)


def link_key(config: Config) -> bytes:
    """The key by which calls are verified; empty if they are not.

    Raises:
        OperatorError: it is of no use, or missing where it is required.
    """
    if config.verify == "require" and not config.key:
        raise OperatorError(
            'verify: "require" needs a key; put `key = "…"` there, made by `homecall-pi new-key`'
        )
    if config.verify == "off" or not config.key:
        return b""
    try:
        key = base64.b64decode(config.key + "==", b"-_", validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or base64.urlsafe_b64encode(key).decode() != config.key + "==":
        raise OperatorError(
            "key: what is given is none, or not all of it; make one by `homecall-pi new-key`"
        )
    return key


def require_ice(config: Config) -> IceConfig:
    """The STUN and TURN servers, checked.

    Raises:
        OperatorError: calls could never connect.
    """
    urls = [url for server in config.ice.servers for url in server.urls]
    if config.ice.policy == "relay" and not any(url.startswith("turn") for url in urls):
        raise OperatorError("ice.policy: relay needs a TURN server; add one to ice.servers")
    return config.ice


def family_link(config: Config) -> str:
    """The link that the family opens. What follows the `#` never leaves their browsers.

    Raises:
        OperatorError: server, room or key is missing or of no use.
    """
    url = urlsplit(require_server(config))
    scheme = "https" if url.scheme == "wss" else "http"
    fragment = f"#k={config.key}" if link_key(config) else ""
    return f"{scheme}://{url.netloc}/?room={require_room(config)}{fragment}"


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
