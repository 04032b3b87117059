"""Which checks a configuration asks for, and what each of them reads."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..config.link import require_room
from ..config.parts import CameraConfig
from ..config.schema import Config
from ..control import Status
from ..core.messages import Join
from . import camera, ice, machine, network, panel, service, settings, software, sound
from .check import Check
from .finding import Finding
from .service import DOOR, SERVER, Properties

SLOW_S = 30.0
"""Seconds that a Zero 2 W may need for importing a large library and starting what it drives."""
HARDWARE = {"gpio", "picamera2", "v4l2", "pyaudio"}
"""Sources behind which there are drivers and their libraries."""


def checks(path: Path | None, given: Mapping[str, Any], *, play: bool) -> list[Check]:
    """All that can be checked, in the order of the report; reads the configuration for it."""
    config, finding = settings.read(path, given)
    unit = service.properties(DOOR)
    status, daemon = service.ask(_control(config, given))
    found = [
        *_machine(),
        Check("config", lambda: finding),
        *_services(unit, daemon, devices(config) if config else []),
    ]
    if config is not None:
        _trust(unit)
        # One that runs may still not answer, or not us.
        runs = status is not None or unit.get("ActiveState") == "active"
        found += [*_parts(config, status, daemon_runs=runs, play=play)]
        found += [*_way(config, daemon_runs=runs)]
    return found


def _control(config: Config | None, given: Mapping[str, Any]) -> Path | None:
    """The daemon's socket, as far as a configuration that is of no use still tells."""
    named = config.control if config is not None else given.get("control")
    return Path(named) if named else None


def _trust(unit: Properties) -> None:
    """Lets the checks know servers by the certificates that the daemon knows them by."""
    if file := service.certificates(unit):
        os.environ.setdefault("SSL_CERT_FILE", file)


def _machine() -> Iterator[Check]:
    yield Check("board", machine.board)
    yield Check("power", lambda: machine.power(machine.throttled()))
    yield Check("clock", lambda: machine.clock(time.time(), machine.is_synchronised()))  # noqa: TID251 - it is asked for
    yield Check("disk", machine.disks)


def _services(unit: Properties, daemon: Finding, devices: list[Path]) -> Iterator[Check]:
    yield Check("service", partial(service.state, DOOR, unit))
    yield Check("user", partial(service.user, unit, devices))
    yield Check("watchdog", lambda: service.watchdog(unit, service.board_watchdog()))
    yield Check("daemon", lambda: daemon)
    yield Check("own-server", lambda: service.state(SERVER, service.properties(SERVER)))


def _parts(
    config: Config, status: Status | None, *, daemon_runs: bool, play: bool
) -> Iterator[Check]:
    card = sound_devices(config)
    libraries = tuple(software.needed(config))
    filming = partial(camera.check, config.camera, status, camera_devices(config.camera))
    hearing = partial(sound.microphone, config.microphone, status, card)
    speaking = partial(sound.speaker, config.speaker, config.sounds, status, card, play=play)
    yield Check("software", partial(software.check, libraries), SLOW_S, apart=True)
    for name, work, source in (
        ("panel", partial(panel.check, config.panel, daemon_runs), config.panel.source),
        ("camera", filming, config.camera.source),
        ("microphone", hearing, config.microphone.source),
        ("loudspeaker", speaking, config.speaker.source),
    ):
        yield Check(name, work, SLOW_S, apart=source in HARDWARE)


def _way(config: Config, *, daemon_runs: bool) -> Iterator[Check]:
    seat = None if daemon_runs else Join(require_room(config), config.name)
    yield Check("network", network.address)
    yield Check("wi-fi", network.wifi)
    yield Check("dns", partial(network.name, config.server))
    yield Check("server", partial(network.server, config.server, time.time()))  # noqa: TID251 - it is asked for
    yield Check("relay", partial(network.relay, config.server, seat))
    yield from ice.checks(config.ice.servers)


def devices(config: Config, dev: Path = Path("/dev")) -> list[Path]:
    """The devices that the daemon uses, as far as they are there."""
    chips = list(dev.glob("gpiochip*")) if config.panel.source == "gpio" else []
    return sorted([*chips, *camera_devices(config.camera, dev), *sound_devices(config, dev)])


def camera_devices(config: CameraConfig, dev: Path = Path("/dev")) -> list[Path]:
    """The devices behind the camera."""
    if config.source == "v4l2":
        return [path for path in [Path(config.device)] if path.exists()]
    if config.source != "picamera2":
        return []
    return [path for form in ("media*", "video*", "dma_heap/*") for path in dev.glob(form)]


def sound_devices(config: Config, dev: Path = Path("/dev")) -> list[Path]:
    """The devices of all sound cards."""
    if "pyaudio" not in {config.microphone.source, config.speaker.source}:
        return []
    return [path for form in ("snd/pcm*", "snd/control*") for path in dev.glob(form)]
