"""What is found of STUN and TURN: a server of our own that answers, refuses, or is not there."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import pytest

from homecall_pi.config.ice import IceServer
from homecall_pi.doctor import ice
from homecall_pi.doctor.check import examine
from homecall_pi.doctor.finding import Finding

from ..turn_server import TurnServer

PASSWORD = "the lawn"


@pytest.fixture
async def turn() -> AsyncIterator[TurnServer]:
    async with TurnServer("door", PASSWORD).running() as server:
        yield server


@pytest.fixture
def silent() -> Iterator[int]:
    """A port on which somebody listens and says nothing."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener.getsockname()[1]


def free_port(kind: socket.SocketKind) -> int:
    """A port on which nobody listens."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def found(url: str, username: str = "door", password: str = PASSWORD) -> Finding:
    """What the check of this URL finds."""
    server = IceServer(urls=(url,), username=username, credential=password)
    ((name, finding),) = [row async for row in examine(ice.checks([server]))]
    assert name == url.partition(":")[0]
    return finding


async def test_a_stun_server_tells_where_it_sees_us(turn: TurnServer):
    turn.seen = "203.0.113.9"
    finding = await found(f"stun:127.0.0.1:{turn.port}")
    assert (finding.status, "as 203.0.113.9" in finding.found) == ("ok", True)


async def test_a_dead_stun_server_is_named():
    port = free_port(socket.SOCK_DGRAM)
    finding = await found(f"stun:127.0.0.1:{port}")
    assert finding.status == "fail"
    assert finding.found == f"stun:127.0.0.1:{port}: Connection refused"
    assert f"UDP port {port}" in finding.cure


async def test_a_stun_server_that_says_nothing_is_given_up(
    silent: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ice, "PATIENCE_S", 0.01)
    finding = await found(f"stun:127.0.0.1:{silent}")
    assert (finding.status, "does not answer" in finding.found) == ("fail", True)
    assert f"UDP port {silent}" in finding.cure


async def test_a_turn_server_opens_a_port_for_us_which_is_closed_again(turn: TurnServer):
    finding = await found(f"turn:127.0.0.1:{turn.port}")
    assert (finding.status, "relays at 127.0.0.1" in finding.found) == ("ok", True)
    assert turn.open == set()


async def test_a_wrong_secret_may_be_a_wrong_clock(turn: TurnServer):
    server = IceServer(urls=(f"turn:127.0.0.1:{turn.port}",), secret="the roof")
    ((_, finding),) = [row async for row in examine(ice.checks([server]))]
    assert (finding.status, "401" in finding.found) == ("fail", True)
    assert "secret in [ice]" in finding.cure
    assert "clock" in finding.cure
    assert "the roof" not in finding.found + finding.cure


async def test_a_wrong_password_is_told_and_not_shown(turn: TurnServer):
    finding = await found(f"turn:127.0.0.1:{turn.port}", password="the roof")
    assert finding.status == "fail"
    assert finding.found == f"turn:127.0.0.1:{turn.port}: it refuses the credential (401)"
    assert "username and credential in [ice]" in finding.cure
    assert "the roof" not in finding.found + finding.cure


@pytest.mark.parametrize(
    ("refusal", "cure"),
    [((486, "Allocation Quota Reached"), "user-quota"), ((403, "Forbidden"), "see its log")],
)
async def test_other_refusals_have_cures_of_their_own(
    turn: TurnServer, refusal: tuple[int, str], cure: str
):
    turn.refusal = refusal
    finding = await found(f"turn:127.0.0.1:{turn.port}")
    assert finding.status == "fail"
    assert f"{refusal[0]} {refusal[1]}" in finding.found
    assert cure in finding.cure


async def test_a_turn_server_that_gives_out_a_private_address_is_of_little_use(turn: TurnServer):
    turn.seen, turn.relayed = "8.8.8.8", "10.0.0.7"
    finding = await found(f"turn:127.0.0.1:{turn.port}")
    assert (finding.status, "relays at 10.0.0.7" in finding.found) == ("warn", True)
    assert "external-ip" in finding.cure


async def test_a_turn_server_that_says_nothing_is_given_up(
    silent: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ice, "PATIENCE_S", 0.01)
    finding = await found(f"turn:127.0.0.1:{silent}")
    assert (finding.status, "does not answer" in finding.found) == ("fail", True)


@pytest.mark.parametrize("form", ["turn:127.0.0.1:{}?transport=tcp", "turns:127.0.0.1:{}"])
async def test_a_dead_turn_server_over_tcp_is_named(form: str):
    port = free_port(socket.SOCK_STREAM)
    finding = await found(form.format(port))
    assert finding.status == "fail"
    assert finding.found == f"{form.format(port)}: Connection refused"
    assert f"TCP port {port}" in finding.cure


@pytest.mark.parametrize(
    "url",
    ["stuns:127.0.0.1:1", "turns:127.0.0.1:1?transport=udp"],
)
async def test_what_the_door_cannot_use_is_told(url: str):
    finding = await found(url)
    assert (finding.status, "the door cannot use it" in finding.found) == ("warn", True)


async def test_a_name_that_is_nowhere_is_told():
    finding = await found("turn:nowhere.invalid")
    assert finding.status == "fail"
    assert finding.found == "turn:nowhere.invalid: the address of nowhere.invalid is not found"
    assert "DNS" in finding.cure


async def test_without_servers_the_door_is_answered_at_home():
    ((name, finding),) = [row async for row in examine(ice.checks([]))]
    assert (name, finding.status) == ("ice", "ok")
