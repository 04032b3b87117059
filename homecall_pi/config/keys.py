"""The keys of the configuration one by one, of which flags and reference are made."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec.inspect import Metadata, Type, type_info

from .schema import Config

UNITS = {
    "s": "seconds",
    "bps": "bits per second",
    "db": "dB",
    "width": "pixels",
    "height": "pixels",
    "rotation": "degrees",
}
"""By the last word of the names of keys."""


class Key(msgspec.Struct, frozen=True):
    """One key."""

    section: str
    """Empty for a key that stands before all sections."""
    name: str
    kind: Any
    """The Python type, without its bounds."""
    type: Type
    """The same with its bounds."""
    default: Any
    """NODEFAULT where it has to be given."""
    description: str
    examples: list[Any]

    @property
    def place(self) -> tuple[str, ...]:
        """Where it stands in the file."""
        return (self.section, self.name) if self.section else (self.name,)

    @property
    def unit(self) -> str:
        """In words; empty if it has none."""
        return UNITS.get(self.name.rpartition("_")[2], "")


class Section(msgspec.Struct, frozen=True):
    """A struct of the configuration."""

    name: str
    about: str
    """The struct's docstring."""
    keys: list[Key]


@cache
def sections() -> tuple[Section, ...]:
    """All sections with their keys, in the order of the file; first what stands before them."""
    fields = msgspec.structs.fields(Config)
    inner = (section(field.name, field.type) for field in fields if _is_section(field.type))
    return (section("", Config), *inner)


def keys() -> Iterator[Key]:
    """Every key."""
    return chain.from_iterable(each.keys for each in sections())


def section(name: str, struct: type[msgspec.Struct]) -> Section:
    """The section of that name, made from its struct."""
    fields = msgspec.structs.fields(struct)
    keys = [_key(name, field) for field in fields if not _is_section(field.type)]
    return Section(name, struct.__doc__ or "", keys)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _key(section: str, field: msgspec.structs.FieldInfo) -> Key:
    about = type_info(field.type)
    told: dict[str, Any] = {}
    if isinstance(about, Metadata):
        told, about = about.extra_json_schema or {}, about.type
    kind = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
    return Key(
        section,
        field.name,
        kind,
        about,
        field.default,
        told.get("description", ""),
        told.get("examples", []),
    )
