"""Reading the file and checking what is in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..errors import OperatorError
from .ice import IceServer
from .schema import Config

DEFAULT_PATH = Path("/etc/homecall-pi/config.toml")


def load(path: Path | None, overrides: Mapping[str, Any]) -> Config:
    """The file at `path` with `overrides` (nested like the file) on top.

    Without `path`, the file at DEFAULT_PATH is used if there is one.

    Raises:
        OperatorError: unreadable file, unknown key or bad value; the message names file and key.
    """
    values: dict[str, Any] = {}
    if path is not None or _is_there(DEFAULT_PATH):
        path = path or DEFAULT_PATH
        values = _read(path)
        _convert(values, str(path))
    return _convert(_merge(values, overrides), "command line")


def _is_there(path: Path) -> bool:
    """Whether there is a file, or something that hides whether there is one."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"{path}: cannot be read: {error}; give a readable file with --config, or use sudo"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise OperatorError(f"{path}: is not TOML: {error}; mend that line") from None


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        nested = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merge(below, value) if nested else value  # type: ignore[arg-type]
    return merged


def _convert(values: Mapping[str, Any], source: str) -> Config:
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise OperatorError(f"{source}: {_explain(str(error))}") from None


def _explain(error: str) -> str:
    """A validation error of msgspec's as "KEY: what is wrong; the cure"."""
    text, _, place = error.partition(" - at `$")
    section = place.rstrip("`").lstrip(".")
    if unknown := re.search("unknown field `(.+)`", text):
        key = f"{section}.{unknown[1]}".lstrip(".")
        return f"{key}: no such key; the keys there are: {', '.join(_keys(section))}"
    text = re.sub("^[A-Z](?=[a-z])", lambda letter: letter[0].lower(), text)  # but not of "GPIO"
    return f"{section}: {text}; see `homecall-pi config --help`"


def _keys(section: str) -> tuple[str, ...]:
    if section.startswith("ice.servers"):
        return IceServer.__struct_fields__
    struct: msgspec.Struct = getattr(Config(), section) if section else Config()
    return struct.__struct_fields__
