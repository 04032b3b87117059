"""The page: types, validators, headers, and that no request leads out of its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from homecall_pi.signaling.pages import CONTENT_TYPES, Pages

ICE_SERVERS = [{"urls": ["stun:stun.example.org"]}, {"urls": "turn:t", "username": "u"}]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    folder = tmp_path_factory.mktemp("home")
    (folder / "secret.html").write_text("secret")
    web = folder / "web"
    (web / "icons").mkdir(parents=True)
    for suffix in CONTENT_TYPES:
        (web / f"file{suffix}").write_text(suffix)
    (web / "index.html").write_text("<!doctype html>")
    (web / "icons" / "icon.svg").write_text("<svg/>")
    (web / "notes.md").write_text("not to be served")
    return Pages(ICE_SERVERS, web)


def get(pages: Pages, path: str, method: str = "GET", **headers: str) -> Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return pages.answer(Request(path, Headers(fields), method))


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/?room=3f0c6a52-9b1e-4c07-8d2f-5a7e61c0b9d4", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/file.js", "text/javascript; charset=utf-8"),
        ("/file.css", "text/css; charset=utf-8"),
        ("/file.svg", "image/svg+xml"),
        ("/file.webmanifest", "application/manifest+json"),
        ("/file.json", "application/json"),
        ("/icons/icon.svg", "image/svg+xml"),
    ],
)
def test_types(pages: Pages, path: str, content_type: str):
    response = get(pages, path)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == content_type
    assert response.headers["Content-Length"] == str(len(response.body))
    assert response.headers["Cache-Control"] == "no-cache"


def test_validators(pages: Pages):
    etag = get(pages, "/").headers["ETag"]
    assert etag != get(pages, "/file.js").headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}'):
        unchanged = get(pages, "/", If_None_Match=known)
        assert (unchanged.status_code, unchanged.body) == (304, b"")
        assert unchanged.headers["ETag"] == etag
        assert "Content-Length" not in unchanged.headers
    assert get(pages, "/", If_None_Match='"other"').status_code == 200


def test_config_and_health_are_never_stored(pages: Pages):
    config, health = get(pages, "/config.json"), get(pages, "/healthz")
    assert json.loads(config.body) == {"iceServers": ICE_SERVERS}
    assert health.body == b"ok\n"
    for response in (config, health):
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert "ETag" not in response.headers


@pytest.mark.parametrize("path", ["/", "/file.js", "/config.json", "/healthz", "/none"])
def test_security_headers_are_everywhere(pages: Pages, path: str):
    headers = get(pages, path).headers
    policy = headers["Content-Security-Policy"]
    for rule in ("default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "camera=(self), microphone=(self)" in headers["Permissions-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.html",
        "/..%2fsecret.html",
        "/%2e%2e/secret.html",
        "/icons/../../secret.html",
        "//secret.html",
        "/./index.html",
        "/icons/..%5c..%5csecret.html",
        "/index.html%00.js",
        "/index.html/",
        "/icons",
        "/icons/",
        "index.html",
        "http://host/index.html",
        "*",
        "",
        "/notes.md",
        "/server.py",
    ],
)
def test_nothing_but_the_listed_paths(pages: Pages, path: str):
    assert get(pages, path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "OPTIONS", "get"])
def test_only_get(pages: Pages, method: str):
    response = get(pages, "/", method)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET"


def test_the_signal_path_says_what_it_is(pages: Pages):
    response = get(pages, "/signal")
    assert response.status_code == 426
    assert response.headers["Upgrade"] == "websocket"


def test_the_packages_own_page_is_the_default():
    assert Pages([]).answer(Request("/healthz", Headers())).status_code == 200


def test_without_a_folder_the_rest_still_works(tmp_path: Path):
    pages = Pages([], tmp_path / "none")
    assert get(pages, "/").status_code == 404
    assert get(pages, "/healthz").status_code == 200
