"""What is found of the daemon and its service: a real socket, real files, systemd's words."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import socket
import threading
from pathlib import Path

import pytest

from homecall_pi import control
from homecall_pi.control import ControlServer, Status
from homecall_pi.doctor import service
from homecall_pi.doctor.service import DOOR, SERVER

RUNNING = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "Result": "success",
    "ExecMainStatus": "0",
    "NRestarts": "0",
    "StatusText": "Ready",
    "WatchdogUSec": "30s",
    "User": "root",
    "SupplementaryGroups": "",
    "Environment": "",
}


async def daemon_with(path: Path, status: Status) -> ControlServer:
    async def answer(_: control.Command) -> Status:
        return status

    server = ControlServer(path, answer)
    await server.start()
    return server


@pytest.mark.parametrize(("line", "verdict"), [("up", "ok"), ("down", "warn")])
async def test_a_daemon_that_runs_tells_how_it_is(tmp_path: Path, line: str, verdict: str):
    path = tmp_path / "control.sock"
    server = await daemon_with(path, Status("idle", line, None, 3, None, 0, 0, -100.0, 5))
    status, found = await asyncio.to_thread(service.ask, path)
    await server.stop()
    assert status is not None
    assert status.calls == 3
    assert found.status == verdict
    assert f"idle, line {line}, calls: 3" in found.found


async def test_a_daemon_that_is_refused_fails_with_the_cure(tmp_path: Path):
    path = tmp_path / "control.sock"
    refusal = 'the server says "no; never"; mend the room'
    status = Status("offline", "refused", None, 0, None, 0, 0, -100.0, 5, refusal=refusal)
    server = await daemon_with(path, status)
    _, found = await asyncio.to_thread(service.ask, path)
    await server.stop()
    assert found.status == "fail"
    assert found.found.endswith('offline, line refused, calls: 0: the server says "no; never"')
    assert found.cure == "mend the room"


def test_without_a_daemon_there_is_a_way_to_start_one(tmp_path: Path):
    status, found = service.ask(tmp_path / "none.sock")
    assert (status, found.status) == (None, "warn")
    assert "no daemon listens on" in found.found
    assert "systemctl start homecall-pi" in found.cure


def test_a_socket_that_a_dead_daemon_left_is_no_daemon(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left.sock"))
    _, found = service.ask(tmp_path / "left.sock")
    assert "no daemon listens on" in found.found


def test_a_daemon_that_says_nothing_sensible_fails(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen()
        hanging_up = threading.Thread(target=lambda: mute.accept()[0].close())
        hanging_up.start()
        status, found = service.ask(tmp_path / "mute.sock")
        hanging_up.join()
    assert (status, found.status) == (None, "fail")
    assert "does not answer" in found.found
    assert "systemctl restart homecall-pi" in found.cure


def test_a_daemon_of_another_user_is_asked_with_sudo(tmp_path: Path):
    def forbidden(path: Path, _: control.Command) -> Status:
        try:
            raise PermissionError(13, "Permission denied")
        except OSError:
            raise control.HomeCallError(f"no daemon answers on {path}") from None

    _, found = service.ask(tmp_path / "other.sock", forbidden)
    assert (found.status, found.cure) == ("warn", "sudo homecall-pi doctor")


def test_the_socket_of_the_service_may_be_hidden_from_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(control, "SERVICE_PATH", tmp_path / "control.sock")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may do everything
    _, found = service.ask(None)
    assert (found.status, found.cure) == ("warn", "sudo homecall-pi doctor")


def test_a_service_that_runs_and_will_run_is_well():
    found = service.state(DOOR, RUNNING)
    assert found is not None
    assert (found.status, found.found) == ("ok", "active, starts with the board; Ready")


@pytest.mark.parametrize(
    ("changed", "verdict", "words", "cure"),
    [
        ({"LoadState": "not-found"}, "warn", "is not installed", "sudo scripts/install.sh"),
        ({"LoadState": "masked"}, "warn", "is masked", "systemctl unmask"),
        ({"UnitFileState": "disabled"}, "fail", "does not start with the board", "enable --now"),
        ({"ActiveState": "inactive"}, "fail", "is stopped", "systemctl start"),
        (
            {"ActiveState": "failed", "ExecMainStatus": "78", "StatusText": ""},
            "fail",
            "configuration is of no use",
            "journalctl",
        ),
        (
            {
                "ActiveState": "failed",
                "ExecMainStatus": "78",
                "StatusText": "Port 8443 is already in use; set another port",
            },
            "fail",
            "has ended: Port 8443 is already in use",
            "set another port; then sudo systemctl restart",
        ),
        (
            {"ActiveState": "failed", "Result": "start-limit-hit", "ExecMainStatus": "1"},
            "fail",
            "start-limit-hit, exit code 1",
            "journalctl",
        ),
        (
            {"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "9"},
            "fail",
            "again and again (9 times)",
            "journalctl",
        ),
        ({"ActiveState": "activating", "SubState": "start"}, "warn", "is activating", "journalctl"),
        ({"NRestarts": "2"}, "warn", "started again 2 times", "journalctl"),
    ],
)
def test_what_is_wrong_with_a_service_is_told(
    changed: dict[str, str], verdict: str, words: str, cure: str
):
    found = service.state(DOOR, RUNNING | changed)
    assert found is not None
    assert (found.status, words in found.found, cure in found.cure) == (verdict, True, True)


def test_without_systemd_nobody_keeps_the_daemon_running():
    found = service.state(DOOR, {})
    assert found is not None
    assert (found.status, "no systemd" in found.found) == ("warn", True)


def test_the_server_may_well_be_on_another_machine():
    assert service.state(SERVER, {}) is None
    assert service.state(SERVER, {"LoadState": "not-found"}) is None
    assert service.state(SERVER, RUNNING | {"ActiveState": "inactive"}) is not None


def test_the_watchdog_of_the_service_is_needed_and_that_of_the_board_is_not():
    found = service.watchdog(RUNNING, "0")
    assert found is not None
    assert (found.status, "after 30s" in found.found) == ("ok", True)
    both = service.watchdog(RUNNING, "1min")
    assert both is not None
    assert "the board after 1min" in both.found
    neither = service.watchdog(RUNNING | {"WatchdogUSec": "0"}, "0")
    assert neither is not None
    assert (neither.status, "install.sh" in neither.cure) == ("warn", True)
    assert service.watchdog({}, "") is None


def test_what_systemd_says_is_asked_by_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert service.properties(DOOR) == {}
    program = tmp_path / "systemctl"
    program.write_text('#!/bin/sh\necho "LoadState=loaded\nStatusText=a=b\nUser="; echo $3 >&2\n')
    program.chmod(0o755)
    assert service.properties(DOOR) == {"LoadState": "loaded", "StatusText": "a=b", "User": ""}


def test_the_certificates_that_the_service_trusts_are_known():
    assert service.certificates({}) == ""
    unit = {"Environment": 'LANG=C "SSL_CERT_FILE=/etc/my cert.pem"'}
    assert service.certificates(unit) == "/etc/my cert.pem"


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A device of a user and a group that have nothing to do with nobody."""
    path = tmp_path / "gpiochip0"
    path.touch()
    path.chmod(0o660)
    return path


