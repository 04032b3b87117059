"""The systemd units: what systemd makes of them, and that they fit the program."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from homecall_pi import app
from homecall_pi.control import SERVICE_PATH
from homecall_pi.errors import HomeCallError, OperatorError
from homecall_pi.hardware import pulse
from homecall_pi.signaling import dial

UNITS = Path(__file__).parent.parent / "systemd"
DOOR, SERVER = "homecall-pi.service", "homecall-pi-server.service"
BOTH = pytest.mark.parametrize("unit", [DOOR, SERVER])

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


def settings(unit: str) -> dict[str, list[str]]:
    """Every setting with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / unit).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def seconds(unit: str, key: str) -> float:
    (value,) = settings(unit)[key]
    return float(value)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, check=False
    )


@needs_systemd
@BOTH
def test_systemd_finds_no_fault(unit: str, tmp_path: Path):
    text = (UNITS / unit).read_text()
    (tmp_path / unit).write_text(re.sub("(?m)^ExecStart=.*$", "ExecStart=/bin/true", text))
    done = analyze("verify", "--recursive-errors=no", str(tmp_path / unit))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize(("unit", "limit"), [(DOOR, 2.0), (SERVER, 1.5)])
def test_the_sandbox_leaves_little_open(unit: str, limit: float):
    done = analyze("security", "--offline=true", str(UNITS / unit))
    score = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert score is not None, done.stderr
    print(f"{unit}: {score[1]} of at most {limit}")
    assert float(score[1]) <= limit


@BOTH
def test_what_only_a_person_can_mend_is_not_started_again(unit: str):
    (codes,) = settings(unit)["RestartPreventExitStatus"]
    assert {str(OperatorError.exit_code), "2"} == set(codes.split())  # 2: of click, bad usage


@BOTH
def test_whatever_else_ends_it_is_no_end(unit: str):
    """A vital task that died (1), a signal, the watchdog, or even an exit in good order (0)."""
    assert settings(unit)["Restart"] == ["always"]
    (codes,) = settings(unit)["RestartPreventExitStatus"]
    assert str(HomeCallError.exit_code) not in codes.split()


def test_a_helper_that_is_ended_for_want_of_memory_does_not_end_the_door():
    assert settings(DOOR)["OOMPolicy"] == ["continue"]


@BOTH
def test_the_program_is_told_of_by_itself_and_watched(unit: str):
    assert settings(unit)["Type"] == ["notify"]
    assert seconds(unit, "WatchdogSec") == 30


def test_there_is_time_to_become_ready_and_to_say_goodbye():
    assert seconds(DOOR, "TimeoutStartSec") > app.JOIN_S + 60  # importing, on a slow card
    assert seconds(DOOR, "TimeoutStopSec") == 5 > app.GOODBYE_S + dial.CLOSE_S + app.EXIT_S


def test_the_program_that_holds_the_door_release_is_told_to_end():
    """Not only the daemon: killed with it, the program could not let go of the pin."""
    assert settings(DOOR)["KillMode"] == ["control-group"]
    assert {ending.name for ending in pulse.ENDINGS} >= {"SIGTERM", "SIGABRT"}


def test_the_control_socket_is_where_the_commands_look_for_it():
    assert settings(DOOR)["RuntimeDirectory"] == [SERVICE_PATH.parent.name]


def test_a_machine_without_some_group_starts_the_door_all_the_same():
    """A group that does not exist would keep systemd from starting it: gpio, on plain Debian."""
    assert "SupplementaryGroups" not in settings(DOOR)


@BOTH
def test_programs_and_configuration_are_where_the_installer_puts_them(unit: str):
    (command,) = settings(unit)["ExecStart"]
    program, verb, *arguments = command.split()
    assert program == "/opt/homecall-pi/venv/bin/homecall-pi"
    assert verb == ("run" if unit == DOOR else "serve")
    assert arguments == ["--config", "/etc/homecall-pi/config.toml"]
    assert (settings(unit)["User"], settings(unit)["Group"]) == (["homecall"], ["homecall"])
