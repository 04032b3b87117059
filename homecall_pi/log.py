"""Logging: to the systemd journal with fields, or in lines on stderr.

Every record of a call carries its number. What strangers wrote is made printable, so nobody can
forge a line. Rooms are cut short; SDP, keys and passwords are for debugging alone.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
from types import TracebackType

from .core.text import printable

log = logging.getLogger(__name__)

LIBRARIES = ("aiortc", "aioice", "asyncio", "libav", "websockets")
"""Their warnings matter; what they say below that names addresses, SDP and keys."""
SILENT = ("picamera2",)
"""What goes wrong there is told by us: each of its tries would tell it anew, and each call its
steps."""
CONSOLE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class CurrentCall(logging.Filter):
    """Marks every record with the call that is on, whatever thread it comes from."""

    number: int | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Called by logging."""
        if self.number is not None and not hasattr(record, "CALL_ID"):
            record.CALL_ID = self.number
        return True


current_call = CurrentCall()


def set_up(level: str, form: str = "auto") -> None:
    """Shows records of `level` (debug, info, warning or error) and above from now on.

    `form` is "console", lines on stderr; "journal"; or "auto": journal if stderr goes there.
    The program's last words, and those of its threads, come this way, too.
    """
    if form == "auto":
        form = "journal" if is_journal() else "console"
    handler = _journal() if form == "journal" else _lines(_Printable(CONSOLE))
    handler.addFilter(current_call)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sys.excepthook = _report
    threading.excepthook = lambda args: _report(args.exc_type, args.exc_value, args.exc_traceback)
    faulthandler.enable(2)  # the watchdog ends us by SIGABRT: this tells where each thread hung


def is_journal() -> bool:
    """Whether stderr is a stream to the journal ($JOURNAL_STREAM, systemd.exec(5))."""
    stderr = os.fstat(2)
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"


def priority(level: int) -> str:
    """What begins a line on stderr for the journal to know how bad it is (sd-daemon(3))."""
    worst = next((least for least in _PRIORITIES if level >= least), logging.DEBUG)
    return f"<{_PRIORITIES[worst]}>"


_PRIORITIES = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}


class _Printable(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's
        record.message = printable(record.message)
        return super().formatMessage(record)


class _Prefixed(_Printable):
    """For a service's stderr: the journal takes each line for a record of its own."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = priority(record.levelno)
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def _journal() -> logging.Handler:
    """The journal's own handler, which keeps fields, where systemd-python is installed."""
    try:
        from systemd.journal import JournalHandler
    except ImportError:
        return _lines(_Prefixed("%(message)s"))
    handler: logging.Handler = JournalHandler(SYSLOG_IDENTIFIER="homecall-pi")
    handler.setFormatter(_Printable("%(message)s"))
    return handler


def _lines(formatter: logging.Formatter) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    return handler


def _report(
    kind: type[BaseException], error: BaseException | None, where: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    name = threading.current_thread().name
    log.critical("the thread %s died", name, exc_info=(kind, error or kind(), where))
