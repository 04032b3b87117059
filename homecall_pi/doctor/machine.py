"""The machine: board and system, clock, disks, power."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .finding import Finding, fail, ok, warn

SYSTEMS = {"debian": ("12", "13"), "raspbian": ("12", "13")}
"""Systems by ID and VERSION_ID of os-release(5)."""
EARLIEST = 1_735_689_600
"""1 January 2025: this program is younger than that."""
LEAST_BYTES = 20 * 2**20
LOW_BYTES = 200 * 2**20


def board(
    model: Path = Path("/proc/device-tree/model"),
    release: Path = Path("/etc/os-release"),
    bits: int = sys.maxsize.bit_length() + 1,
) -> Finding:
    """The board and its operating system."""
    name = _text(model).strip("\0\n") or f"{platform.machine()}, no Raspberry Pi"
    system = platform_of(_text(release))
    found = f"{name}, {system.get('PRETTY_NAME', 'unknown system')}, {bits} bit"
    if bits < 64:
        return fail(found, "write the 64-bit image of Raspberry Pi OS to the card")
    if system.get("VERSION_ID") not in SYSTEMS.get(system.get("ID", ""), ()):
        return warn(
            f"{found}: not tried with this program", "take Debian or Raspberry Pi OS, 12 or 13"
        )
    return ok(found)


def platform_of(text: str) -> dict[str, str]:
    """The keys of an os-release file."""
    return dict(re.findall(r"""^(\w+)=["']?(.*?)["']?$""", text, re.MULTILINE))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def clock(now: float, synchronised: bool | None) -> Finding:
    """The clock, in seconds since 1970, and whether a time server sets it; None: unknown.

    A board without a battery starts in the past, where no certificate is valid yet.
    """
    found = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    set_it = "sudo timedatectl set-ntp true, and see that the network lets UDP port 123 through"
    if now < EARLIEST:
        return fail(f"it is {found} here: certificates are refused", set_it)
    if synchronised is False:
        return warn(f"{found}, but no time server sets it", set_it)
    return ok(found if synchronised else f"{found}; whether a time server sets it is not known")


def is_synchronised() -> bool | None:
    """What systemd says of the clock; None where it says nothing."""
    said = output_of("timedatectl", "show", "--property=NTPSynchronized", "--value").strip()
    return {"yes": True, "no": False}.get(said)


def disks(paths: Sequence[Path] = (Path("/"), Path("/var/lib/homecall-pi"))) -> Finding:
    """Space, and whether the disks of these folders, where they exist, can be written to."""
    findings = [_disk(path) for path in paths if path.exists()]
    return max(findings, key=lambda finding: ("ok", "warn", "fail").index(finding.status))


def _disk(path: Path) -> Finding:
    disk = os.statvfs(path)
    free = disk.f_bavail * disk.f_frsize
    found = f"{path} has {free // 2**20} MB free"
    if disk.f_flag & os.ST_RDONLY:
        return warn(
            f"{path} cannot be written to",
            "fine if you made it so; else the card is failing: see sudo dmesg, and replace it",
        )
    if free < LOW_BYTES:
        finding = fail if free < LEAST_BYTES else warn
        return finding(found, "make room: sudo apt clean; sudo journalctl --vacuum-size=50M")
    return ok(found)


def power(throttled: str) -> Finding | None:
    """What `vcgencmd get_throttled` says; nothing where there is no such command.

    Its bits: https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
    """
    bits = re.fullmatch(r"throttled=0x([0-9a-f]+)", throttled.strip(), re.IGNORECASE)
    if bits is None:
        return None
    now = int(bits[1], 16)
    before = now >> 16
    if (now | before) & 0b0001:
        when = "now" if now & 0b0001 else "since the start"
        return warn(
            f"the voltage is too low ({when})",
            "take the board's own power supply and a short cable; a USB device may need its own",
        )
    if (now | before) & 0b1110:
        when = "now" if now & 0b1110 else "since the start"
        return warn(f"too hot, and slowed down for it ({when})", "give the board air or a fan")
    return ok("neither too low a voltage nor too hot since the start")


def throttled() -> str:
    """What the board's firmware says of its power supply."""
    return output_of("vcgencmd", "get_throttled")


def output_of(*command: str) -> str:
    """What a command prints; empty where it is missing or fails."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - commands of our own
            [program, *command[1:]], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
