"""What is found of the way to the server: real servers on loopback, good ones and bad ones."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve

from homecall_pi.core.messages import Join
from homecall_pi.doctor import network
from homecall_pi.doctor.finding import Finding

from ..doubles import ROOM, Signal
from ..portal import old_tls, portal
from .conftest import MakeCertificate, serving

NOW = time.time()
WIRELESS = """Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
 wlan0: 0000   54.  {}.  -256        0      0      0      0      0        0
"""


@asynccontextmanager
async def listening(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """Something that is no signaling server."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/signal"


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """A function that has this process trust a certificate."""

    def trust(cert: Path) -> Path:
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        return cert

    return trust


async def test_our_own_server_is_well_and_relays():
    async with serving() as url:
        found = await network.server(url, NOW)
        relayed = await network.relay(url)
    assert found == Finding("ok", "localhost answers, not encrypted")
    assert relayed == Finding("ok", "an offer and its answer come through")


async def test_a_server_for_certain_rooms_has_none_to_try():
    async with serving(rooms=[ROOM]) as url:
        relayed = await network.relay(url)
    assert relayed is not None
    assert relayed.status == "ok"
    assert relayed.found.startswith("not tried: the server serves certain rooms alone")


OTHER_ROOM = "5b0f8a4e-3c1d-4a57-9c3e-2f6d8e7a9b10"


async def test_where_no_daemon_runs_the_doors_seat_is_tried(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network, "SILENCE_S", 0.05)  # of a server that has nothing against it
    async with serving(rooms=[ROOM]) as url:
        relayed = await network.relay(url, Join(ROOM, "Door"))
    assert relayed is not None
    assert relayed.status == "ok"
    assert "it lets the door into its own" in relayed.found


async def test_a_seat_that_is_refused_is_told():
    async with serving(rooms=[ROOM]) as url:
        relayed = await network.relay(url, Join(OTHER_ROOM, "Door"))
    assert relayed is not None
    assert relayed.status == "fail"
    assert "not served here" in relayed.found


async def test_a_server_with_a_good_certificate_is_well(
    make_certificate: MakeCertificate, trusted: Callable[[Path], Path]
):
    async with serving(trusted(make_certificate())) as url:
        found = await network.server(url, NOW)
    assert found.status == "ok"
    assert "localhost answers; its certificate is good until 20" in found.found


async def test_a_certificate_that_ends_soon_is_told(
    make_certificate: MakeCertificate, trusted: Callable[[Path], Path]
):
    async with serving(trusted(make_certificate(until=13))) as url:
        found = await network.server(url, NOW)
    assert (found.status, "certbot renew" in found.cure) == ("warn", True)


@pytest.mark.parametrize(
    ("bad", "words", "cure"),
    [
        ({"since": -9, "until": -1}, "certificate of localhost has expired", "renew it"),
        ({"since": 1}, "is not valid yet", "clock"),
        ({"host": "other.example"}, "not for localhost", "name the server as its certificate does"),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_told(
    make_certificate: MakeCertificate,
    trusted: Callable[[Path], Path],
    bad: dict[str, Any],
    words: str,
    cure: str,
):
    async with serving(trusted(make_certificate(**bad))) as url:
        found = await network.server(url, NOW)
        assert await network.relay(url) is None
    assert (found.status, words in found.found, cure in found.cure) == ("fail", True, True)


async def test_a_certificate_that_nobody_vouches_for_is_told(make_certificate: MakeCertificate):
    async with serving(make_certificate()) as url:
        found = await network.server(url, NOW)
    assert found.status == "fail"
    assert "nobody known vouches for the certificate of localhost" in found.found
    assert "update-ca-certificates" in found.cure


async def test_a_server_without_tls_is_not_taken_for_one_that_is_down():
    async with serving() as url:
        found = await network.server(url.replace("ws:", "wss:"), NOW)
    assert (found.status, "does not speak TLS on that port" in found.found) == ("fail", True)


async def test_a_server_with_old_tls_is_not_taken_for_one_without(
    make_certificate: MakeCertificate, trusted: Callable[[Path], Path]
):
    cert = str(trusted(make_certificate()))
    async with old_tls(cert, cert) as server:
        port = server.sockets[0].getsockname()[1]
        found = await network.server(f"wss://localhost:{port}/signal", NOW)
    assert (found.status, found.found) == ("fail", "localhost speaks TLS older than 1.2 alone")
    assert "TLS 1.2" in found.cure


async def test_a_server_that_is_down_is_named_with_its_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        found = await network.server(f"ws://127.0.0.1:{port}/signal", NOW)
        assert await network.relay(f"ws://127.0.0.1:{port}/signal") is None
    assert found.status == "fail"
    assert found.found == f"127.0.0.1, port {port}, is not reached (Connection refused)"
    assert "systemctl start homecall-pi-server" in found.cure


async def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch):
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(network, "CONNECT_S", 0.05)
    async with listening(say_nothing) as url:
        found = await network.server(url, NOW)
        assert await network.relay(url) is None
    assert (found.status, "does not answer" in found.found) == ("fail", True)
    assert "firewall" in found.cure


@pytest.mark.parametrize("kind", ["page", "redirect", "login-required"])
async def test_a_login_page_in_the_servers_place_is_suspected(kind: str):
    async with portal(kind) as server:
        port = server.sockets[0].getsockname()[1]
        found = await network.server(f"ws://127.0.0.1:{port}/signal", NOW)
    assert (found.status, "a web page answers at" in found.found) == ("fail", True)
    assert "log in by a browser" in found.cure


async def test_what_is_no_web_server_is_told():
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n\r\n")
        await writer.drain()
        writer.close()

    async with listening(greet) as url:
        found = await network.server(url, NOW)
    assert (found.status, "speaks no WebSocket" in found.found) == ("fail", True)


@pytest.mark.parametrize(
    ("status", "words", "cure"),
    [
        (HTTPStatus.NOT_FOUND, "has no WebSocket at /signal", "/signal"),
        (HTTPStatus.BAD_GATEWAY, "a proxy, and nothing behind it", "homecall-pi-server"),
        (HTTPStatus.FORBIDDEN, "answers with 403", "Upgrade, Connection and Host"),
    ],
)
async def test_a_refusal_is_understood(status: HTTPStatus, words: str, cure: str):
    def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(status, "")

    signal = Signal()
    async with signal.running(refuse=refuse):
        found = await network.server(signal.url, NOW)
    assert (found.status, words in found.found, cure in found.cure) == ("fail", True, True)


async def test_another_signaling_server_is_as_good_as_ours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network, "AGAIN_S", 0.01)
    rooms: dict[str, list[ServerConnection]] = {}

    async def relay(socket: ServerConnection) -> None:
        """Joins without a word, passes on, as deployed servers do."""
        async for frame in socket:
            message = json.loads(frame)
            room = rooms.setdefault(message["room"], [])
            if message["type"] == "join":
                room.append(socket)
            for other in room:
                if message["type"] in {"offer", "answer"} and other is not socket:
                    await other.send(frame)

    async with serve(relay, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/signal"
        found = await network.server(url, NOW)
        relayed = await network.relay(url)
    assert (found.status, "not the server of this program" in found.found) == ("ok", True)
    assert relayed is not None
    assert relayed.status == "ok"


async def test_a_server_that_passes_nothing_on_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network, "RELAY_S", 0.05)
    signal = Signal()
    async with signal.running():
        found = await network.relay(signal.url)
    assert found is not None
    assert (found.status, "does not pass it on" in found.found) == ("fail", True)


