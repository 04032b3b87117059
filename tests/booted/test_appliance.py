"""A bare Debian becomes a doorbell, runs as one, and is rid of it again.

One story for each Debian: the tests build on each other and run in the order of this file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import roots
from .machine import CHECKOUT, WHEELS, Machine, until
from .tap import PORT

pytestmark = [pytest.mark.booted, pytest.mark.timeout(900)]

Record = Callable[[str, object], None]

URL = "wss://localhost:8443/signal"
CONFIG = "/etc/homecall-pi/config.toml"
TLS = "/etc/homecall-pi/tls"
PROGRAM = "/opt/homecall-pi"
DOOR, SERVER = "homecall-pi.service", "homecall-pi-server.service"
INSTALL, UNINSTALL = (f"{CHECKOUT}/scripts/{name}.sh" for name in ("install", "uninstall"))
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": WHEELS}
KEPT = {
    "var/lib/homecall-pi",
    "etc/ssl/certs/homecall-pi.pem",
    "usr/local/share/ca-certificates/homecall-pi.crt",
}
"""Outside of /etc/homecall-pi, by an uninstallation that is no purge."""
SABOTAGE = "/srv/sabotage"

NOT_OURS = re.compile(
    r"(dev|proc|root|run|srv|sys|tmp|var/(cache|log|tmp|lib/(apt|dpkg|systemd)))(/|$)"
    r"|etc/((group|gshadow|passwd|shadow|subgid|subuid)-|\.pwd\.lock)$"
)
"""What systemd, apt and useradd keep for themselves."""


def install(
    machine: Machine, *arguments: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    return machine.run(INSTALL, *arguments, check=check, environment=OFFLINE | environment)


def changes(said: str) -> list[str]:
    """What an installation says that it does, or would do; versions are named after the time."""
    lines = re.findall(r"^  (?:would )?(.*)", said, re.MULTILINE)
    return [re.sub(r"\d{8}T\d{6}Z", "TIME", line) for line in lines]


def tree(machine: Machine) -> dict[str, str]:
    """Every file with kind, mode and owner, and in /etc with its content."""
    found = {}
    for folder, folders, files in os.walk(machine.root):
        for name in (*folders, *files):
            path = Path(folder, name)
            inside = str(path.relative_to(machine.root))
            if not NOT_OURS.match(inside):
                found[inside] = look(path, whole=inside.startswith("etc/"))
    return found


def look(path: Path, *, whole: bool) -> str:
    status = path.lstat()
    outside = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
    if path.is_symlink():
        return f"{outside} -> {path.readlink()}"
    if whole and path.is_file():
        return f"{outside} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return outside


def shown(machine: Machine, unit: str, name: str) -> str:
    """A property of a unit."""
    return machine.tells("systemctl", "show", "--value", f"--property={name}", unit)


def status(machine: Machine) -> dict[str, Any]:
    """What the daemon tells of itself; nothing if there is none."""
    done = machine.run("homecall-pi", "status", "--json", check=False)
    found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def is_joined(machine: Machine) -> bool:
    return status(machine).get("line") == "up"


def journal(machine: Machine, unit: str = DOOR) -> list[dict[str, str]]:
    lines = machine.tells("journalctl", f"--unit={unit}", "--output=json", "--no-pager")
    return [json.loads(line) for line in lines.splitlines()]


def configured(machine: Machine, key: str) -> str:
    """What stands in the configuration for a key outside of sections."""
    found = re.search(f'^{key} = "(.*)"', machine.path(CONFIG).read_text(), re.MULTILINE)
    assert found, key
    return found[1]


class Bystander:
    """A program of the tests' in the machine's network, which says what it does."""

    def __init__(self, machine: Machine, name: str, *arguments: str) -> None:
        command = (sys.executable, "-m", f"tests.booted.{name}", *arguments)
        self._process = subprocess.Popen(
            machine.inside(*command, network_only=True),
            cwd=roots.PROJECT,
            env=os.environ | {"SSL_CERT_FILE": str(machine.path(f"{TLS}/cert.pem"))},
            stdout=subprocess.PIPE,
            text=True,
        )

    def tells(self, word: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == word

    def close(self) -> list[str]:
        """Ends it; what it has said since."""
        self._process.kill()
        return self._process.communicate()[0].splitlines()


@pytest.fixture
def visitor(machine: Machine) -> Iterator[Bystander]:
    """A page of the family."""
    link = machine.tells("homecall-pi", "link").splitlines()[0]
    visitor = Bystander(machine, "page", link)
    yield visitor
    visitor.close()


NULL, KMSG, LOOP0 = (1, 3), (1, 11), (7, 0)
"""The first is for everybody, the others for nobody who has no need of them."""
NOT_PERMITTED = "Operation not permitted"


def refused(machine: Machine, kind: int, major: int, minor: int) -> bool:
    """Whether root, put into the door's control group, may not open this device.

    A device that is not there is not refused: to open it fails in another way.
    """
    node, group = "/srv/node", f"/sys/fs/cgroup{shown(machine, DOOR, 'ControlGroup')}"
    look = f"exec head -c 0 {node}"
    os.mknod(machine.path(node), kind | 0o666, os.makedev(major, minor))
    try:
        outside, inside = (
            machine.run("sh", "-c", script, check=False).stdout
            for script in (look, f"echo $$ >{group}/cgroup.procs; {look}")
        )
    finally:
        machine.path(node).unlink()
    assert NOT_PERMITTED not in outside, "something else refuses it"
    return NOT_PERMITTED in inside


@pytest.fixture(scope="class")
def wishes(machine: Machine) -> tuple[str, ...]:
    """What is asked for: Debian 12 comes with a certificate, Debian 13 is to make its own."""
    here = ("--with-server", "--server", URL)
    if machine.suite == "trixie":
        return here
    known, key = "/usr/local/share/ca-certificates/operator.crt", "/srv/key.pem"
    request = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost"
    files = ("-addext", "subjectAltName=DNS:localhost", "-out", known, "-keyout", key)
    machine.run(*request.split(), *files)
    machine.run("update-ca-certificates")
    return (*here, "--cert", known, "--key", key)


@pytest.fixture(scope="class")
def bare(machine: Machine, wishes: tuple[str, ...]) -> dict[str, str]:
    """The machine's files before anything was installed."""
    return tree(machine)


