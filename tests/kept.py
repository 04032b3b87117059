"""What a test that failed leaves for whoever looks into it, such as logs and pictures of pages."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

KEPT = Path(__file__).parents[1] / "test-artifacts"
_FAILED = pytest.StashKey[bool]()


def note(item: pytest.Item, report: pytest.TestReport) -> None:
    """Remembers how the test went."""
    if report.when == "call":
        item.stash[_FAILED] = report.failed


def place(request: pytest.FixtureRequest) -> Path | None:
    """An empty folder of the test's, if it failed or was not reached."""
    if not request.node.stash.get(_FAILED, True):
        return None
    folder = KEPT / re.sub(r"\W+", "-", request.node.name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
