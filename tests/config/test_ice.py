"""STUN and TURN servers as they are configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from homecall_pi.config.file import load
from homecall_pi.config.ice import IceConfig, IceServer, require_ice
from homecall_pi.core import turn
from homecall_pi.errors import OperatorError


@pytest.mark.parametrize(
    "url",
    [
        "stun:stun.example.org",
        "stun:192.0.2.1:3478",
        "turn:turn.example.org:3478?transport=udp",
        "turns:turn.example.org:5349?transport=tcp",
    ],
)
def test_ice_servers_are_named_as_browsers_name_them(file: Path, url: str):
    file.write_text(f'[[ice.servers]]\nurls = ["{url}"]\nusername = "me"\ncredential = "secret"')
    (server,) = load(file, {}).ice.servers
    assert (server.urls, server.username, server.credential) == ((url,), "me", "secret")


def test_credentials_are_those_given_or_made_from_the_secret():
    given = IceServer(urls=("turn:a",), username="me", credential="x")
    assert given.login(now=0.0) == ("me", "x")
    shared = IceServer(urls=("turn:a",), username="me", secret="x")
    assert shared.login(now=0.0) == turn.credentials("x", "me", 0.0)
    assert IceServer(urls=("stun:a",)).login(now=0.0) == (None, None)


@pytest.mark.parametrize("urls", [(), ("stun:a",)])
def test_calls_that_must_be_relayed_need_a_turn_server(urls: tuple[str, ...]):
    servers = (IceServer(urls=urls),) if urls else ()
    with pytest.raises(OperatorError, match=r"^ice\.policy: relay needs a TURN server"):
        require_ice(IceConfig(policy="relay", servers=servers))
    turn_server = IceServer(urls=("turn:a",), secret="x")
    ice = IceConfig(policy="relay", servers=(*servers, turn_server))
    assert require_ice(ice) is ice