STEPS = [
    "Debian packages",
    "The program",
    "The user homecall",
    "The configuration",
    "The switch to this version",
    "The start",
]


@contextmanager
def fault(machine: Machine, step: str) -> Iterator[dict[str, str]]:
    """Makes that step of an installation fail, which is run in this environment."""
    config = machine.path(CONFIG)
    text = config.read_text()
    # To be quick, libraries are not installed anew but borrowed from the version in use; so the
    # new one can do everything but what the last step asks for: be started by systemd.
    (libraries,) = machine.root.glob("opt/homecall-pi/versions/*/lib/python*/site-packages")
    borrowed = {"PYTHONPATH": f"/{libraries.relative_to(machine.root)}"}
    match step:
        case "Debian packages":
            borrowed |= break_commands(machine, "dpkg-query", "apt-get")
        case "The program":
            borrowed["PIP_FIND_LINKS"] = "/nonexistent"
        case "The user homecall":
            machine.run("groupadd", "--force", "--system", "gpio")  # a group to be put into
            borrowed |= break_commands(machine, "usermod")
        case "The configuration":
            config.write_text(f"nonsense = 1\n{text}")
        case "The switch to this version":
            borrowed |= break_commands(machine, "install")
    try:
        yield borrowed
    finally:
        config.write_text(text)


def break_commands(machine: Machine, *names: str) -> dict[str, str]:
    """An environment in which these commands fail."""
    folder = machine.path(SABOTAGE)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in names:
        (folder / name).write_text("#!/bin/sh\necho 'out of order' >&2\nexit 1\n")
        (folder / name).chmod(0o755)
    return {"PATH": f"{SABOTAGE}:/usr/sbin:/usr/bin"}


