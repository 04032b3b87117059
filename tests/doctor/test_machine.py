"""What is found of the machine: in files of our own, on a small disk, and from real commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from homecall_pi.doctor import machine
from homecall_pi.doctor.finding import Finding

BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
NOW = 1_800_000_000.0


@pytest.fixture
def release(tmp_path: Path) -> Path:
    file = tmp_path / "os-release"
    file.write_text(BOOKWORM)
    return file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "model"
    file.write_bytes(b"Raspberry Pi Zero 2 W Rev 1.0\0")
    return file


def test_a_known_board_with_a_known_system_is_well(model: Path, release: Path):
    found = machine.board(model, release, 64)
    expected = "Raspberry Pi Zero 2 W Rev 1.0, Debian GNU/Linux 12 (bookworm), 64 bit"
    assert found == Finding("ok", expected)


def test_32_bits_are_too_few(model: Path, release: Path):
    found = machine.board(model, release, 32)
    assert found.status == "fail"
    assert "64-bit image" in found.cure


def test_a_system_that_was_not_tried_is_told(model: Path, release: Path):
    release.write_text('ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04"\n')
    assert machine.board(model, release, 64).status == "warn"
    release.write_text(BOOKWORM.replace('"12"', '"11"'))
    assert machine.board(model, release, 64).status == "warn"


def test_another_machine_is_named_by_its_processor(tmp_path: Path, release: Path):
    found = machine.board(tmp_path / "none", release, 64)
    assert (found.status, "no Raspberry Pi" in found.found) == ("ok", True)


def test_a_machine_without_any_of_these_files_is_no_reason_to_fail(tmp_path: Path):
    found = machine.board(tmp_path / "none", tmp_path / "none", 64)
    assert (found.status, "unknown system" in found.found) == ("warn", True)


def test_a_clock_that_stands_in_1970_fails():
    found = machine.clock(7.0, synchronised=False)
    assert found.status == "fail"
    assert "1970-01-01 00:00:07" in found.found
    assert "set-ntp true" in found.cure


def test_a_clock_that_nobody_sets_may_go_wrong():
    found = machine.clock(NOW, synchronised=False)
    assert (found.status, "set-ntp" in found.cure) == ("warn", True)


def test_a_clock_that_is_set_is_well():
    assert machine.clock(NOW, synchronised=True) == Finding("ok", "2027-01-15 08:00:00 UTC")
    assert machine.clock(NOW, synchronised=None).status == "ok"


def test_whether_the_clock_is_set_is_asked_of_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.is_synchronised() is None
    program = tmp_path / "timedatectl"
    for word, meaning in (("yes", True), ("no", False)):
        program.write_text(f"#!/bin/sh\necho {word}\n")
        program.chmod(0o755)
        assert machine.is_synchronised() is meaning
    program.write_text("#!/bin/sh\necho yes\nexit 1\n")
    assert machine.is_synchronised() is None


SMALL_DISK = """
mount -t tmpfs -o size=1m none "$1" && dd if=/dev/zero of="$1/full" bs=1k count="$2" status=none
[ -z "$3" ] || mount -o "remount,$3" "$1"
shift 3
exec "$@"
"""
LOOK = """
import sys, msgspec
from pathlib import Path
from homecall_pi.doctor import machine
print(msgspec.json.encode(machine.disks([Path("/"), Path(sys.argv[1])])).decode())
"""


def disks_with(mount: Path, *, filled_kb: int, option: str = "") -> Finding:
    """What is found of the disks when one of 1 MB is mounted, as nobody else can see."""
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if os.getuid() == 0:
        namespace = ["unshare", "--mount"]
    if subprocess.run([*namespace, "true"], capture_output=True).returncode:
        pytest.skip("no namespace of our own to mount a disk in")
    script = ["sh", "-c", SMALL_DISK, "sh", str(mount), str(filled_kb), option]
    look = [sys.executable, "-c", LOOK, str(mount)]
    done = subprocess.run([*namespace, *script, *look], capture_output=True, text=True, check=True)
    return msgspec.json.decode(done.stdout, type=Finding)


def test_a_full_disk_fails(tmp_path: Path):
    found = disks_with(tmp_path, filled_kb=1024)
    assert found.status == "fail"
    assert f"{tmp_path} has 0 MB free" in found.found
    assert "apt clean" in found.cure


def test_a_disk_that_cannot_be_written_to_may_be_failing(tmp_path: Path):
    found = disks_with(tmp_path, filled_kb=1, option="ro")
    assert (found.status, found.found) == ("warn", f"{tmp_path} cannot be written to")
    assert "dmesg" in found.cure


def test_a_folder_that_is_not_there_needs_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "LOW_BYTES", 0)
    found = machine.disks([tmp_path, tmp_path / "none"])
    free = shutil.disk_usage(tmp_path).free // 2**20
    assert found.status == "ok"
    assert f"{tmp_path} has " in found.found
    assert free >= 0


@pytest.mark.parametrize(
    ("throttled", "status", "words"),
    [
        ("throttled=0x0\n", "ok", "neither"),
        ("throttled=0x50005\n", "warn", "voltage is too low (now)"),
        ("throttled=0x50000\n", "warn", "voltage is too low (since the start)"),
        ("throttled=0x80008\n", "warn", "too hot, and slowed down for it (now)"),
        ("throttled=0xe0000\n", "warn", "too hot, and slowed down for it (since the start)"),
    ],
)
def test_what_the_firmware_says_of_power_is_told(throttled: str, status: str, words: str):
    found = machine.power(throttled)
    assert found is not None
    assert (found.status, words in found.found) == (status, True)
    assert bool(found.cure) == (status == "warn")


@pytest.mark.parametrize("said", ["", "VCHI initialization failed\n", "error=1 throttled"])
def test_another_machine_has_no_such_firmware(said: str):
    assert machine.power(said) is None


def test_a_command_that_is_missing_fails_or_hangs_prints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.output_of("nothing") == ""
    program = tmp_path / "something"
    program.write_text("#!/bin/sh\necho words\n")
    program.chmod(0o755)
    assert machine.output_of("something") == "words\n"
    program.write_text("no program\n")
    assert machine.output_of("something") == ""
