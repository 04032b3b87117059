"""The reference: that it is up to date, complete and true."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from homecall_pi.config import reference
from homecall_pi.config.file import load
from homecall_pi.config.keys import Key, keys
from homecall_pi.config.schema import Config

PROJECT = Path(__file__).parents[2]
FILE = PROJECT / reference.FILE
MANUAL = PROJECT / reference.MANUAL


def test_config_toml_is_up_to_date() -> None:
    assert FILE.read_text() == reference.toml(), "run scripts/reference"


def test_the_manual_is_up_to_date() -> None:
    _, _, below = MANUAL.read_text().partition(reference.MARK)
    assert below == reference.markdown(), "run scripts/reference"


def test_config_toml_has_every_key_with_its_default() -> None:
    values = tomllib.loads(FILE.read_text())
    assert sorted(leaves(values)) == sorted(".".join(key.place) for key in keys())
    assert values == msgspec.json.decode(msgspec.json.encode(Config()))
    assert load(FILE, {}) == Config()


def leaves(values: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield path + name


def test_no_line_of_config_toml_is_too_long() -> None:
    assert max(map(len, reference.toml().splitlines())) <= reference.WIDTH


@pytest.mark.parametrize("key", [key for key in keys() if key.examples], ids=lambda key: key.name)
def test_the_examples_are_accepted_as_they_stand_there(key: Key, tmp_path: Path) -> None:
    commented = rf"^# {key.name} = (?:\[\n(?:#  .*\n)*# \]|.*)$"
    (example,) = re.findall(commented, reference.toml(), re.MULTILINE)
    file = tmp_path / "config.toml"
    header = f"[{key.section}]\n" if key.section else ""
    file.write_text(header + re.sub("^# ", "", example, flags=re.MULTILINE))
    values = msgspec.to_builtins(load(file, {}))
    for part in key.place:
        values = values[part]
    assert values != key.default


@pytest.mark.parametrize(
    "row",
    [
        '| `server` | text | `""` | ',
        '| `name` | text of 1 to 64 characters | `"Front door"` | ',
        '| `verify` | `"off"`, `"prefer"` or `"require"` | `"prefer"` | ',
        "| `ring_s` | seconds, above 0, at most 120 | `45.0` | ",
        "| `relay_pin` | whole number, -1 to 27 | `-1` | ",
        "| `width` | whole number of pixels, 160 to 1920, a multiple of 2 | `1280` | ",
        "| `rotation` | `0` or `180` degrees | `0` | ",
        "| `echo_canceller` | `true` or `false` | `true` | ",
        "| `servers` | list of tables | `[]` | ",
        "| `urls` | list of texts, not empty | has to be given | ",
        "| `secret` | text | none | ",
    ],
)
def test_the_manual_tells_values_and_defaults(row: str) -> None:
    assert f"\n{row}" in reference.markdown()


def test_the_manual_links_to_pages_that_are_there() -> None:
    pages = re.findall(r"\]\(([^)]+)\)", MANUAL.read_text())
    assert len(pages) > 5
    assert [page for page in pages if not (MANUAL.parent / page).exists()] == []


def test_what_stands_above_the_mark_is_kept(tmp_path: Path) -> None:
    for file in (reference.FILE, reference.MANUAL):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(f"# Head\n\n{reference.MARK}old")
    reference.write(tmp_path)
    assert (tmp_path / reference.FILE).read_text() == reference.toml()
    manual = (tmp_path / reference.MANUAL).read_text()
    assert manual == f"# Head\n\n{reference.MARK}{reference.markdown()}"
