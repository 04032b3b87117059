"""The command as a person runs it, on doors with planted faults."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from homecall_pi import cli
from homecall_pi.control import Command, ControlServer, Status

from ..doubles import ROOM
from ..turn_server import TurnServer
from .conftest import MakeCertificate, serving

PATIENCE_S = 50.0
IDLE = Status("idle", "up", None, 3, None, 0, 0, -100.0, 5)

DISABLED = """#!/bin/sh
case "$*" in
  *homecall-pi.service) echo "LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=disabled
NRestarts=0
StatusText=
WatchdogUSec=0
User=root
SupplementaryGroups=
Environment=" ;;
  *homecall-pi-server.service) echo LoadState=not-found ;;
esac
"""


SILENT_CARD = """
pcm.!default {
  type file
  slave.pcm { type null }
  file /dev/null
  infile /dev/zero
  format raw
}
"""
"""For ALSA: a card whose microphone is muted."""


class Row(NamedTuple):
    status: str
    found: str
    cure: str


class Visit(NamedTuple):
    code: int
    rows: dict[str, Row]
    out: str


async def run(
    *arguments: str, env: dict[str, str] | None = None, within: tuple[str, ...] = ()
) -> tuple[int, str]:
    """The exit code of `homecall-pi doctor` and what it prints; `within` starts it."""
    process = await asyncio.create_subprocess_exec(
        *(*within, sys.executable, "-m", "homecall_pi", "doctor", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | (env or {}),
    )
    async with asyncio.timeout(PATIENCE_S):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def visit(
    *arguments: str, env: dict[str, str] | None = None, within: tuple[str, ...] = ()
) -> Visit:
    """The same with --json."""
    return understood(await run("--json", *arguments, env=env, within=within))


@pytest.fixture
def doctor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """A function that runs the command in this process: its exit code and what it prints."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["homecall-pi", "doctor", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(caught.value.code or 0), capsys.readouterr().out

    return run


def understood(printed: tuple[int, str]) -> Visit:
    """A report in JSON."""
    code, out = printed
    assert out.count("\n") == 1
    report = json.loads(out)
    assert report["ok"] == (code == 0)
    rows = {row.pop("name"): Row(**row) for row in report["checks"]}
    assert all(row.cure for row in rows.values() if row.status != "ok")
    return Visit(code, rows, out)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.touch(0o640)
    return path


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def place(folder: Path, **programs: str) -> Path:
    """A folder with commands that say what the board's own would say."""
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.e2e
async def test_each_of_many_faults_is_found_and_its_cure_named(
    tmp_path: Path, config: Path, make_certificate: MakeCertificate
):
    expired = make_certificate(since=-9, until=-1)
    stun = free_port(socket.SOCK_DGRAM)
    commands = place(
        tmp_path / "bin",
        systemctl=DISABLED,
        timedatectl="#!/bin/sh\necho no\n",
        vcgencmd="#!/bin/sh\necho throttled=0x50005\n",
    )
    (tmp_path / "asound.conf").write_text(SILENT_CARD)
    env = {
        "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf"),
        "PATH": f"{commands}:{os.environ['PATH']}",
        "SSL_CERT_FILE": str(expired),
    }
    async with serving(expired) as url, TurnServer("door", "the lawn").running() as turn:
        config.write_text(f"""
server = "{url}"
room = "{ROOM}"
[panel]
source = "gpio"
[camera]
source = "v4l2"
device = "{tmp_path}/video0"
[microphone]
source = "pyaudio"
[speaker]
source = "pyaudio"
device = "hall"
[ice]
servers = [
  {{ urls = ["stun:127.0.0.1:{stun}"] }},
  {{ urls = ["turn:127.0.0.1:{turn.port}"], username = "door", credential = "the roof" }},
]
""")
        config.chmod(0o644)
        code, rows, out = await visit("--config", str(config), env=env)
    planted = {
        "config": ("warn", "can be read by everybody", "chmod o="),
        "clock": ("warn", "no time server sets it", "timedatectl set-ntp true"),
        "power": ("warn", "voltage is too low (now)", "power supply"),
        "service": ("fail", "does not start with the board", "systemctl enable --now"),
        "watchdog": ("warn", "nobody notices if", "install.sh"),
        "panel": ("fail", "Raspberry Pi", 'source = "none"'),
        "camera": ("fail", "no camera is connected", "v4l2-ctl --list-devices"),
        "microphone": ("fail", "nothing but zeros comes", "alsamixer"),
        "loudspeaker": ("fail", "is not there as 'hall'", "`device` in [speaker]"),
        "server": ("fail", "certificate of localhost has expired", "renew it"),
        "stun": ("fail", f"stun:127.0.0.1:{stun}: Connection refused", f"UDP port {stun}"),
        "turn": ("fail", "it refuses the credential (401)", "username and credential"),
    }
    assert code == 1
    for name, (status, found, cure) in planted.items():
        assert rows[name].status == status, rows[name]
        assert found in rows[name].found, rows[name]
        assert cure in rows[name].cure, rows[name]
    assert "relay" not in rows
    for secret in (ROOM, "the roof", "the lawn"):
        assert secret not in out


