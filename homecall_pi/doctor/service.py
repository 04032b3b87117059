"""The daemon, and what systemd knows of its service."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from .. import control
from ..control import Command, Status
from ..errors import HomeCallError
from .finding import Finding, fail, ok, warn
from .machine import output_of

DOOR = "homecall-pi.service"
SERVER = "homecall-pi-server.service"
BAD_CONFIGURATION = "78"
"""EX_CONFIG, with which the program ends when only a person can help."""

Properties: TypeAlias = Mapping[str, str]
"""Of a unit, by systemd's names; empty where there is no systemd."""

_PROPERTIES = (
    "LoadState,ActiveState,SubState,UnitFileState,Result,ExecMainStatus,NRestarts,StatusText,"
    "WatchdogUSec,User,SupplementaryGroups,Environment"
)


def properties(unit: str) -> Properties:
    """What systemd says of a unit."""
    lines = output_of("systemctl", "show", f"--property={_PROPERTIES}", unit).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def certificates(unit: Properties) -> str:
    """The file of certificates that the service trusts beside the system's, if any."""
    settings = shlex.split(unit.get("Environment", ""))
    found = dict(text.split("=", 1) for text in settings if "=" in text)
    return found.get("SSL_CERT_FILE", "")


def ask(
    path: Path | None, ask: Callable[[Path, Command], Status] = control.ask
) -> tuple[Status | None, Finding]:
    """What the daemon tells of itself; None: it does not run, or may not be asked."""
    hidden = control.SERVICE_PATH.parent
    if path is None and hidden.is_dir() and not os.access(hidden, os.X_OK):
        return None, _not_for_us(hidden)
    path = path or control.default_path()
    try:
        status = ask(path, "status")
    except HomeCallError as error:
        return None, _silent(path, error)
    found = f"{status.state}, line {status.line}, calls: {status.calls}"
    if status.refusal:
        what, _, cure = status.refusal.rpartition("; ")
        return status, fail(f"{found}: {what}", cure)
    if status.line == "down":
        return status, warn(
            f"{found}: it does not reach the server, and tries again",
            "see below what is wrong with the server, and: sudo journalctl -u homecall-pi",
        )
    return status, ok(found)


def _silent(path: Path, error: HomeCallError) -> Finding:
    cause = error.__context__
    if isinstance(cause, PermissionError):
        return _not_for_us(path)
    if isinstance(cause, FileNotFoundError | ConnectionRefusedError):
        return warn(
            f"no daemon listens on {path}",
            "sudo systemctl start homecall-pi, or homecall-pi run; --control PATH names its socket",
        )
    return fail(
        f"the daemon on {path} does not answer",
        "sudo systemctl restart homecall-pi, and see what it said: sudo journalctl -u homecall-pi",
    )


def _not_for_us(path: Path) -> Finding:
    return warn(f"this user may not use {path}", "sudo homecall-pi doctor")


def state(name: str, unit: Properties) -> Finding | None:
    """Whether a service runs, and will after the next start of the board.

    Nothing, if it is the server's, which may well be on another machine.
    """
    if name == SERVER and unit.get("LoadState", "not-found") == "not-found":
        return None
    if not unit:
        return warn(
            "there is no systemd here to keep the daemon running",
            "run it yourself: homecall-pi run",
        )
    if unit["LoadState"] == "masked":
        return warn(f"{name} is masked", f"sudo systemctl unmask {name}")
    if unit["LoadState"] != "loaded":
        return warn(f"{name} is not installed ({unit['LoadState']})", "sudo scripts/install.sh")
    return _trouble(name, unit) or ok(
        f"{unit['ActiveState']}, starts with the board{_status(unit)}"
    )


def _trouble(name: str, unit: Properties) -> Finding | None:
    journal = f"sudo journalctl -u {name.removesuffix('.service')} -n 30"
    if unit["UnitFileState"] in {"disabled", "masked"}:
        return fail(
            f"{name} is {unit['UnitFileState']}: it does not start with the board",
            f"sudo systemctl unmask {name}; sudo systemctl enable --now {name}",
        )
    if unit["ActiveState"] == "failed":
        why, cure = f"{unit['Result']}, exit code {unit['ExecMainStatus']}", journal
        if unit["ExecMainStatus"] == BAD_CONFIGURATION:  # its last words have both
            why, _, cure = unit.get("StatusText", "").partition("; ")
        why, cure = why or "its configuration is of no use", cure or journal
        return fail(f"{name} has ended: {why}", f"{cure}; then sudo systemctl restart {name}")
    if unit["SubState"] == "auto-restart":
        return fail(f"{name} ends again and again ({unit['NRestarts']} times)", journal)
    if unit["ActiveState"] == "inactive":
        return fail(f"{name} is stopped", f"sudo systemctl start {name}")
    if unit["ActiveState"] != "active":
        return warn(f"{name} is {unit['ActiveState']}{_status(unit)}", journal)
    if unit["NRestarts"] not in {"", "0"}:
        return warn(f"{name} was started again {unit['NRestarts']} times by itself", journal)
    return None


def _status(unit: Properties) -> str:
    return f"; {unit['StatusText']}" if unit.get("StatusText") else ""


def watchdog(unit: Properties, board: str) -> Finding | None:
    """Whether a daemon that hangs is started again, and the board, which nobody has to want."""
    if unit.get("LoadState") != "loaded":
        return None
    if unit["WatchdogUSec"] in {"", "0", "infinity"}:
        return warn(f"nobody notices if {DOOR} hangs", "sudo scripts/install.sh renews the unit")
    on = board not in {"", "0", "infinity"}
    return ok(
        f"after {unit['WatchdogUSec']} without a sign of life the daemon is started again"
        + (f", the board after {board}" if on else "; the board's own watchdog is off")
    )


def board_watchdog() -> str:
    """After how long systemd lets the hardware start a board that hangs again."""
    return output_of("systemctl", "show", "--property=RuntimeWatchdogUSec", "--value").strip()


def user(unit: Properties, devices: Iterable[Path]) -> Finding | None:
    """Whether the service's user may use the devices."""
    if unit.get("LoadState") != "loaded":
        return None
    name = unit.get("User") or "root"
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        return fail(f"there is no user {name}, as whom the service runs", "sudo scripts/install.sh")
    groups = set(os.getgrouplist(name, account.pw_gid))
    groups |= {grp.getgrnam(group).gr_gid for group in unit["SupplementaryGroups"].split()}
    refused = [path for path in devices if not may_use(path, account.pw_uid, groups)]
    if refused:
        lacking = sorted({_group(path) for path in refused})
        return fail(
            f"the user {name} may not use {', '.join(map(str, refused))}",
            f"sudo usermod -aG {','.join(lacking)} {name}; sudo systemctl restart {DOOR}",
        )
    return ok(f"{name} may use all devices that the configuration names")


def may_use(path: Path, user: int, groups: set[int]) -> bool:
    """Whether a user with these groups may read and write a file. Access lists do not count."""
    try:
        status = path.stat()
    except OSError:  # it is not there, which is for others to tell
        return True
    if user == status.st_uid:
        wanted = stat.S_IRUSR | stat.S_IWUSR
    elif status.st_gid in groups:
        wanted = stat.S_IRGRP | stat.S_IWGRP
    else:
        wanted = stat.S_IROTH | stat.S_IWOTH
    return user == 0 or status.st_mode & wanted == wanted


def _group(path: Path) -> str:
    gid = path.stat().st_gid
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
