"""The reference of the configuration: config/config.toml, and the tables of docs/configuration.md.

`scripts/reference` writes both, from the keys of the configuration.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from .ice import IceServer
from .keys import Key, Section, section, sections
from .values import in_words

FILE = "config/config.toml"
MANUAL = "docs/configuration.md"
MARK = "<!-- From here on written by scripts/reference, from homecall_pi/config. -->\n"
WIDTH = 100
HEAD = """\
# HomeCall Pi. Every key with its default; docs/configuration.md has their values and bounds.
# Each key is a flag of `homecall-pi run`, too: `width` in [camera] is --camera-width.
"""
ENTRIES = {"servers": section("[ice.servers]", IceServer)}
"""What the entries of a list are made of, by the list's key."""


def write(project: Path) -> None:
    """Both files of the project in that folder; of the manual, what stands below the mark."""
    (project / FILE).write_text(toml(), encoding="utf-8")
    manual = project / MANUAL
    above, _, _ = manual.read_text(encoding="utf-8").partition(MARK)
    manual.write_text(above + MARK + markdown(), encoding="utf-8")


# --- TOML


def toml() -> str:
    """Every key with its default, and what it means beside it."""
    parts = (line for each in sections() for line in ("", *_toml_section(each)))
    return HEAD + "\n".join(parts) + "\n"


def _toml_section(section: Section) -> Iterator[str]:
    yield from _comment(_about(section))
    if section.name:
        yield f"[{section.name}]"
    settings = [f"{key.name} = {_value(key.default)}" for key in section.keys]
    column = max(map(len, settings)) + 3
    for key, setting in zip(section.keys, settings, strict=True):
        yield from _toml_key(key, setting, column)


def _toml_key(key: Key, setting: str, column: int) -> Iterator[str]:
    """The setting with its meaning, beside it where there is room, else with an example above."""
    beside = f"{setting:{column}}# {key.description}"
    if len(beside) <= WIDTH and not key.examples:
        yield beside
        return
    yield ""
    yield from _comment(key.description)
    for example in key.examples:
        yield from _comment(f"{key.name} = {_laid_out(example)}")
    yield setting


def _comment(text: str) -> Iterator[str]:
    for line in text.splitlines():
        for part in textwrap.wrap(line, WIDTH - 2):
            yield f"# {part}".rstrip()


def _laid_out(value: Any) -> str:
    """A value in TOML; of a list of tables, each on a line of its own."""
    if isinstance(value, list) and isinstance(value[0], dict):
        return "[\n" + "".join(f"  {_value(table)},\n" for table in value) + "]"
    return _value(value)


def _value(value: Any) -> str:
    """A value in TOML, on one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_value(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _about(section: Section) -> str:
    """What the section is, without empty lines."""
    return re.sub(r"\n+", "\n", inspect.cleandoc(section.about))


# --- Markdown


def markdown() -> str:
    """A table for each section."""
    return "\n".join(line for each in sections() for line in _markdown_section(each))


def _markdown_section(section: Section) -> Iterator[str]:
    yield f"\n## `[{section.name}]`\n" if section.name else "\n## Before all sections\n"
    yield _linked(_about(section)) + "\n"
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for key in section.keys:
        meaning = _linked(key.description)
        yield f"| `{key.name}` | {in_words(key)} | {_default(key)} | {meaning} |"
    for key in section.keys:
        for example in key.examples:
            yield f"\n```toml\n{key.name} = {_laid_out(example)}\n```"
        if key.name in ENTRIES:
            yield from _markdown_section(ENTRIES[key.name])


def _default(key: Key) -> str:
    if key.default is msgspec.NODEFAULT:
        return "has to be given"
    return "none" if key.default is None else f"`{_value(key.default)}`"


def _linked(text: str) -> str:
    return re.sub(r"docs/([a-z]+\.md)", r"[\1](\1)", text)


if __name__ == "__main__":
    write(Path())
