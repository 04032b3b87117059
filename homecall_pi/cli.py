"""The commands. Each imports what it needs when it runs: starting Python is slow on a small Pi."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import click

from . import __version__
from .config.file import load
from .config.link import family_link, new_key
from .config.schema import Config
from .errors import HomeCallError, OperatorError
from .flags import config_flags, overrides

_config_file = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="TOML file [/etc/homecall-pi/config.toml, if there is one]",
)
_control = click.option(
    "--control", type=click.Path(path_type=Path), help="the daemon's control socket"
)

_CLIP = click.Path(exists=True, dir_okay=False, resolve_path=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """A doorbell and intercom that the family answers in the browser."""


@cli.command()
@_config_file
@click.option("--fake", is_flag=True, help="all hardware from the shipped fakes")
@config_flags(without="serve")
def run(config_path: Path | None, fake: bool, **flags: Any) -> None:
    """Run the doorbell: the daemon at the door."""
    config = _load(config_path, fake, flags)
    import uvloop

    from . import log, memory, network

    with _libraries_of_a_door():
        from . import app

    log.set_up(config.log.level, config.log.format)
    memory.set_up()
    network.hurry_look_ups()
    uvloop.run(app.run(config))


@cli.command()
@_config_file
@config_flags("serve", "ice", "log", plain="serve")
def serve(config_path: Path | None, **flags: Any) -> None:
    """Run the signaling server and the family page."""
    config = _load(config_path, False, flags)
    import uvloop

    from . import log, memory
    from . import serve as server

    log.set_up(config.log.level, config.log.format)
    memory.set_up()
    uvloop.run(server.run(config))


@cli.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="NUMBER",
    default=8443,
    show_default=True,
    help="port of the page on localhost",
)
@click.option(
    "--ring-every",
    type=click.FloatRange(min=1, max=86400),
    metavar="SECONDS",
    help="press the button by itself, so often",
)
@click.option("--camera", type=_CLIP, help="clip that the camera sees")
@click.option("--microphone", type=_CLIP, help="recording that the microphone hears")
def demo(port: int, ring_every: float | None, camera: str | None, microphone: str | None) -> None:
    """Show the whole thing on this machine: server, page and a door without hardware."""
    from . import demo as demonstration

    demonstration.run(port, ring_every, camera, microphone)


@cli.command()
@_control
def ring(control: Path | None) -> None:
    """Press the button of the running daemon."""
    answer = _ask(control, "ring")
    click.echo(answer.state)
    if answer.line != "up":
        why = answer.refusal or "the signaling server is not reached"
        click.echo(f"there is no line to the family now: {why}", err=True)


@cli.command()
@_control
def hangup(control: Path | None) -> None:
    """End the call of the running daemon."""
    click.echo(_ask(control, "hangup").state)


@cli.command()
@_control
def release(control: Path | None) -> None:
    """Open the door of the running daemon, for the time set as relay_s."""
    if _ask(control, "release").door == "none":
        raise HomeCallError(
            "there is no door release that works; see relay_pin in [panel], and the daemon's log"
        )
    click.echo("released")


@cli.command()
@_control
@click.option("--json", "as_json", is_flag=True, help="one line of JSON")
def status(control: Path | None, as_json: bool) -> None:
    """Tell what the running daemon does."""
    import msgspec

    answer = _ask(control, "status")
    if as_json:
        click.echo(msgspec.json.encode(answer).decode())
        return
    for key, value in msgspec.structs.asdict(answer).items():
        click.echo(f"{key:14} {_in_words(value)}")


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


@cli.command()
@_config_file
@click.option("--fake", is_flag=True, help="all hardware from the shipped fakes")
@click.option("--play", is_flag=True, help="play a test tone")
@click.option("--json", "as_json", is_flag=True, help="one line of JSON")
@config_flags(without="serve")
def doctor(
    config_path: Path | None, fake: bool, play: bool, as_json: bool, **flags: Any
) -> NoReturn:
    """Find what is wrong, and how to mend it. Exits with 1 if a check failed."""
    with _libraries_of_a_door():
        from .doctor import report

    sys.exit(report.run(config_path, _given(fake, flags), play=play, as_json=as_json))


@cli.command()
@_config_file
@config_flags("server", "room", "key")
def link(config_path: Path | None, **flags: Any) -> None:
    """Print the family's link and its QR code. Whoever has the link can answer the door."""
    import segno

    address = family_link(load(config_path, overrides(flags)))
    click.echo(address)
    segno.make(address, error="m").terminal(out=sys.stdout, compact=True)


@cli.command("new-key")
def print_new_key() -> None:
    """Print a new key for the link, to be put into the configuration as `key`."""
    click.echo(new_key())


@cli.command("config")
@_config_file
@click.option("--fake", is_flag=True, help="all hardware from the shipped fakes")
@config_flags()
def show_config(config_path: Path | None, fake: bool, **flags: Any) -> None:
    """Print the effective configuration, secrets included."""
    import msgspec

    config = _load(config_path, fake, flags)
    click.echo(msgspec.toml.encode(_without_none(msgspec.to_builtins(config))).decode(), nl=False)


def _without_none(value: Any) -> Any:
    """TOML has no null: keys that are not set are left out."""
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, (list, tuple)) else value


@contextlib.contextmanager
def _libraries_of_a_door() -> Iterator[None]:
    """A server does without them, so they need not be here."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise OperatorError(
            f"a door needs {error.name}, which is not installed: "
            "in the project's folder, pip install '.[door]'"
        ) from None


def _load(path: Path | None, fake: bool, flags: dict[str, Any]) -> Config:
    return load(path, _given(fake, flags))


def _given(fake: bool, flags: dict[str, Any]) -> dict[str, Any]:
    given = overrides(flags)
    if fake:
        for part in ("camera", "microphone", "speaker"):
            given.setdefault(part, {}).setdefault("source", "fake")
        given.setdefault("panel", {}).setdefault("source", "none")
    return given


def _ask(path: Path | None, command: Any) -> Any:
    from . import control

    return control.ask(path or control.default_path(), command)


def main() -> NoReturn:
    """Runs the command line; errors that a person can mend become one line and an exit code."""
    try:
        cli(prog_name="homecall-pi")
    except HomeCallError as error:
        _give_up(error)
    sys.exit(0)


def _give_up(error: HomeCallError) -> NoReturn:
    """Tells the person, and the service manager, in whose status it stays."""
    import logging

    from . import log, notify

    notify.send(f"STATUS={error}")
    prefix = log.priority(logging.ERROR) if log.is_journal() else "homecall-pi: "
    click.echo(f"{prefix}{error}", err=True)
    sys.exit(error.exit_code)