async def test_what_a_server_objects_to_is_told():
    async def object_to(socket: ServerConnection) -> None:
        async for _ in socket:
            await socket.send('{"type": "error", "message": "server is full"}')

    async def close(socket: ServerConnection) -> None:
        await socket.close(1013, "try again later")

    for talk, words in ((object_to, "the server says: server is full"), (close, "1013")):
        async with serve(talk, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/signal"
            found = await network.relay(url)
        assert found is not None
        assert (found.status, words in found.found) == ("fail", True)


async def test_the_room_of_the_door_is_left_alone():
    seen: list[str] = []

    async def note(socket: ServerConnection) -> None:
        async for frame in socket:
            seen.append(json.loads(frame)["room"])
            await socket.send('{"type": "error", "message": "enough"}')

    async with serve(note, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/signal"
        await network.relay(url)
        await network.relay(url)
    assert len(set(seen)) == 2  # another one each time


@pytest.mark.parametrize(
    ("error", "words", "cure"),
    [
        (socket.EAI_NONAME, "there is no door.example", "mend the host in `server`"),
        (socket.EAI_AGAIN, "no name server tells", "/etc/resolv.conf"),
    ],
)
def test_a_name_that_does_not_resolve_is_told(error: int, words: str, cure: str):
    def resolve(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(error, "it says")

    found = network.name("wss://door.example/signal", resolve)
    assert (found.status, words in found.found, cure in found.cure) == ("fail", True, True)


def test_a_name_that_resolves_is_shown_with_its_addresses():
    assert network.name("ws://127.0.0.1:1/signal").found == "127.0.0.1 is 127.0.0.1"
    found = network.name("ws://localhost/signal")
    assert (found.status, "127.0.0.1" in found.found) == ("ok", True)


def test_a_machine_without_a_network_has_no_way_out():
    program = "from homecall_pi.doctor import network; print(network.address())"
    for namespace in (("--net",), ("--user", "--map-root-user", "--net")):
        done = subprocess.run(
            ["unshare", *namespace, sys.executable, "-c", program], capture_output=True, text=True
        )
        if done.returncode == 0:
            assert "no way to other networks" in done.stdout
            assert "status='fail'" in done.stdout
            return
    pytest.skip("no network namespace of our own")


@pytest.mark.parametrize(("level", "status"), [(-56, "ok"), (-82, "warn")])
def test_a_weak_signal_is_told(tmp_path: Path, level: int, status: str):
    table = tmp_path / "wireless"
    table.write_text(WIRELESS.format(level))
    found = network.wifi(table)
    assert found is not None
    assert (found.status, f"wlan0 receives {level} dBm" in found.found) == (status, True)


def test_without_wifi_in_use_there_is_nothing_to_tell(tmp_path: Path):
    table = tmp_path / "wireless"
    assert network.wifi(table) is None
    table.write_text(WIRELESS.format(0))
    assert network.wifi(table) is None
