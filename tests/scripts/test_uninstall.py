"""What uninstall.sh says before it does anything; what it does is shown on booted machines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "uninstall.sh"


def uninstall(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_it_says_how_it_is_used(flag: str) -> None:
    done = uninstall(flag)
    assert done.returncode == 0
    assert "--purge" in done.stdout


def test_it_refuses_what_it_does_not_know() -> None:
    done = uninstall("--purg")
    assert done.returncode == 1
    assert done.stderr == "uninstall.sh: unknown argument: --purg; see --help\n"
