"""Why a server is not reached, told of faults as they really come."""

from __future__ import annotations

import errno
import socket
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection

from homecall_pi.core.messages import NOT_SERVED, ROOM_FULL, SERVER_FULL
from homecall_pi.signaling import dial
from homecall_pi.signaling.dial import FAILURES, Dialler
from homecall_pi.signaling.trouble import explain, is_login_page, refusal

from ..authority import Authority
from ..doubles import Signal, idly
from ..portal import old_tls, portal, security

LOGIN = "is there a login page in this network?"


async def fault(url: str) -> Exception:
    """What comes of an attempt to connect."""
    with pytest.raises(FAILURES) as raised:
        await Dialler(url, idly).connect()
    return raised.value


def url(server: object, scheme: str = "ws", host: str = "127.0.0.1") -> str:
    port = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    return f"{scheme}://{host}:{port}/signal"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("page", "a web page answers (HTTP 200)"),
        ("redirect", "it is a web page that leads elsewhere"),
        ("login-required", "a web page answers (HTTP 511)"),
        ("banner", "what answers is no web server"),
    ],
)
async def test_a_login_page_in_the_servers_place_is_suspected(kind: str, words: str):
    async with portal(kind) as server:
        error = await fault(url(server))
    assert explain(error).startswith(words)
    assert LOGIN in explain(error)
    assert is_login_page(error) == (kind != "banner")


async def test_what_hangs_up_or_speaks_no_tls_is_told():
    async with portal("hang-up") as server:
        assert "hangs up" in explain(await fault(url(server)))
        assert "hangs up" in explain(await fault(url(server, "wss")))
    async with portal("banner") as server:
        told = explain(await fault(url(server, "wss")))
    assert "speaks no TLS (WRONG_VERSION_NUMBER)" in told
    assert LOGIN in told


async def test_old_tls_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    pair = map(str, authority.issue("localhost"))
    async with old_tls(*pair) as server:
        told = explain(await fault(url(server, "wss", "localhost")))
    assert told.startswith("it speaks TLS older than 1.2 alone; renew")


async def test_what_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dial, "OPEN_S", 0.05)
    async with portal("silent") as server:
        for scheme in ("ws", "wss"):
            assert explain(await fault(url(server, scheme))).startswith("it does not answer; see")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (HTTPStatus.NOT_FOUND, "no signaling at that path (HTTP 404)"),
        (HTTPStatus.BAD_GATEWAY, "a proxy answers (HTTP 502), and nothing behind it"),
        (HTTPStatus.FORBIDDEN, "it refuses (HTTP 403)"),
    ],
)
async def test_a_refusal_is_no_login_page(status: HTTPStatus, words: str):
    def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(status, "")

    signal = Signal()
    async with signal.running(refuse=refuse):
        error = await fault(signal.url)
    assert words in explain(error)
    assert not is_login_page(error)


@pytest.mark.parametrize(
    ("host", "hours", "words"),
    [
        ("localhost", (1, 2), "is not valid yet: is this machine's clock right?"),
        ("localhost", (-2, -1), "has expired, or this machine's clock is wrong"),
        ("login.example", (-1, 1), f"has another name: {LOGIN}"),
    ],
    ids=["not-yet", "expired", "other-name"],
)
async def test_what_is_wrong_with_a_certificate_is_told(
    host: str, hours: tuple[int, int], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    pair = authority.issue(host, since_h=hours[0], until_h=hours[1])
    async with portal("page", tls=security(*map(str, pair))) as server:
        assert words in explain(await fault(url(server, "wss", "localhost")))


async def test_a_certificate_that_nobody_vouches_for_is_told_with_both_causes(tmp_path: Path):
    pair = Authority(tmp_path).issue("localhost")
    async with portal("page", tls=security(*map(str, pair))) as server:
        told = explain(await fault(url(server, "wss", "localhost")))
    assert LOGIN in told
    assert "SSL_CERT_FILE" in told


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (socket.EAI_AGAIN, "no name server tells its address"),
        (socket.EAI_NONAME, "its name is not known"),
    ],
)
def test_a_name_that_does_not_resolve_is_told(number: int, words: str):
    assert words in explain(socket.gaierror(number, "it says"))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ECONNREFUSED, "nothing listens there"),
        (errno.ENETUNREACH, "there is no way to it (Network is unreachable)"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_faults_of_the_network_are_told_without_addresses(number: int, words: str):
    one = OSError(number, "Connect call failed ('2001:db8::1', 1, 0, 0)")
    several = OSError(f"Multiple exceptions: [Errno 113] ('2001:db8::2', 1), {one}")
    for error in (one, several):
        assert words in explain(error)
        assert "2001" not in explain(error)


def test_whatever_else_there_may_be_is_named():
    assert explain(ValueError("odd")) == "ValueError: odd"
    assert explain(OSError("odd")) == "OSError: odd"


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        (NOT_SERVED, "add it to `rooms`"),
        (ROOM_FULL, "close the page"),
        (SERVER_FULL, "limit it to yours by `rooms`"),
        ("no; not you", "see `room`, and the server's log"),
    ],
)
def test_a_refusal_ends_with_its_cure(said: str, cure: str):
    assert refusal(said).rpartition("; ")[2].startswith(cure)
