"""Everything that can be set, section by section."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta

from .ice import IceConfig
from .parts import CameraConfig, MicrophoneConfig, PanelConfig, SoundsConfig, SpeakerConfig
from .table import Table

_ROOM = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""A UUID as messages spell it."""
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s]+/?")
"""Scheme, host and port of a page (RFC 6454, section 6.2)."""


class CallConfig(Table, frozen=True):
    """How long a call may take."""

    ring_s: Annotated[
        float, Meta(gt=0, le=120, description="a ring waits this long for an answer")
    ] = 45.0
    connect_s: Annotated[
        float, Meta(gt=0, le=120, description="connecting to a page may take this long")
    ] = 15.0
    talk_s: Annotated[
        float, Meta(gt=0, le=86400, description="a call ends by itself after this")
    ] = 600.0


class ServeConfig(Table, frozen=True):
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
        """Refuses a room that nobody can join, and an origin that no page has."""
        if not all(_ORIGIN.fullmatch(origin) for origin in self.origins):
            raise ValueError("an origin there is not SCHEME://HOST[:PORT]")
        if not all(_ROOM.fullmatch(room) for room in self.rooms):
            raise ValueError("a room there is no UUID; put the `room` of each door there")


class LogConfig(Table, frozen=True):
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


class Config(Table, frozen=True):
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
            description="the room, a UUID, as /proc/sys/kernel/random/uuid has a new one each "
            "time; whoever knows it can see and answer the door: keep it secret"
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
