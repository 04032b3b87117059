"""Messages to the service manager, over a real datagram socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from homecall_pi import notify

from .manager import Manager


def test_a_message_is_one_datagram(manager: Manager):
    notify.send("READY=1", "STATUS=Ready: waiting for a press")
    assert manager.next() == ["READY=1", "STATUS=Ready: waiting for a press"]


def test_a_name_without_a_file_is_reached(monkeypatch: pytest.MonkeyPatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
        abstract.bind("\0homecall-test-" + str(os.getpid()))
        monkeypatch.setenv("NOTIFY_SOCKET", f"@homecall-test-{os.getpid()}")
        notify.send("WATCHDOG=1")
        assert abstract.recv(100) == b"WATCHDOG=1"


def test_nobody_can_smuggle_in_another_assignment(manager: Manager):
    notify.send("STATUS=talking to A\nMAINPID=1\n\nREADY=1 \ud800")
    assert manager.next() == ["STATUS=talking to A MAINPID=1  READY=1 ?"]


def test_without_a_service_manager_nothing_is_sent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.send("READY=1")


@pytest.mark.parametrize("place", ["none.sock", "file"])
def test_a_service_manager_that_is_gone_does_no_harm(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / place))
    notify.send("READY=1")


def test_a_service_manager_that_does_not_listen_is_not_waited_for(manager: Manager):
    for _ in range(2000):
        notify.send("WATCHDOG=1")
    assert manager.next() == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("variables", "period_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_as_the_service_manager_says(
    variables: dict[str, str], period_s: float | None, monkeypatch: pytest.MonkeyPatch
):
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert notify.watchdog_s() == period_s