class Story:
    """What happens to a machine."""

    suite: str

    def test_a_dry_run_changes_nothing(
        self, machine: Machine, bare: dict[str, str], wishes: tuple[str, ...]
    ) -> None:
        said = install(machine, *wishes, "--dry-run").stdout
        for change in ("python3-venv", f"{PROGRAM}/versions", "user", CONFIG, DOOR, SERVER):
            assert re.search(f"would .*{change}", said), change
        assert tree(machine) == bare

    def test_a_first_installation_that_fails_leaves_only_packages(
        self, machine: Machine, wishes: tuple[str, ...]
    ) -> None:
        done = install(machine, *wishes, check=False, PIP_FIND_LINKS="/nonexistent")
        assert done.returncode == 1
        assert "step 2 of 6 failed: The program" in done.stdout
        left = {path for path in tree(machine) if "homecall" in path}
        assert left == {"etc/homecall-pi", "etc/homecall-pi/packages"}

    def test_one_command_makes_a_doorbell(
        self, machine: Machine, wishes: tuple[str, ...], record_property: Record
    ) -> None:
        started = time.monotonic()
        said = install(machine, *wishes, "--name", 'The "front" door').stdout
        record_property("installation without packages", f"{time.monotonic() - started:.0f} s")
        assert re.search(
            r"^https://localhost:8443/\?room=[0-9a-f-]{36}#k=\S{22}$", said, re.MULTILINE
        )
        assert "▄▄▄▄▄" in said  # the QR code
        assert ("each browser warns" in said) is ("--cert" not in wishes)
        assert re.search(r"\d+ ok, \d+ to look at, 0 failed", said)  # what doctor found
        for unit in (DOOR, SERVER):
            assert machine.tells("systemctl", "is-active", unit) == "active"
            assert machine.tells("systemctl", "is-enabled", unit) == "enabled"
        assert "Ready" in machine.tells("systemctl", "status", "--no-pager", DOOR)
        assert is_joined(machine)

    def test_the_configuration_is_for_root_and_the_door_alone(self, machine: Machine) -> None:
        for secret in (CONFIG, f"{TLS}/key.pem"):
            assert machine.tells("stat", "-c", "%a %U:%G", secret) == "640 root:homecall"
        assert uuid.UUID(configured(machine, "room")).version == 4
        assert configured(machine, "name") == r"The \"front\" door"
        assert {"audio", "video"} <= set(machine.tells("id", "-nG", "homecall").split())
        assert machine.tells("getent", "passwd", "homecall").endswith("/nologin")

    def test_the_sandbox_is_real_and_scores_well(
        self, machine: Machine, record_property: Record
    ) -> None:
        for unit, limit in ((DOOR, 2.0), (SERVER, 1.5)):
            rated = machine.tells("systemd-analyze", "security", "--no-pager", unit)
            score = float(rated.split("exposure level for")[1].split()[1])
            record_property(f"systemd-analyze security {unit}", score)
            assert score <= limit
            process = f"/proc/{shown(machine, unit, 'MainPID')}"
            applied = dict(
                line.split(":\t") for line in machine.tells("cat", f"{process}/status").splitlines()
            )
            assert (applied["NoNewPrivs"], applied["Seccomp"]) == ("1", "2")
            assert int(applied["CapBnd"], 16) == 0
            assert re.search(
                r"^\S+ / \S+ ro\b", machine.tells("cat", f"{process}/mounts"), re.MULTILINE
            )

    def test_a_ring_becomes_a_call(self, machine: Machine, visitor: Bystander) -> None:
        config = machine.path(CONFIG)
        text = config.read_text()
        for part in ("camera", "microphone", "speaker"):
            section = rf'(^\[{part}\]$[^[]*?^source = )"none"'
            text, count = re.subn(section, r'\1"fake"', text, flags=re.MULTILINE)
            assert count == 1
        config.write_text(text)
        machine.run("systemctl", "restart", DOOR)
        visitor.tells("joined")
        machine.run("homecall-pi", "ring")
        for step in ("audio", "video", "answered"):
            visitor.tells(step)
        until("the door talks", lambda: status(machine)["state"] == "talking")
        assert "talking to Anna" in machine.tells("systemctl", "status", "--no-pager", DOOR)
        assert status(machine)["verified"]
        until("the voice arrives", lambda: status(machine)["audio_samples"] > 0)
        machine.run("homecall-pi", "hangup")
        visitor.tells("ended")
        assert status(machine)["state"] == "idle"

    def test_the_journal_tells_the_story(self, machine: Machine) -> None:
        records = journal(machine)
        story = [record for record in records if "EVENT" in record]
        assert [record["EVENT"] for record in story[:2]] == ["started", "line-up"]
        call = [record for record in story if "CALL_ID" in record]
        steps = ["pressed", "offered", "shown", "media-up", "answered", "ended"]
        assert [record["EVENT"] for record in call] == steps
        assert len({record["CALL_ID"] for record in call}) == 1
        assert all(int(record["DURATION_MS"]) >= 0 for record in call[1:])
        assert call[-1]["REASON"] == "hung-up"
        assert "answered by Anna" in call[-2]["MESSAGE"]
        assert all(record["CODE_FILE"].endswith(".py") for record in call)
        told = "\n".join(str(record["MESSAGE"]) for record in records)
        assert configured(machine, "room") not in told
        assert configured(machine, "key") not in told

    def test_a_stop_in_a_call_says_goodbye_to_page_and_server(
        self, machine: Machine, visitor: Bystander, record_property: Record
    ) -> None:
        config = machine.path(CONFIG)
        text = config.read_text()
        pair = (str(machine.path(f"{TLS}/{name}.pem")) for name in ("cert", "key"))
        visitor.tells("joined")
        tap = Bystander(machine, "tap", *pair, 'The "front" door')
        tap.tells("ready")
        config.write_text(text.replace(URL, f"wss://localhost:{PORT}/signal"))
        machine.run("systemctl", "restart", DOOR)
        machine.run("homecall-pi", "ring")
        for step in ("audio", "video", "answered"):
            visitor.tells(step)
        until("the door talks", lambda: status(machine)["state"] == "talking")
        started = time.monotonic()
        machine.run("systemctl", "stop", DOOR)
        record_property("stop in a call", f"{time.monotonic() - started:.1f} s")
        visitor.tells("ended")
        assert tap.close()[-1] == "leave"
        # Who does not end within TimeoutStopSec= is killed, and that is its result.
        assert shown(machine, DOOR, "Result") == "success"
        assert shown(machine, DOOR, "ExecMainStatus") == "0"
        config.write_text(text)
        machine.run("systemctl", "start", DOOR)

    def test_the_door_can_open_the_devices_of_its_list_alone(
        self, machine: Machine, record_property: Record
    ) -> None:
        listed = re.findall(r"char-(\S+)", shown(machine, DOOR, "DeviceAllow"))
        assert {"alsa", "dma_heap", "gpiochip", "media", "video4linux"} <= set(listed)
        devices, _, _ = machine.tells("cat", "/proc/devices").partition("Block devices:")
        majors = {name: int(major) for major, name in re.findall(r"(\d+) (\S+)", devices)}
        here = [name for name in listed if name in majors]
        record_property("of its devices, known to this kernel", ", ".join(here) or "none")
        for name in here:
            assert not refused(machine, stat.S_IFCHR, majors[name], 0)
        assert not refused(machine, stat.S_IFCHR, *NULL)
        assert refused(machine, stat.S_IFCHR, *KMSG)
        assert refused(machine, stat.S_IFBLK, *LOOP0)
        machine.run("systemctl", "set-property", "--runtime", DOOR, "DeviceAllow=char-mem")
        try:
            assert not refused(machine, stat.S_IFCHR, *KMSG)
        finally:
            machine.run("systemctl", "revert", DOOR)
            machine.run("systemctl", "restart", DOOR)  # else it may keep what it was given
        assert refused(machine, stat.S_IFCHR, *KMSG)

    def test_a_second_installation_upgrades_and_keeps_the_configuration(
        self, machine: Machine, record_property: Record
    ) -> None:
        def kept() -> dict[str, str]:
            return {path: seen for path, seen in tree(machine).items() if "etc/homecall-pi" in path}

        former, settings = machine.path(f"{PROGRAM}/venv").readlink(), kept()
        room = machine.path(f"{PROGRAM}/versions")
        before = tree(machine)
        planned = install(machine, "--dry-run").stdout
        assert tree(machine) == before
        assert f"would remove the former version {PROGRAM}/{former}" in planned
        started = time.monotonic()
        said = install(machine).stdout
        assert set(changes(planned)) <= set(changes(said))
        record_property("upgrade", f"{time.monotonic() - started:.0f} s")
        assert f"{CONFIG} is kept" in said
        assert kept() == settings
        now = machine.path(f"{PROGRAM}/venv").readlink()
        assert now != former
        assert [each.name for each in room.iterdir()] == [now.name]
        for unit in (DOOR, SERVER):
            command = machine.tells("cat", f"/proc/{shown(machine, unit, 'MainPID')}/cmdline")
            assert str(now) in command

    @pytest.mark.parametrize("step", STEPS)
    def test_a_failing_step_leaves_the_version_from_before(
        self, machine: Machine, step: str
    ) -> None:
        def running() -> list[str]:
            return [shown(machine, unit, "MainPID") for unit in (DOOR, SERVER)]

        with fault(machine, step) as environment:
            settled, processes = tree(machine), running()
            done = install(machine, check=False, **environment)
            assert done.returncode != 0
            assert f"step {STEPS.index(step) + 1} of 6 failed: {step}" in done.stdout
            assert "the version from before is still in use" in done.stdout
            assert tree(machine) == settled
        assert step == "The start" or running() == processes
        until("the door is in its room", lambda: is_joined(machine))

    def test_a_hanging_daemon_is_started_again(
        self, machine: Machine, record_property: Record
    ) -> None:
        patience_s = int(shown(machine, DOOR, "WatchdogUSec").removesuffix("s")) + 5
        process = shown(machine, DOOR, "MainPID")
        started = time.monotonic()
        machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", DOOR)
        until(
            "the watchdog notices",
            lambda: shown(machine, DOOR, "MainPID") not in {process, "0"},
            patience_s,
        )
        record_property("watchdog", f"{time.monotonic() - started:.1f} s after SIGSTOP")
        until("the door is back in its room", lambda: is_joined(machine))

    def test_a_killed_server_is_reconnected_to(
        self, machine: Machine, record_property: Record
    ) -> None:
        process = shown(machine, SERVER, "MainPID")
        started = time.monotonic()
        machine.run("systemctl", "kill", "--signal=KILL", SERVER)
        until("the line is lost", lambda: status(machine)["line"] == "down")
        until("the line is back", lambda: is_joined(machine))
        record_property("killed server", f"line up again after {time.monotonic() - started:.1f} s")
        assert shown(machine, SERVER, "MainPID") != process

    def test_a_bad_configuration_stops_it_with_a_word(self, machine: Machine) -> None:
        config = machine.path(CONFIG)
        text = config.read_text()
        config.write_text(text.replace("ring_s = 45.0", "ring_s = -1"))
        done = machine.run("systemctl", "restart", DOOR, check=False)
        assert done.returncode != 0
        # Between two attempts this would be "activating".
        assert shown(machine, DOOR, "ActiveState") == "failed"
        assert shown(machine, DOOR, "ExecMainStatus") == "78"
        said = machine.run("systemctl", "status", "--no-pager", DOOR, check=False).stdout
        assert re.search(r"config\.toml: call\.ring_s: .*; see", said)
        config.write_text(text)
        machine.run("systemctl", "restart", DOOR)

    def test_it_starts_by_itself_with_the_machine(
        self, machine: Machine, record_property: Record
    ) -> None:
        machine.power_off()
        machine.boot()
        until("the door is in its room", lambda: is_joined(machine))
        joined = int(shown(machine, DOOR, "ActiveEnterTimestampMonotonic"))
        booted = int(
            machine.tells("systemctl", "show", "--value", "-p", "UserspaceTimestampMonotonic")
        )
        record_property("boot to joined", f"{(joined - booted) / 1e6:.1f} s")

    def test_an_uninstallation_keeps_the_room(self, machine: Machine) -> None:
        settings = machine.path(CONFIG).read_bytes()
        machine.run(UNINSTALL)
        assert machine.path(CONFIG).read_bytes() == settings
        left = {path for path in tree(machine) if "homecall" in path}
        assert {path for path in left if not path.startswith("etc/homecall-pi")} <= KEPT
        planned = install(machine, "--with-server", "--dry-run").stdout
        assert f"{CONFIG} is kept" in planned
        assert "certificate" not in planned

    def test_a_purge_leaves_nothing(self, machine: Machine, bare: dict[str, str]) -> None:
        machine.run("groupdel", "--force", "gpio", check=False)  # which a test may have made
        machine.run("gpasswd", "--add", "nobody", "homecall")  # who may command the door
        machine.run(UNINSTALL, "--purge")
        left = tree(machine)
        assert {path: look for path, look in left.items() if bare.get(path) != look} == {}
        assert bare.keys() == left.keys()
        for database in ("passwd", "group"):
            assert machine.run("getent", database, "homecall", check=False).returncode == 2
        assert "homecall" not in machine.tells("systemctl", "list-unit-files", "--no-pager")


class TestDebian13(Story):
    """With Python 3.13, and a certificate of its own making."""

    suite = "trixie"


class TestDebian12(Story):
    """With Python 3.11, and a certificate that it is given."""

    suite = "bookworm"
