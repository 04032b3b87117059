"""Command-line flags made from the configuration's keys, so that none can be lacking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args, get_origin

import click
import msgspec

from .config.file import cure
from .config.keys import Key, keys
from .config.values import fault_in_words
from .errors import OperatorError

_F = TypeVar("_F", bound=Callable[..., Any])


def config_flags(*only: str, without: str = "", plain: str = "") -> Callable[[_F], _F]:
    """Adds a flag for every key: `--camera-width` for `width` in `[camera]`.

    With `only`, just for those keys and sections; `without` leaves a section out. The flags of the
    section `plain` go without its name in front.
    """

    def decorate(command: _F) -> _F:
        for key in reversed(list(keys())):
            if key.place[0] != without and (not only or key.place[0] in only):
                shown = (key.name,) if key.section == plain else key.place
                command = _flag(key, "--" + "-".join(shown).replace("_", "-"))(command)
        return command

    return decorate


def overrides(flags: dict[str, Any]) -> dict[str, Any]:
    """The flags that were given, nested like the configuration file.

    Raises:
        OperatorError: a value that is not of the key's kind.
    """
    given: dict[str, Any] = {}
    for key in keys():
        text = flags.get(_parameter(key))
        if text is not None:
            section = given.setdefault(key.section, {}) if key.section else given
            section[key.name] = _value(key, text)
    return given


def _parameter(key: Key) -> str:
    return "__".join(key.place)


def _flag(key: Key, name: str) -> Callable[[_F], _F]:
    if key.kind is bool:
        both = f"{name}/--no-{name.removeprefix('--')}"
        return click.option(both, _parameter(key), default=None, help=_help(key))
    return click.option(name, _parameter(key), metavar=_metavar(key), help=_help(key))


def _help(key: Key) -> str:
    """What it means, with its default where there is one to tell."""
    default = key.default
    if default in {"", None, ()}:
        return key.description
    shown = ("yes" if default else "no") if key.kind is bool else default
    return f"{key.description} [{shown}]"


def _metavar(key: Key) -> str:
    if key.kind in {int, float}:
        return (key.unit or "number").upper().replace(" ", "-")
    if get_origin(key.kind) is Literal:
        return f"[{'|'.join(str(word) for word in get_args(key.kind))}]"
    return "TEXT" if key.kind is str else "JSON"


def _value(key: Key, text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        text.encode()  # the command line may hold bytes that are no text
        if key.kind is str:
            return text
        if get_origin(key.kind) is tuple:
            return msgspec.json.decode(text)
        return msgspec.convert(text, key.kind, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        fault = fault_in_words(str(error))
    except msgspec.DecodeError as error:
        example = msgspec.json.encode(key.examples[0]).decode()
        fault = f"is not JSON, such as '{example}': {fault_in_words(str(error))}"
    place = ".".join(key.place)
    raise OperatorError(f"command line: {place}: {fault}; {cure(place)}")
