"""The whole thing on one machine: a signaling server, a door without hardware, and the link."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import click

from . import control
from .config.link import new_key
from .errors import HomeCallError

Programs: TypeAlias = dict[str, subprocess.Popen[bytes]]
"""Those that run, by what a person calls them."""

START_S = 20.0
"""Seconds that the door may take to start and to join."""


def run(port: int, ring_every: float | None, camera: str | None, microphone: str | None) -> None:
    """Shows the demo until the person at the keyboard has seen enough.

    Raises:
        HomeCallError: the server or the door does not start.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    room, key = str(uuid.uuid4()), new_key()
    with tempfile.TemporaryDirectory(prefix="homecall-demo-") as folder:
        heard = Path(folder) / "heard.wav"
        socket = Path(folder) / "control.sock"
        config = Path(folder) / "door.toml"
        # A command line can be read by everybody on the machine; this file cannot.
        config.touch(0o600)
        config.write_text(
            f'server = "ws://localhost:{port}/signal"\nroom = "{room}"\nkey = "{key}"\n'
        )
        door = ["--config", str(config), "--fake", "--control", str(socket)]
        door += ["--speaker-file", str(heard)]
        door += _clips(camera, microphone)
        with (
            contextlib.suppress(KeyboardInterrupt),
            _process("serve", "--port", str(port), "--log-level=warning") as server,
            _process("run", *door) as daemon,
        ):
            programs = {"server": server, "door": daemon}
            _wait_until_joined(socket, programs)
            _explain(f"http://localhost:{port}/?room={room}#k={key}", socket, heard, ring_every)
            _ring_until_done(socket, ring_every, programs)


def _clips(camera: str | None, microphone: str | None) -> Iterator[str]:
    if camera:
        yield "--camera-source=file"
        yield f"--camera-file={camera}"
    if microphone:
        yield f"--microphone-file={microphone}"


@contextlib.contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """One of our own commands, ended in good order at the end of the block."""
    command = [sys.executable, "-m", "homecall_pi", *arguments]
    # In a session of its own, so that Ctrl-C ends it through the demo, the door before the server.
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_joined(socket: Path, programs: Programs) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        _check(programs)
        with contextlib.suppress(HomeCallError):
            if control.ask(socket, "status").line == "up":
                return
        time.sleep(0.1)
    raise HomeCallError("the door did not reach the server; see the messages above")


def _check(programs: Programs) -> None:
    for name, process in programs.items():
        if (code := process.poll()) is None:
            continue
        if code < 0:
            killer = signal.Signals(-code).name
            raise HomeCallError(f"the {name} was ended by {killer}; start the demo again")
        raise HomeCallError(f"the {name} ended; the message above says why, and what to do")


def _explain(link: str, socket: Path, heard: Path, ring_every: float | None) -> None:
    click.echo(f"\nThe family's page:  {link}\n")
    click.echo("Open it in a browser on this machine, give a name, and keep the page open.")
    click.echo(f"What you say in a call is recorded to {heard} until the next ring.")
    click.echo(f"`{_own_command()} status --control {socket}` tells what the door does.")
    by_itself = ring_every and f"The button is pressed every {ring_every:g} s."
    click.echo(f"{by_itself or 'Enter rings the door.'} Ctrl-C ends the demo.\n")


def _own_command() -> str:
    """As it can be typed: a virtual environment need not be on the path."""
    name = "homecall-pi"
    return name if shutil.which(name) else str(Path(sys.executable).with_name(name))


def _ring_until_done(socket: Path, ring_every: float | None, programs: Programs) -> None:
    entered = threading.Event()
    if ring_every is None:
        threading.Thread(target=_read_keyboard, args=(entered,), daemon=True).start()
    next_ring = time.monotonic()
    while True:
        _check(programs)
        due = ring_every is not None and time.monotonic() >= next_ring
        if due or entered.wait(0.2):
            entered.clear()
            next_ring = time.monotonic() + (ring_every or 0)
            click.echo(f"Pressed: the door is {control.ask(socket, 'ring').state}.")


def _read_keyboard(entered: threading.Event) -> None:
    for _ in sys.stdin:
        entered.set()
    click.echo("There is no keyboard to read; --ring-every SECONDS rings without one.")
