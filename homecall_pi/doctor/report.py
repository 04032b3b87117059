"""The command: runs the checks, prints what they found, and tells by its exit code."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from . import plan
from .check import Check, examine
from .finding import Finding

FAILED = 1
"""Exit code if a check failed; 0 if there are warnings at most."""

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
_INDENT = " " * 18


def run(path: Path | None, given: Mapping[str, Any], *, play: bool, as_json: bool) -> int:
    """Examines the door that the file at `path` and the flags describe; returns the exit code."""
    # By Ctrl-C, what hangs in a process of its own is to be ended, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    checks = plan.checks(path, given, play=play)
    findings = asyncio.run(_examine(checks, aloud=not as_json))
    if as_json:
        click.echo(_json(findings))
    else:
        click.echo(_summary(findings))
    return FAILED if any(finding.status == "fail" for _, finding in findings) else 0


async def _examine(checks: Sequence[Check], *, aloud: bool) -> list[tuple[str, Finding]]:
    findings = []
    async for name, finding in examine(checks):
        findings.append((name, finding))
        if aloud:
            click.echo(_line(name, finding))
    return findings


def _line(name: str, finding: Finding) -> str:
    mark = click.style(f"{finding.status:4}", fg=_COLOURS[finding.status], bold=True)
    line = f"{mark}  {name:12} {finding.found}"
    return f"{line}\n{_INDENT}→ {finding.cure}" if finding.cure else line


def _summary(findings: Sequence[tuple[str, Finding]]) -> str:
    count = Counter(finding.status for _, finding in findings)
    return f"\n{count['ok']} ok, {count['warn']} to look at, {count['fail']} failed"


def _json(findings: Sequence[tuple[str, Finding]]) -> str:
    """One line: `{"ok": false, "checks": [{"name": …, "status": …, "found": …, "cure": …}, …]}`."""
    checks = [{"name": name, **msgspec.structs.asdict(finding)} for name, finding in findings]
    well = all(finding.status != "fail" for _, finding in findings)
    return msgspec.json.encode({"ok": well, "checks": checks}).decode()
