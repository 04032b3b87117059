"""The page: types, validators, headers, and that no request leads out of its folder."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from homecall_pi.signaling.pages import CONTENT_TYPES, Pages


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
    times = itertools.count()
    return Pages(lambda: {"iceServers": [], "made": next(times)}, web)


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
    made = json.loads(config.body)
    assert made["iceServers"] == []
    assert json.loads(get(pages, "/config.json").body)["made"] == made["made"] + 1
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
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "microphone=(self), camera=()" in headers["Permissions-Policy"]
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def rule(policy: str, name: str) -> list[str]:
    """The sources of one rule of a content security policy."""
    return next(rule.split()[1:] for rule in policy.split("; ") if rule.startswith(name))


@pytest.mark.parametrize("host", ["door.example.org", "DOOR:8443", "192.0.2.1:80", "a_b"])
def test_the_page_may_connect_to_its_own_host_only(pages: Pages, host: str):
    policy = get(pages, "/", Host=host).headers["Content-Security-Policy"]
    assert rule(policy, "connect-src") == ["'self'", f"ws://{host}", f"wss://{host}"]


@pytest.mark.parametrize(
    "host",
    [
        "",
        "[::1]:8443",
        "door; script-src *",
        "door script-src",
        "door,evil",
        "*",
        "*.example.org",
        "door/",
        "user@door",
        "door:",
        "door:x",
        "dôor",
        "a" * 300,
    ],
)
def test_no_host_adds_to_the_policy(pages: Pages, host: str):
    plain = get(pages, "/").headers["Content-Security-Policy"]
    assert get(pages, "/", Host=host).headers["Content-Security-Policy"] == plain
    assert rule(plain, "connect-src") == ["'self'"]


def test_two_hosts_are_none(pages: Pages):
    headers = Headers([("Host", "door"), ("Host", "evil")])
    response = pages.answer(Request("/", headers))
    assert rule(response.headers["Content-Security-Policy"], "connect-src") == ["'self'"]


@pytest.mark.parametrize(
    ("tls", "host", "strict"),
    [
        (True, "door.example.org", True),
        (True, "door.example.org:8443", False),  # another port may be somebody else's plain HTTP
        (True, "", False),
        (False, "door.example.org", False),
    ],
)
def test_strict_transport_is_for_tls_of_our_own(tmp_path: Path, tls: bool, host: str, strict: bool):
    response = Pages(dict, tmp_path, tls=tls).answer(Request("/healthz", Headers(Host=host)))
    assert ("Strict-Transport-Security" in response.headers) == strict


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


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "get"])
def test_only_get_and_head(pages: Pages, method: str):
    response = get(pages, "/", method)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/healthz", "/signal", "/none"])
def test_head_is_get_without_a_body(pages: Pages, path: str):
    whole, head = get(pages, path), get(pages, path, "HEAD")
    assert (head.status_code, head.headers) == (whole.status_code, whole.headers)
    assert (bool(whole.body), head.body) == (True, b"")


def test_the_signal_path_says_what_it_is(pages: Pages):
    response = get(pages, "/signal")
    assert response.status_code == 426
    assert response.headers["Upgrade"] == "websocket"


def test_the_packages_own_page_is_the_default():
    assert Pages(dict).answer(Request("/healthz", Headers())).status_code == 200


def test_without_a_folder_the_rest_still_works(tmp_path: Path):
    pages = Pages(dict, tmp_path / "none")
    assert get(pages, "/").status_code == 404
    assert get(pages, "/healthz").status_code == 200