def test_a_user_that_may_not_use_a_device_is_put_into_its_group(device: Path):
    found = service.user(RUNNING | {"User": "nobody"}, [device])
    group = grp.getgrgid(device.stat().st_gid).gr_name
    assert found is not None
    assert (found.status, str(device) in found.found) == ("fail", True)
    assert f"usermod -aG {group} nobody" in found.cure


def test_the_unit_may_give_a_group_of_its_own(device: Path):
    group = grp.getgrgid(device.stat().st_gid).gr_name
    found = service.user(RUNNING | {"User": "nobody", "SupplementaryGroups": group}, [device])
    assert found is not None
    assert found.status == "ok"


def test_root_may_use_everything(device: Path):
    found = service.user(RUNNING | {"User": ""}, [device])
    assert found is not None
    assert found.status == "ok"


def test_a_user_that_is_not_there_is_made_by_the_installation():
    found = service.user(RUNNING | {"User": "no-such-user"}, [])
    assert found is not None
    assert (found.status, "install.sh" in found.cure) == ("fail", True)


def test_without_the_service_there_is_no_user_to_look_at(device: Path):
    assert service.user({}, [device]) is None


@pytest.mark.parametrize(
    ("mode", "owner", "member", "other"),
    [(0o660, True, True, False), (0o600, True, False, False), (0o666, True, True, True)],
)
def test_who_may_use_a_device(device: Path, mode: int, owner: bool, member: bool, other: bool):
    device.chmod(mode)
    own = device.stat()
    nobody = pwd.getpwnam("nobody").pw_uid
    assert service.may_use(device, own.st_uid, set()) is owner
    assert service.may_use(device, nobody, {own.st_gid}) is member
    assert service.may_use(device, nobody, set()) is other
    assert service.may_use(device.with_name("none"), nobody, set())
