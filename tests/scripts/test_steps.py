"""The steps of install.sh: what they announce, and how they are undone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

STEPS = Path(__file__).parents[2] / "scripts/install/steps.sh"


def run(script: str, folder: Path, dry_run: str = "false") -> subprocess.CompletedProcess[str]:
    """Runs a script of steps in the folder, as install.sh would."""
    group = os.getgid()
    head = (
        f"set -euo pipefail; . {STEPS}; STEPS=3 dry_run={dry_run} former=old group={group}\n"
        "scratch=$(mktemp -d); trap finish EXIT\n"
    )
    return subprocess.run(
        ["bash", "-c", head + script], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("end", ["false", "exit 7", "kill -TERM $$; sleep 5"])
def test_what_fails_puts_everything_back(tmp_path: Path, end: str) -> None:
    (tmp_path / "file").write_text("former\n")
    (tmp_path / "file").chmod(0o604)
    (tmp_path / "former").mkdir()
    (tmp_path / "link").symlink_to("former")
    script = f"""
    trap 'exit 130' TERM
    begin "One thing"
    place 0640 $group $PWD/file <<<changed
    mkdir other
    on_failure rmdir other
    link other $PWD/link
    folder $PWD/folder
    place 0640 $group $PWD/folder/new <<<new
    link new $PWD/folder/link
    begin "Another thing"
    {end}
    """
    done = run(script, tmp_path)
    assert done.returncode != 0
    assert "step 2 of 3 failed: Another thing" in done.stderr
    assert "the version from before is still in use" in done.stderr
    assert (tmp_path / "file").read_text() == "former\n"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o604
    assert (tmp_path / "link").readlink() == Path("former")
    assert sorted(os.listdir(tmp_path)) == ["file", "former", "link"]
    assert os.listdir(tmp_path / "former") == []


def test_what_is_done_stays(tmp_path: Path) -> None:
    script = """
    begin "One thing"
    change "make a folder" folder $PWD/folder
    change "make a file" place 0640 $group $PWD/folder/file <<<content
    change "make a link" link file $PWD/folder/link
    """
    done = run(script, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "[1/3] One thing",
        "  make a folder",
        "  make a file",
        "  make a link",
    ]
    assert (tmp_path / "folder/link").read_text() == "content\n"
    assert (tmp_path / "folder/file").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path / "folder")) == ["file", "link"]


def test_what_cannot_be_undone_is_told_and_the_rest_is_undone(tmp_path: Path) -> None:
    script = """
    begin "One thing"
    folder $PWD/folder
    on_failure false
    false
    """
    done = run(script, tmp_path)
    assert "could not be undone: false" in done.stderr
    assert not (tmp_path / "folder").exists()


def test_a_dry_run_tells_and_does_nothing(tmp_path: Path) -> None:
    done = run('begin "One thing"; change "make a folder" mkdir folder', tmp_path, dry_run="true")
    assert done.stdout == "[1/3] One thing\n  would make a folder\n"
    assert not (tmp_path / "folder").exists()
