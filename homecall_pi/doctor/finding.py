"""What a check finds."""

from __future__ import annotations

import os
from typing import Literal, TypeAlias

import msgspec

Status: TypeAlias = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True):
    """What a check found."""

    status: Status
    """warn: it works, but not as it should, or not for long."""
    found: str
    cure: str = ""
    """What to do about it; empty if nothing is to be done."""


def ok(found: str) -> Finding:
    """All is well."""
    return Finding("ok", found)


def warn(found: str, cure: str) -> Finding:
    """Something should be mended."""
    return Finding("warn", found, cure)


def fail(found: str, cure: str) -> Finding:
    """Something does not work."""
    return Finding("fail", found, cure)


def broken(error: Exception) -> Finding:
    """The check itself came to grief."""
    return fail(
        f"it cannot be checked: {type(error).__name__}: {error}",
        "see what the daemon says: sudo journalctl -u homecall-pi",
    )


def reason(error: OSError) -> str:
    """What an error of the network's says, without the addresses that asyncio puts in."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
