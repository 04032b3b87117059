"""Errors, sorted by who must act.

An `OperatorError` can only be mended by a person: the program says what is wrong and how to cure
it, and exits with a code that tells the service manager not to restart. Everything else is the
program's own business: it is logged once and retried.
"""

from __future__ import annotations

import errno

_PASSING = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.ENOMEM,
    errno.ENOBUFS,
    errno.EAGAIN,
    errno.EMFILE,
    errno.ENFILE,
}


class HomeCallError(Exception):
    """Base of all errors that the program raises on purpose."""

    exit_code = 1


class OperatorError(HomeCallError):
    """Only a person can mend this. The message names the fault and the cure."""

    exit_code = 78  # EX_CONFIG of sysexits.h


class HardwareError(HomeCallError):
    """A part of the door (camera, microphone, …) does not work. It costs its function only."""


def may_pass(error: OSError) -> bool:
    """Whether it may pass by itself: a disk that is full or read-only, memory or files used up."""
    return error.errno in _PASSING
