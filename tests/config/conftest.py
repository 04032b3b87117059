"""A file to write a configuration into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from homecall_pi.config import file as reading
from homecall_pi.config.file import load
from homecall_pi.errors import OperatorError

FILE = Path("config.toml")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty file in an empty place that has no default file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reading, "DEFAULT_PATH", tmp_path / "default.toml")
    FILE.touch()
    return FILE


@pytest.fixture
def error_of(file: Path) -> Callable[[str], str]:
    """A function that tells what is said of a file with that text."""

    def error_of(text: str) -> str:
        file.write_text(text, encoding="utf-8")
        with pytest.raises(OperatorError) as caught:
            load(file, {})
        return str(caught.value)

    return error_of
