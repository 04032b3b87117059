"""What the log shows, on stderr and in the journal."""

from __future__ import annotations

import faulthandler
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from homecall_pi import log

HERE = logging.getLogger("homecall_pi.here")


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leaves logging to the other tests as it was."""
    root, levels = logging.getLogger(), [logging.getLogger(name).level for name in log.LIBRARIES]
    level, handlers = root.level, root.handlers[:]
    hooks = sys.excepthook, threading.excepthook
    monkeypatch.setattr(faulthandler, "enable", lambda _: None)  # pytest has its own
    monkeypatch.setattr(log.current_call, "number", None)
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    root.handlers = []
    yield
    root.handlers = handlers
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks
    for name, former in zip(log.LIBRARIES, levels, strict=True):
        logging.getLogger(name).setLevel(former)


@pytest.fixture
def stderr_is_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd says to a service whose stderr it reads."""
    stderr = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{stderr.st_dev}:{stderr.st_ino}")


@pytest.fixture
def no_journal_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "systemd.journal", None)


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What systemd-python's own handler sends, or a stand-in's where it is not installed."""
    sent: list[dict[str, Any]] = []

    def send(message: str, /, **fields: Any) -> None:
        sent.append({"MESSAGE": message} | {key: fields[key] for key in fields if key.isupper()})

    try:
        from systemd.journal import JournalHandler
    except ImportError:
        JournalHandler = _JournalHandler  # noqa: N806
    module = ModuleType("systemd.journal")
    module.JournalHandler = lambda **fields: JournalHandler(  # type: ignore[attr-defined]
        sender_function=send, **fields
    )
    monkeypatch.setitem(sys.modules, "systemd", ModuleType("systemd"))
    monkeypatch.setitem(sys.modules, "systemd.journal", module)
    return sent


class _JournalHandler(logging.Handler):
    """Sends what systemd-python's handler of the same name does (version 235)."""

    def __init__(self, sender_function: Callable[..., None], **fields: Any) -> None:
        super().__init__()
        self._send, self._fields = sender_function, fields

    def emit(self, record: logging.LogRecord) -> None:
        priority = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
        self._send(
            self.format(record),
            PRIORITY=str(priority[record.levelname]),
            LOGGER=record.name,
            CODE_FILE=record.pathname,
            CODE_LINE=record.lineno,
            CODE_FUNC=record.funcName,
            **self._fields,
            **record.__dict__,
        )


def test_on_a_terminal_a_record_is_a_line_with_time_level_and_origin(
    capsys: pytest.CaptureFixture[str],
):
    log.set_up("info")
    HERE.info("line %s", "up", extra={"EVENT": "line-up"})
    HERE.debug("secret")
    line = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO    homecall_pi\.here: line up\n"
    assert re.fullmatch(line, capsys.readouterr().err)


@pytest.mark.usefixtures("stderr_is_the_journal", "no_journal_library")
def test_without_the_library_the_journal_gets_priorities_in_front(
    capsys: pytest.CaptureFixture[str],
):
    log.set_up("debug")
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        HERE.log(level, "x")
    assert capsys.readouterr().err == "<7>x\n<6>x\n<4>x\n<3>x\n<2>x\n"


@pytest.mark.usefixtures("stderr_is_the_journal")
def test_the_journal_gets_fields(journal: list[dict[str, Any]]):
    log.set_up("info")
    HERE.warning("call %d: %s", 3, "ended", extra={"EVENT": "ended", "CALL_ID": 3})
    (record,) = journal
    assert record["MESSAGE"] == "call 3: ended"
    assert (record["PRIORITY"], record["LOGGER"]) == ("4", "homecall_pi.here")
    assert (record["EVENT"], record["CALL_ID"]) == ("ended", 3)
    assert record["SYSLOG_IDENTIFIER"] == "homecall-pi"
    assert (record["CODE_FILE"], record["CODE_FUNC"]) == (
        __file__,
        "test_the_journal_gets_fields",
    )


def test_the_journal_can_be_asked_for(journal: list[dict[str, Any]]):
    log.set_up("info", "journal")
    HERE.info("x")
    assert [record["MESSAGE"] for record in journal] == ["x"]


@pytest.mark.usefixtures("stderr_is_the_journal")
def test_lines_can_be_asked_for_in_a_service(
    journal: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
):
    log.set_up("info", "console")
    HERE.info("x")
    assert capsys.readouterr().err.endswith("INFO    homecall_pi.here: x\n")
    assert journal == []


@pytest.mark.parametrize("stream", [None, "", "1:2", "nonsense"])
def test_stderr_elsewhere_is_not_the_journal(stream: str | None, monkeypatch: pytest.MonkeyPatch):
    if stream is not None:
        monkeypatch.setenv("JOURNAL_STREAM", stream)
    assert not log.is_journal()


def test_every_record_of_a_call_carries_its_number(journal: list[dict[str, Any]]):
    log.set_up("info", "journal")
    HERE.info("before")
    log.current_call.number = 7
    thread = threading.Thread(target=lambda: HERE.warning("no camera is connected"))
    thread.start()
    thread.join()
    HERE.info("of the call before", extra={"CALL_ID": 6})
    log.current_call.number = None
    HERE.info("after")
    assert [record.get("CALL_ID") for record in journal] == [None, 7, 6, None]


FORGED = "A\n<0>forged\x1b[2J"


@pytest.mark.usefixtures("no_journal_library")
@pytest.mark.parametrize("form", ["console", "journal"])
def test_nobody_forges_a_line(form: str, capsys: pytest.CaptureFixture[str]):
    log.set_up("info", form)
    HERE.info("the server says: %s", FORGED)
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert r"A\n<0>forged\x1b[2J" in err


@pytest.mark.usefixtures("no_journal_library")
def test_each_line_of_a_traceback_has_its_priority(capsys: pytest.CaptureFixture[str]):
    log.set_up("info", "journal")
    try:
        raise ValueError(FORGED)
    except ValueError:
        HERE.exception("it broke")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["<3>it broke", "<3>Traceback (most recent call last):"]
    assert all(line.startswith("<3>") for line in lines)


def test_libraries_show_their_warnings_alone(capsys: pytest.CaptureFixture[str]):
    log.set_up("debug")
    for name in log.LIBRARIES:
        logging.getLogger(name).info("an address")
        logging.getLogger(f"{name}.part").warning("trouble")
    err = capsys.readouterr().err
    assert err.count("trouble") == len(log.LIBRARIES)
    assert "an address" not in err


def test_a_thread_that_dies_is_told(journal: list[dict[str, Any]]):
    log.set_up("info", "journal")

    def die() -> None:
        raise RuntimeError("dead")

    thread = threading.Thread(target=die, name="panel")
    thread.start()
    thread.join()
    (record,) = journal
    assert record["PRIORITY"] == "2"
    assert record["MESSAGE"].startswith("the thread panel died\nTraceback ")
    assert record["MESSAGE"].endswith("RuntimeError: dead")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_end_on_purpose_is_no_fault(error: type[BaseException], journal: list[dict[str, Any]]):
    log.set_up("info", "journal")
    sys.excepthook(error, error(), None)
    assert journal == []


def test_where_each_thread_hangs_is_shown_when_the_watchdog_bites(
    monkeypatch: pytest.MonkeyPatch,
):
    files: list[int] = []
    monkeypatch.setattr(faulthandler, "enable", files.append)
    log.set_up("info")
    assert files == [2]
