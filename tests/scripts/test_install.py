"""What install.sh refuses and plans. Nothing is changed: it sees the machine read-only.

What it does is shown in tests/booted.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ..authority import Authority

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).parents[2]
SERVER = ("--server", "wss://call.example.org/signal")
DEBIAN = 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'

SANDBOX = """set -e
# Whatever is written to fails the script; only its scratch folder is of memory.
mount -t tmpfs -o size=10M none /mnt
mount -t tmpfs -o size=10M none /run
{ [ ! "$SYSTEMD" ] || mkdir -p /run/systemd/system; }
{ [ ! "$SMALL_DISK" ] || mount -t tmpfs -o size=10M none /opt; }
{ [ ! "$FORMER" ] || mount -t tmpfs -o size=2G none /opt; }
{ [ ! "$FORMER" ] || mkdir -p "$FORMER"; }
# A doorbell that is installed here is not there for it.
mount -t tmpfs -o size=10M none /etc/systemd/system
{ [ ! -d /etc/homecall-pi ] || mount -t tmpfs -o size=10M none /etc/homecall-pi; }
mount --bind "$OS_RELEASE" /etc/os-release
mount -o bind,remount,ro /
exec "$INSTALL" "$@"
"""


class Machine:
    """A machine that install.sh can look at, but not change: a Debian 13 unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self._commands = folder / "commands"
        self._commands.mkdir()
        self._release = folder / "os-release"
        self.namespaces = ["--map-root-user", "--mount"]
        self.environment = {"PIP_NO_INDEX": "1", "SYSTEMD": "yes", "SMALL_DISK": "", "FORMER": ""}
        self.is_a(DEBIAN)
        self.has_command("dpkg", "echo amd64")
        self.has_command("dpkg-query", "printf installed")
        self.has_command("systemctl", "exit 3")

    def is_a(self, release: str) -> None:
        self._release.write_text(release)

    def has_command(self, name: str, script: str) -> None:
        path = self._commands / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def install(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        paths = {"INSTALL": str(PROJECT / "scripts/install.sh"), "OS_RELEASE": str(self._release)}
        return subprocess.run(
            ["unshare", *self.namespaces, "sh", "-c", SANDBOX, "sh", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": f"{self._commands}:/usr/sbin:/usr/bin:/sbin:/bin",
                "TMPDIR": "/mnt",
                **paths,
                **self.environment,
            },
        )

    def refuses(self, why: str, *arguments: str) -> None:
        done = self.install(*arguments)
        assert done.returncode == 1, done.stdout
        assert why in done.stderr
        assert done.stderr.startswith("install.sh: ")
        assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def has_namespaces() -> bool:
    probe = subprocess.run(["unshare", "--map-root-user", "--mount", "true"], check=False)
    return probe.returncode == 0


@pytest.fixture
def machine(has_namespaces: bool, tmp_path: Path) -> Machine:
    if not has_namespaces:
        pytest.skip("this machine permits no namespaces of one's own")
    return Machine(tmp_path)


def test_it_refuses_who_is_not_root(machine: Machine) -> None:
    machine.has_command("id", "echo 1000")
    machine.refuses("run as root: sudo", *SERVER)


@pytest.mark.parametrize("processor", ["armhf", "armel", "i386"])
def test_it_refuses_a_32_bit_system(machine: Machine, processor: str) -> None:
    machine.has_command("dpkg", f"echo {processor}")
    machine.refuses("32-bit", *SERVER)


def test_it_refuses_another_processor(machine: Machine) -> None:
    machine.has_command("dpkg", "echo riscv64")
    machine.refuses("riscv64", *SERVER)


@pytest.mark.parametrize(
    "release",
    [
        'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04 LTS"\n',
        'ID=debian\nVERSION_ID="11"\nPRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\n',
        'ID=raspbian\nVERSION_ID="12"\nPRETTY_NAME="Raspbian GNU/Linux 12 (bookworm)"\n',
        "",
    ],
)
def test_it_refuses_another_system(machine: Machine, release: str) -> None:
    machine.is_a(release)
    machine.refuses("Debian, version 12 or 13, is needed", *SERVER)


def test_it_refuses_a_machine_without_systemd(machine: Machine) -> None:
    machine.environment["SYSTEMD"] = ""
    machine.refuses("systemd does not run", *SERVER)


def test_it_refuses_a_full_disk(machine: Machine) -> None:
    machine.environment["SMALL_DISK"] = "yes"
    machine.refuses("the disk of /opt has 10 MB free", *SERVER)


def test_it_refuses_to_go_on_without_a_network_that_it_needs(machine: Machine) -> None:
    machine.namespaces.append("--net")
    del machine.environment["PIP_NO_INDEX"]
    machine.refuses("no network", *SERVER)


def test_packages_that_are_missing_need_the_network_too(machine: Machine) -> None:
    machine.namespaces.append("--net")
    machine.has_command("dpkg-query", "exit 1")
    machine.refuses("no network", *SERVER)


@pytest.mark.parametrize(
    "url",
    [
        "ws://call.example.org/signal",
        "https://call.example.org/signal",
        "call.example.org",
        "wss://call.example.org",
        "wss://call.example.org/",
        "wss:///signal",
        "wss://call.example.org:0/signal",
        "wss://call.example.org:123456/signal",
        "wss://call.example.org:65536/signal",
        "wss://me@call.example.org/signal",
        "wss://call.example.org/signal#there",
        'wss://call.example.org/"signal',
        "wss://call.example.org/sig nal",
    ],
)
def test_it_refuses_a_bad_url(machine: Machine, url: str) -> None:
    machine.refuses("is no address of a signaling server", "--server", url)


@pytest.mark.parametrize(
    "room",
    [
        "front-door",
        "1234",
        "5b0f8a4e-3c1d-4a57-9c3e-2f6d8e7a9b1",
        "5b0f8a4e3c1d4a579c3e2f6d8e7a9b10",
    ],
)
def test_it_refuses_a_bad_room_without_repeating_it(machine: Machine, room: str) -> None:
    machine.refuses("--room is no UUID", *SERVER, "--room", room)
    assert room not in machine.install(*SERVER, "--room", room).stderr


@pytest.mark.parametrize("name", ["", "Front\ndoor", "\x1b[31m"])
def test_it_refuses_a_bad_name(machine: Machine, name: str) -> None:
    machine.refuses("--name has to be", *SERVER, "--name", name)


def test_it_refuses_a_name_that_is_too_long(machine: Machine) -> None:
    machine.refuses("more than 64 characters", *SERVER, "--name", "Ё" * 65)
    assert "more than 64" not in machine.install(*SERVER, "--name", "Ё" * 64).stderr


def test_it_asks_for_a_server(machine: Machine) -> None:
    machine.refuses("which signaling server?")


@pytest.mark.parametrize(
    "url", ["wss://door.local/signal", "wss://door.local:443/signal", "wss://door.local:8443/other"]
)
def test_its_own_server_needs_a_port_that_it_may_open(machine: Machine, url: str) -> None:
    machine.refuses("needs a port from 1024 up", "--with-server", "--server", url)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((*SERVER, "--cert", "c.pem", "--key", "k.pem"), "give --with-server, too"),
        (("--with-server", "--cert", "c.pem"), "give both"),
        (("--with-server", "--key", "k.pem"), "give both"),
        (("--with-server", "--cert", "/nonexistent", "--key", "/nonexistent"), "no readable PEM"),
        (("--with-server", "--cert", __file__, "--key", __file__), "no readable PEM"),
    ],
)
def test_it_refuses_bad_certificates(
    machine: Machine, arguments: tuple[str, ...], why: str
) -> None:
    machine.refuses(why, *arguments)


