"""The configuration: whether it can be read, means something, and is kept from others."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..config import file
from ..config.ice import require_ice
from ..config.link import is_guessable, link_key, require_room, require_server
from ..config.schema import Config
from ..errors import HomeCallError
from .finding import Finding, fail, ok, warn


def read(path: Path | None, given: Mapping[str, Any]) -> tuple[Config | None, Finding]:
    """The file at `path` (None: the installed one, if there is one) with the flags on top of it."""
    try:
        config = file.load(path, given)
        url, room = require_server(config), require_room(config)
        link_key(config)
        require_ice(config.ice)
    except HomeCallError as error:
        return None, _unusable(error)
    what = f"{_place(url)}, room {room[:8]}…"
    return config, _guessable(room) or _seen(path or file.DEFAULT_PATH, what)


def _unusable(error: HomeCallError) -> Finding:
    what, _, cure = str(error).partition("; ")
    return fail(what, f"{cure or 'mend it'}. What depends on it is checked after that")


def _guessable(room: str) -> Finding | None:
    if not is_guessable(room):
        return None
    return warn(
        f"the room {room[:8]}… is no random UUID (version 4): who guesses it can answer the door",
        "set `room` to what this prints: cat /proc/sys/kernel/random/uuid; the same in `rooms` of "
        "the server, where it has them; restart both, and give the family the new link",
    )


def _seen(path: Path, what: str) -> Finding:
    """Who knows the room can answer the door, so others on this machine are not to read it."""
    try:
        mode = path.stat().st_mode
    except OSError:  # there is none, the flags are enough
        return ok(what)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return warn(
            f"{path} can be read by everybody on this machine, and with it the room",
            f"sudo chmod o= {path}",
        )
    return ok(f"{path}: {what}")


def _place(url: str) -> str:
    """The server, without what may be secret in its address."""
    return urlsplit(url).netloc
