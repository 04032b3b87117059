"""One way to one server: what its URL says, and what is learnt by going there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aioice import stun

from homecall_pi.config.ice import IceConfig, IceServer
from homecall_pi.webrtc.routes import Reached, Route, route_of, routes

from ..coturn import free_port
from ..turn_server import TurnServer

USER, PASSWORD = "door", "the lawn"


@pytest.fixture
async def server() -> AsyncIterator[TurnServer]:
    async with TurnServer(USER, PASSWORD).running() as server:
        yield server


def route(url: str) -> Route:
    found = route_of(url, IceServer(urls=(url,), username=USER, credential=PASSWORD))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("stun:h", ("stun", "h", 3478, "udp")),
        ("turn:h:1", ("turn", "h", 1, "udp")),
        ("turn:h?transport=udp", ("turn", "h", 3478, "udp")),
        ("turn:h:1?transport=tcp", ("turn", "h", 1, "tcp")),
        ("turns:h", ("turn", "h", 5349, "tls")),
        ("turns:h:1?transport=tcp", ("turn", "h", 1, "tls")),
    ],
)
def test_where_a_url_leads(url: str, where: tuple[str, str, int, str]) -> None:
    found = route(url)
    assert (found.scheme, found.host, found.port, found.transport) == where


@pytest.mark.parametrize("url", ["stuns:h", "turns:h?transport=udp"])
def test_nothing_leads_where_the_door_cannot_go(url: str) -> None:
    assert route_of(url, IceServer(urls=(url,), username=USER, credential=PASSWORD)) is None


def test_calls_that_must_be_relayed_ask_no_stun_server() -> None:
    servers = (IceServer(urls=("stun:h", "turn:h"), secret="x"),)
    assert [each.url for each in routes(IceConfig(servers=servers))] == ["stun:h", "turn:h"]
    assert [each.url for each in routes(IceConfig(servers=servers, policy="relay"))] == ["turn:h"]


def test_a_password_is_not_shown() -> None:
    shown = route("turn:h")
    assert PASSWORD not in repr(shown) + repr(shown.turn(("h", 1), None))


async def test_a_stun_server_tells_where_it_sees_us(server: TurnServer) -> None:
    server.seen = "203.0.113.9"
    reached = await route(f"stun:127.0.0.1:{server.port}").reach(None)
    assert reached == Reached(("127.0.0.1", server.port), "203.0.113.9")


async def test_a_turn_server_opens_a_port_for_us_which_is_closed_again(server: TurnServer) -> None:
    server.seen, server.relayed = "203.0.113.9", "203.0.113.20"
    reached = await route(f"turn:127.0.0.1:{server.port}").reach(None)
    assert reached == Reached(("127.0.0.1", server.port), "203.0.113.9", "203.0.113.20")
    assert server.open == set()


async def test_a_stun_server_that_is_not_there_is_not_waited_for() -> None:
    gone = route(f"stun:127.0.0.1:{free_port()}")
    with pytest.raises(ConnectionRefusedError) as caught:
        await gone.reach(None)
    assert gone.reason(caught.value) == "Connection refused"


async def test_what_is_no_answer_to_us_is_passed_over() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        asked = route(f"stun:127.0.0.1:{listener.getsockname()[1]}")
        reaching = asyncio.ensure_future(asked.reach(None))
        loop = asyncio.get_running_loop()
        data, us = await loop.sock_recvfrom(listener, 2048)
        request = stun.parse_message(data)
        stranger = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE)
        answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = ("203.0.113.9", 1)
        for said in (b"hello", bytes(stranger), bytes(answer)):
            await loop.sock_sendto(listener, said, us)
        assert (await reaching).seen == "203.0.113.9"


async def test_an_answer_without_an_address_is_none(server: TurnServer) -> None:
    class Silent(TurnServer):
        def _reply(self, request: stun.Message, *_: object) -> stun.Message:
            return stun.Message(request.message_method, stun.Class.RESPONSE, request.transaction_id)

    async with Silent(USER, PASSWORD).running() as silent:
        with pytest.raises(ConnectionError, match="holds no address"):
            await route(f"stun:127.0.0.1:{silent.port}").reach(None)


@pytest.mark.parametrize("code", [401, 441])
async def test_a_login_that_is_refused_is_told_apart(server: TurnServer, code: int) -> None:
    server.refusal = (code, "No")
    refused = route(f"turn:127.0.0.1:{server.port}")
    with pytest.raises(stun.TransactionFailed) as caught:
        await refused.reach(None)
    assert refused.reason(caught.value) == f"it refuses the credential ({code})"
