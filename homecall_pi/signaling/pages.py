"""The page and its kin, as bytes in memory: what a plain GET may fetch.

All files are read once, at the start. A request is answered from a dictionary of exact paths, so
no request ever touches the file system and no path can lead out of the page's folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
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

SECURITY_HEADERS: Final = {
    # Safari before 15.4 does not count a WebSocket of the same host as 'self'.
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "connect-src 'self' ws: wss:",
            "img-src 'self' data:",
            "media-src 'self' blob: mediastream:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    # The room is in the page's URL: nobody else may learn it.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class _Page:
    content_type: str
    body: bytes
    etag: str | None
    """A strong validator (RFC 9110, 8.8.3); None for what must not be stored at all."""


class Pages:
    """Answers plain HTTP requests.

    Args:
        ice_servers: RTCIceServer dictionaries, given to the page as `/config.json`.
        web: the folder of the page; None for the one in this package.
    """

    def __init__(
        self, ice_servers: Sequence[Mapping[str, object]], web: Traversable | None = None
    ) -> None:
        config = json.dumps({"iceServers": [dict(server) for server in ice_servers]})
        self._pages = dict(_read(web or files("homecall_pi") / "web"))
        if "/index.html" in self._pages:
            self._pages["/"] = self._pages["/index.html"]
        self._pages["/config.json"] = _Page("application/json", config.encode(), None)
        self._pages["/healthz"] = _Page("text/plain; charset=utf-8", b"ok\n", None)

    def answer(self, request: Request) -> Response:
        """The response to a request that does not ask for a WebSocket."""
        if request.method != "GET":
            refusal = plain_text(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET is allowed here.\n")
            refusal.headers["Allow"] = "GET"
            return refusal
        path = request.path.partition("?")[0]
        page = self._pages.get(path)
        if page is not None:
            return _response_with(page, request)
        if path == SIGNAL_PATH:
            refusal = plain_text(HTTPStatus.UPGRADE_REQUIRED, "This is a WebSocket.\n")
            refusal.headers["Upgrade"] = "websocket"
            return refusal
        return plain_text(HTTPStatus.NOT_FOUND, "There is no such page.\n")


def plain_text(status: HTTPStatus, text: str) -> Response:
    """A response that only says what is wrong."""
    return _response(status, _Page("text/plain; charset=utf-8", text.encode(), None))


def _response_with(page: _Page, request: Request) -> Response:
    # A proxy that compresses makes our validator weak, W/"…": compare weakly (RFC 9110, 13.1.2).
    known = ",".join(request.headers.get_all("If-None-Match"))
    if page.etag is not None and page.etag in known:
        unchanged = _response(HTTPStatus.NOT_MODIFIED, page)
        unchanged.body = b""
        del unchanged.headers["Content-Length"]
        return unchanged
    return _response(HTTPStatus.OK, page)


def _response(status: HTTPStatus, page: _Page) -> Response:
    headers = Headers(SECURITY_HEADERS)
    headers["Content-Type"] = page.content_type
    headers["Content-Length"] = str(len(page.body))
    headers["Cache-Control"] = "no-store" if page.etag is None else "no-cache"
    headers["Connection"] = "close"
    if page.etag is not None:
        headers["ETag"] = page.etag
    return Response(status.value, status.phrase, headers, page.body)


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