@pytest.mark.e2e
async def test_the_wrong_name_in_a_certificate_is_found(
    config: Path, make_certificate: MakeCertificate
):
    cert = make_certificate("other.example")
    turn = free_port(socket.SOCK_STREAM)
    async with serving(cert) as url:
        config.write_text(f"""
server = "{url}"
room = "{ROOM}"
[ice]
servers = [{{urls = ["turn:127.0.0.1:{turn}?transport=tcp"], username = "a", credential = "b"}}]
""")
        code, rows, _ = await visit("--config", str(config), env={"SSL_CERT_FILE": str(cert)})
    assert code == 1
    assert rows["server"].found == "the certificate is not for localhost"
    assert "as its certificate does" in rows["server"].cure
    assert rows["turn"].found.endswith("?transport=tcp: Connection refused")
    assert rows["config"].status == "ok"


@pytest.mark.parametrize(
    ("lines", "found", "cure"),
    [
        (
            "[panel]\nled_pin = 17",
            "17 is given twice: each part needs its own pin",
            "config --help",
        ),
        ("[camera]\nfps = 0", "camera.fps: expected a whole number >= 5", "config --help"),
    ],
)
def test_a_configuration_of_no_use_is_found(
    config: Path, doctor: Callable[..., tuple[int, str]], lines: str, found: str, cure: str
):
    config.write_text(f'server = "wss://localhost/signal"\nroom = "{ROOM}"\n{lines}\n')
    code, rows, _ = understood(doctor("--json", "--config", str(config)))
    assert code == 1
    assert found in rows["config"].found
    assert str(config) in rows["config"].found
    assert cure in rows["config"].cure
    assert "server" not in rows


CUT_OFF = """
mount -t tmpfs none /run  # with the sockets of whoever resolves names
mount -t tmpfs -o size=64k none /var/lib && mkdir /var/lib/homecall-pi && exec "$@"
"""


@pytest.mark.e2e
async def test_a_full_disk_and_a_network_that_is_gone_are_found(config: Path):
    config.write_text(f'server = "wss://call.example.org/signal"\nroom = "{ROOM}"\n')
    own = ("--user", "--map-root-user") if os.getuid() else ()
    within = ("unshare", *own, "--mount", "--net")
    probe = await asyncio.create_subprocess_exec(*within, "true", stderr=asyncio.subprocess.DEVNULL)
    if await probe.wait():
        pytest.skip("no namespaces of our own")
    code, rows, _ = await visit(
        "--config", str(config), within=(*within, "sh", "-c", CUT_OFF, "sh")
    )
    assert code == 1
    assert rows["disk"].found == "/var/lib/homecall-pi has 0 MB free"
    assert "apt clean" in rows["disk"].cure
    assert "no way to other networks" in rows["network"].found
    assert "nmtui" in rows["network"].cure
    assert rows["dns"].status == "fail"
    assert "call.example.org" in rows["dns"].found
    assert rows["server"].found == "call.example.org has no address"


@pytest.mark.e2e
async def test_a_door_that_is_well_is_told_in_a_table(tmp_path: Path, config: Path):
    async def answer(_: Command) -> Status:
        return IDLE

    daemon = ControlServer(tmp_path / "control.sock", answer)
    await daemon.start()
    async with serving() as url:
        config.write_text(f"""
server = "{url}"
room = "{ROOM}"
control = "{tmp_path}/control.sock"
""")
        code, out = await run("--config", str(config), "--fake")
    await daemon.stop()
    table = dict(re.findall(r"^(?:ok|warn|fail) +(\S+) +(.+)$", out, re.MULTILINE))
    assert table["daemon"] == "idle, line up, calls: 3"
    assert table["server"] == "localhost answers, not encrypted"
    assert table["relay"] == "an offer and its answer come through"
    assert table["config"] == f"{config}: {urlsplit(url).netloc}, room {ROOM[:8]}…"
    assert 'warn  camera       source = "fake" films nobody\n' in out
    assert f"{' ' * 18}→ set source in [camera]\n" in out
    failed = re.findall(r"^fail +(\S+)", out, re.MULTILINE)
    assert set(failed) <= {"network"}  # which a sandbox may not have
    assert code == bool(failed)
    assert re.search(rf"\n\n\d+ ok, \d+ to look at, {len(failed)} failed\n$", out)
    assert ROOM not in out


@pytest.mark.parametrize(("flags", "code"), [(["--camera-width", "wide"], 78), (["--jason"], 2)])
def test_what_cannot_be_understood_is_not_examined(
    doctor: Callable[..., tuple[int, str]], flags: list[str], code: int
):
    assert doctor("--json", *flags) == (code, "")
