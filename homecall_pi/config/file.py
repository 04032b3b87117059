"""Reading the file and checking what is in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..errors import HomeCallError, OperatorError, may_pass
from . import link
from .ice import IceServer
from .keys import keys
from .schema import Config
from .values import fault_in_words, in_words

DEFAULT_PATH = Path("/etc/homecall-pi/config.toml")


def load(path: Path | None, overrides: Mapping[str, Any]) -> Config:
    """The file at `path` with `overrides` (nested like the file) on top.

    Without `path`, the file at DEFAULT_PATH is used if there is one.

    Raises:
        OperatorError: unreadable file, unknown key or bad value; the message names file and key.
        HomeCallError: the file cannot be read just now: of memory, files or the disk's fault.
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
    except UnicodeDecodeError as error:
        raise OperatorError(
            f"{path}: cannot be read: {error}; give a readable file with --config, in UTF-8"
        ) from None
    except OSError as error:
        kind = HomeCallError if may_pass(error) else OperatorError
        raise kind(
            f"{path}: cannot be read: {error.strerror}; "
            "give a readable file with --config, or use sudo"
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
        config = msgspec.convert(values, Config)
        link.check(config)
    except msgspec.ValidationError as error:
        raise OperatorError(f"{source}: {_explain(str(error))}") from None
    except OperatorError as error:
        raise OperatorError(f"{source}: {error}") from None
    return config


def _explain(error: str) -> str:
    """A validation error of msgspec's as "KEY: what is wrong; the cure"."""
    text, _, place = error.partition(" - at `$")
    section = place.rstrip("`").lstrip(".")
    if unknown := re.search("unknown field `(.+)`", text):
        key = f"{section}.{unknown[1]}".lstrip(".")
        there = ", ".join(_keys(section))
        return f"{key}: no such key; the keys there are: {there}{_elsewhere(unknown[1])}"
    return f"{section}: {fault_in_words(text)}; {cure(section)}"


def cure(place: str) -> str:
    """What to do about a bad value there, such as `call.ring_s`."""
    takes = (f"it takes {in_words(key)}; " for key in keys() if ".".join(key.place) == place)
    return f"{next(takes, '')}see `homecall-pi config --help`"


def _elsewhere(name: str) -> str:
    """In which sections there is such a key: in TOML it is easily written below the wrong one."""
    places = [
        f"in [{key.section}]" if key.section else "before all sections"
        for key in keys()
        if key.name == name
    ]
    return f"; {name} stands {' or '.join(places)}" if places else ""


def _keys(section: str) -> tuple[str, ...]:
    if section.startswith("ice.servers"):
        return IceServer.__struct_fields__
    struct: msgspec.Struct = getattr(Config(), section) if section else Config()
    return struct.__struct_fields__
