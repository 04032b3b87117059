"""The page and its kin, as bytes in memory: what a plain GET may fetch.

All files are read once, at the start. A request is answered from a dictionary of exact paths, so
no request ever touches the file system and no path can lead out of the page's folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

SIGNAL_PATH: Final = "/signal"

CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
"""What is served. A file of another kind in the folder is not."""

CONTENT_POLICY: Final = (
    "default-src 'self'",
    "img-src 'self' data:",
    "media-src 'self' blob: mediastream:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
"""The rest of it names the host, see `_policy`."""
SECURITY_HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        (
            "microphone=(self)",
            *(
                f"{feature}=()"
                for feature in ("camera", "display-capture", "geolocation", "payment", "usb")
            ),
        )
    ),
    # The room is in the page's URL: nobody else may learn it.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
STRICT_TRANSPORT: Final = "max-age=31536000"
"""For a year, browsers go to this host by TLS only (RFC 6797)."""
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?")
"""What a policy can name; it knows no IPv6 literals (CSP level 3, 2.3.1)."""


@dataclass(frozen=True, slots=True)
class _Page:
    content_type: str
    body: bytes
    etag: str | None
    """A strong validator (RFC 9110, 8.8.3); None for what must not be stored at all."""


class Pages:
    """Answers plain HTTP requests.

    Args:
        page_config: makes what the page is given as `/config.json`, its RTCConfiguration.
        web: the folder of the page; None for the one in this package.
        tls: the server itself does the TLS.
    """

    def __init__(
        self,
        page_config: Callable[[], Mapping[str, object]],
        web: Traversable | None = None,
        *,
        tls: bool = False,
    ) -> None:
        self._tls = tls
        self._page_config = page_config
        self._pages = dict(_read(web or files("homecall_pi") / "web"))
        if "/index.html" in self._pages:
            self._pages["/"] = self._pages["/index.html"]
        self._pages["/healthz"] = _Page("text/plain; charset=utf-8", b"ok\n", None)

    def answer(self, request: Request) -> Response:
        """The response to a request that does not ask for a WebSocket."""
        hosts = request.headers.get_all("Host")
        host = hosts[0] if len(hosts) == 1 and _HOST.fullmatch(hosts[0]) else ""
        response = self._find(request, host)
        # It would hold for all ports of the host, and those beside the default one may be others'.
        if self._tls and host and ":" not in host:
            response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
        if request.method == "HEAD":
            response.body = b""
        return response

    def _find(self, request: Request, host: str) -> Response:
        if request.method not in {"GET", "HEAD"}:
            refusal = plain_text(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET is allowed here.\n")
            refusal.headers["Allow"] = "GET, HEAD"
            return refusal
        path = request.path.partition("?")[0]
        page = self._config() if path == "/config.json" else self._pages.get(path)
        if page is not None:
            return _response_with(page, request, host)
        if path == SIGNAL_PATH:
            refusal = plain_text(HTTPStatus.UPGRADE_REQUIRED, "This is a WebSocket.\n")
            refusal.headers["Upgrade"] = "websocket"
            return refusal
        return plain_text(HTTPStatus.NOT_FOUND, "There is no such page.\n")

    def _config(self) -> _Page:
        """Made for each request: what it holds may run out."""
        return _Page("application/json", json.dumps(self._page_config()).encode(), None)


def plain_text(status: HTTPStatus, text: str) -> Response:
    """A response that only says what is wrong."""
    return _response(status, _Page("text/plain; charset=utf-8", text.encode(), None))


def _response_with(page: _Page, request: Request, host: str) -> Response:
    # A proxy that compresses makes our validator weak, W/"…": compare weakly (RFC 9110, 13.1.2).
    known = ",".join(request.headers.get_all("If-None-Match"))
    if page.etag is not None and page.etag in known:
        unchanged = _response(HTTPStatus.NOT_MODIFIED, page, host)
        unchanged.body = b""
        del unchanged.headers["Content-Length"]
        return unchanged
    return _response(HTTPStatus.OK, page, host)


def _response(status: HTTPStatus, page: _Page, host: str = "") -> Response:
    headers = Headers(SECURITY_HEADERS)
    headers["Content-Security-Policy"] = _policy(host)
    headers["Content-Type"] = page.content_type
    headers["Content-Length"] = str(len(page.body))
    headers["Cache-Control"] = "no-store" if page.etag is None else "no-cache"
    headers["Connection"] = "close"
    if page.etag is not None:
        headers["ETag"] = page.etag
    return Response(status.value, status.phrase, headers, page.body)


def _policy(host: str) -> str:
    """What the page may load, and where it may connect: to its own host only."""
    # Safari before 15.4 does not count a WebSocket of the same host as 'self'.
    named = f" ws://{host} wss://{host}" if host else ""
    return "; ".join((*CONTENT_POLICY, f"connect-src 'self'{named}"))


def _read(folder: Traversable, path: str = "/") -> Iterator[tuple[str, _Page]]:
    """All servable files below the folder, by their absolute URL path."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, f"{path}{entry.name}/")
        elif content_type := CONTENT_TYPES.get(PurePosixPath(entry.name).suffix):
            body = entry.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            yield path + entry.name, _Page(content_type, body, etag)
