"""Command-line flags made from the configuration's structs, so that neither can lack a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click
import msgspec

from .config import Config
from .errors import OperatorError

_F = TypeVar("_F", bound=Callable[..., Any])
_Key = tuple[str, ...]


def config_flags(*, only: str = "", without: str = "") -> Callable[[_F], _F]:
    """Adds a flag for every key: `--camera-width` for `width` in `[camera]`.

    With `only`, the keys of that section alone, without the section's name in front; `without`
    leaves a section out.
    """

    def decorate(command: _F) -> _F:
        for key, hint in reversed(list(_keys())):
            if key[0] != without and (not only or key[0] == only):
                shown = key[1:] if only else key
                command = _flag(key, "--" + "-".join(shown).replace("_", "-"), hint)(command)
        return command

    return decorate


def overrides(flags: dict[str, Any]) -> dict[str, Any]:
    """The flags that were given, nested like the configuration file.

    Raises:
        OperatorError: a value that is not of the key's kind.
    """
    given: dict[str, Any] = {}
    hints = dict(_keys())
    for parameter, text in flags.items():
        if text is None:
            continue
        key = tuple(parameter.split("__"))
        section = given.setdefault(key[0], {}) if len(key) > 1 else given
        section[key[-1]] = _value(key, text, hints[key])
    return given


def _keys() -> Iterator[tuple[_Key, Any]]:
    for name, hint in get_type_hints(Config, include_extras=True).items():
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            for inner, inner_hint in get_type_hints(hint, include_extras=True).items():
                yield (name, inner), inner_hint
        else:
            yield (name,), hint


def _flag(key: _Key, name: str, hint: Any) -> Callable[[_F], _F]:
    kind, description = _describe(hint)
    parameter = "__".join(key)
    if kind is bool:
        both = f"{name}/--no-{name.removeprefix('--')}"
        return click.option(both, parameter, default=None, help=description)
    return click.option(name, parameter, metavar=_metavar(kind), help=description)


def _describe(hint: Any) -> tuple[Any, str]:
    if get_origin(hint) is not Annotated:
        return hint, ""
    kind, *metas = get_args(hint)
    return kind, next((meta.description or "" for meta in metas), "")


def _metavar(kind: Any) -> str:
    if kind in {int, float}:
        return "NUMBER"
    if get_origin(kind) is Literal:
        return f"[{'|'.join(str(word) for word in get_args(kind))}]"
    return "TEXT" if kind is str else "JSON"


def _value(key: _Key, text: Any, hint: Any) -> Any:
    kind, _ = _describe(hint)
    if not isinstance(text, str):
        return text
    try:
        text.encode()  # the command line may hold bytes that are no text
        if kind is str:
            return text
        if get_origin(kind) is tuple:
            return msgspec.json.decode(text)
        return msgspec.convert(text, kind, strict=False)
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise OperatorError(
            f"command line: {'.'.join(key)}: {error}; see `homecall-pi config --help`"
        ) from None
