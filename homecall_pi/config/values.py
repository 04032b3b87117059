"""Which values a key of the configuration takes, in words: for the reference and for errors."""

from __future__ import annotations

import json
import re
from typing import get_args

from msgspec.inspect import (
    BoolType,
    FloatType,
    IntType,
    LiteralType,
    StrType,
    StructType,
    Type,
    VarTupleType,
)

from .keys import Key

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
"""How msgspec names the types of values, and how people do."""

_ICE_ADDRESS = "an address like stun:HOST, turn:HOST:PORT or turns:HOST"


def in_words(key: Key) -> str:
    """Which values the key takes, as Markdown."""
    match key.type:
        case LiteralType():
            words = [f"`{json.dumps(word)}`" for word in get_args(key.kind)]
            return f"{', '.join(words[:-1])} or {words[-1]} {key.unit}".rstrip()
        case IntType() | FloatType():
            return _number(key) + _bounds(key.type)
    return _kind(key.type)


def _number(key: Key) -> str:
    if isinstance(key.type, FloatType):
        return key.unit or "number"
    return f"whole number of {key.unit}" if key.unit else "whole number"


def _bounds(number: IntType | FloatType) -> str:
    low = f"{number.ge} to" if number.gt is None else f"above {number.gt}, at most"
    factor = f", a multiple of {number.multiple_of}" if number.multiple_of else ""
    return f", {low} {number.le}{factor}"


def _kind(kind: Type) -> str:
    match kind:
        case BoolType():
            return "`true` or `false`"
        case StrType(min_length=1, max_length=int(longest)):
            return f"text of 1 to {longest} characters"
        case StrType(min_length=1):
            return "text, not empty"
        case VarTupleType(item_type=StructType()):
            return "list of tables"
        case VarTupleType(min_length=1):
            return "list of texts, not empty"
        case VarTupleType():
            return "list of texts"
    return "text"


def fault_in_words(error: str) -> str:
    """What msgspec finds wrong with a value, to go on after a colon, in words of the file's."""
    # Just addresses of STUN and TURN servers have to match one.
    plain = re.sub("`str` matching regex .*", _ICE_ADDRESS, error)
    plain = re.sub("`([a-z]+)`", lambda name: _TYPES.get(name[1], name[0]), plain)
    return re.sub("^[A-Z](?=[a-z])", lambda letter: letter[0].lower(), plain)  # but not of "GPIO"