def test_it_refuses_a_pair_that_is_none(machine: Machine, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (cert, key), (_, other) = authority.issue("door.local"), authority.issue("gate.local")
    locked = tmp_path / "locked.pem"
    lock = ["openssl", "pkey", "-in", key, "-out", locked, "-aes256", "-passout", "pass:secret"]
    subprocess.run(lock, check=True)
    for names, why in (
        ((cert, other), "does not belong to the certificate"),
        ((key, key), "holds no certificate"),
        ((cert, cert), "holds no key"),
        ((cert, locked), "one with a passphrase"),
    ):
        machine.refuses(why, "--with-server", "--cert", str(names[0]), "--key", str(names[1]))


@pytest.mark.parametrize("arguments", [("--sever", "x"), ("door",), ("--server",)])
def test_it_refuses_what_it_does_not_know(machine: Machine, arguments: tuple[str, ...]) -> None:
    machine.refuses("see --help", *arguments)


def test_help_names_every_flag(machine: Machine) -> None:
    said = machine.install("--help").stdout
    for flag in ("server", "room", "name", "with-server", "cert", "key", "dry-run", "help"):
        assert f"--{flag}" in said


def test_a_dry_run_names_every_change_and_makes_none(machine: Machine) -> None:
    machine.has_command("dpkg-query", "exit 1")
    machine.has_command("apt-get", "exit 1")  # no sources: nothing to probe
    done = machine.install("--with-server", "--name", "Gate", "--dry-run")
    assert done.returncode == 0, done.stderr
    planned = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert all(line.startswith("would ") for line in planned)
    for change in (
        "python3-venv",
        "/etc/homecall-pi/packages",
        "avahi-daemon",  # for the name of a machine at home
        "/opt/homecall-pi/versions/",
        "the user and the group homecall",
        "/etc/homecall-pi/config.toml",
        "certificate",
        "/opt/homecall-pi/venv",
        "/usr/local/bin/homecall-pi",
        "/etc/systemd/system/homecall-pi.service",
        "/etc/systemd/system/homecall-pi-server.service",
        "start homecall-pi.service",
    ):
        assert any(change in line for line in planned), change


def test_a_dry_run_names_the_version_that_an_upgrade_removes(machine: Machine) -> None:
    former = "/opt/homecall-pi/versions/20250101T000000Z"
    machine.environment["FORMER"] = former
    done = machine.install(*SERVER, "--dry-run")
    assert f"  would remove the former version {former}\n" in done.stdout, done.stderr
    machine.environment["FORMER"] = ""
    assert "would remove" not in machine.install(*SERVER, "--dry-run").stdout


def test_with_a_server_elsewhere_there_is_none_here(machine: Machine) -> None:
    planned = machine.install(*SERVER, "--dry-run").stdout
    assert "homecall-pi.service" in planned
    assert "homecall-pi-server" not in planned
    assert "certificate" not in planned
    assert "would update the lists" not in planned  # all packages are there
