"""What leads door and family to each other: server, room and key, and the link of all three."""

from __future__ import annotations

import base64
import secrets
import uuid
from urllib.parse import SplitResult, urlsplit

from ..core.hosts import is_loopback
from ..core.seal import KEY_BYTES
from ..errors import OperatorError
from .schema import Config


def check(config: Config) -> None:
    """Makes sure that what is given of server, room and key will do; what is missing may be.

    Raises:
        OperatorError: one of them is of no use.
    """
    if config.server:
        require_server(config)
    if config.room:
        require_room(config)
    if config.key:
        _key(config.key)


def require_server(config: Config) -> str:
    """The server's URL, checked.

    Raises:
        OperatorError: it is missing or of no use.
    """
    if not config.server:
        raise OperatorError("server: is not set; give --server wss://HOST/signal")
    url = _split(config.server)
    if url is None:
        raise OperatorError(
            f"server: {config.server!r} is no address; give wss://HOST/signal, "
            "or wss://HOST:PORT/signal with a port of at most 65535"
        )
    if url.scheme == "ws" and not is_loopback(url.hostname or ""):
        raise OperatorError(
            "server: ws:// is not encrypted, so it is accepted for this machine alone; "
            f"give wss://{url.netloc}{url.path.rstrip('/') or '/signal'}"
        )
    if url.path in {"", "/"}:
        raise OperatorError(
            f"server: {config.server!r} lacks the path; give {url.scheme}://{url.netloc}/signal"
        )
    return config.server


def _split(address: str) -> SplitResult | None:
    """The parts of a WebSocket address that can be connected to and shown in a link."""
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        return None
    fits = url.scheme in {"ws", "wss"} and url.hostname and port != 0
    return None if not fits or url.fragment or "@" in url.netloc else url


def require_room(config: Config) -> str:
    """The room's UUID, checked and in its usual form.

    Raises:
        OperatorError: it is missing or no UUID.
    """
    if not config.room:
        raise OperatorError(
            f"room: is not set; give --room UUID, for instance a new one: {uuid.uuid4()}"
        )
    try:
        return str(uuid.UUID(config.room))
    except ValueError:
        raise OperatorError(
            f"room: what is given is no UUID; a new one would be {uuid.uuid4()}"
        ) from None


def is_guessable(room: str) -> bool:
    """Whether the UUID was not made at random, as of all UUIDs only version 4 is (RFC 9562)."""
    given = uuid.UUID(room)
    return given.variant != uuid.RFC_4122 or given.version != 4


def new_key() -> str:
    """A key for the link, of a length that nobody guesses."""
    return secrets.token_urlsafe(KEY_BYTES)


def link_key(config: Config) -> bytes:
    """The key by which calls are verified; empty if they are not.

    Raises:
        OperatorError: it is of no use, or missing where it is required.
    """
    if config.verify == "require" and not config.key:
        raise OperatorError(
            'verify: "require" needs a key; put `key = "…"` there, made by `homecall-pi new-key`'
        )
    return _key(config.key) if config.key and config.verify != "off" else b""


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text + "==", b"-_", validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or base64.urlsafe_b64encode(key).decode() != text + "==":
        raise OperatorError(
            "key: what is given is no key, or a part of one; make one by `homecall-pi new-key`"
        )
    return key


def family_link(config: Config) -> str:
    """The link that the family opens. What follows the `#` never leaves their browsers.

    Raises:
        OperatorError: server, room or key is missing or of no use.
    """
    url = urlsplit(require_server(config))
    scheme = "https" if url.scheme == "wss" else "http"
    fragment = f"#k={config.key}" if link_key(config) else ""
    return f"{scheme}://{url.netloc}/?room={require_room(config)}{fragment}"
