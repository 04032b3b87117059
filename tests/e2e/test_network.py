"""The networks that tests make: what is done to packets is really done."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from .network import SERVER, Namespace, Network

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces, which needs root"),
]

PACKETS, SIZE = 200, 500
_SO_RCVBUFFORCE = 33
"""A buffer beyond what the system would give, for root (asm-generic/socket.h)."""
ECHO = """
import socket
echo = socket.socket(type=socket.SOCK_DGRAM)
echo.bind(("", 7))
print("ready", flush=True)
while True:
    echo.sendto(*echo.recvfrom(2000))
"""
ASK = f"""
import socket, sys, time
asker = socket.socket(type=socket.SOCK_DGRAM)
asker.setsockopt(socket.SOL_SOCKET, {_SO_RCVBUFFORCE}, 1 << 20)
asker.settimeout(1.0)
begun, took_s = time.monotonic(), []
for _ in range({PACKETS}):
    asker.sendto(bytes({SIZE}), (sys.argv[1], 7))
    time.sleep(float(sys.argv[2]))
try:
    while len(took_s) < {PACKETS}:
        asker.recv(2000)
        took_s.append(time.monotonic() - begun)
except TimeoutError:
    pass
print(len(took_s), took_s[0], took_s[-1])
"""


@pytest.fixture
def network() -> Iterator[Network]:
    """Page and server send back what they get."""
    with Network() as network:
        echoes = [start_echo(each) for each in (network.page, network.router)]
        yield network
        for echo in echoes:
            echo.kill()
            echo.communicate()


def start_echo(namespace: Namespace) -> subprocess.Popen[bytes]:
    command = [*namespace.prefix, sys.executable, "-c", ECHO]
    echo = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert echo.stdout is not None
    echo.stdout.readline()
    return echo


def ask(network: Network, address: str, pause_s: float = 0.001) -> tuple[int, float, float]:
    """Packets that came back to the door, and when the first and the last did (s).

    The pause after each is for the echo, whose buffer does not hold all.
    """
    asking = (sys.executable, "-c", ASK, address, str(pause_s))
    count, first_s, last_s = network.door.run(*asking).split()
    return int(count), float(first_s), float(last_s)


@pytest.fixture(params=["page", "server"])
def address(network: Network, request: pytest.FixtureRequest) -> str:
    return network.address("page") if request.param == "page" else SERVER


def test_packets_get_lost_both_ways(network: Network, address: str) -> None:
    network.lose(20)
    assert 0.5 * PACKETS < ask(network, address)[0] < 0.78 * PACKETS
    network.clear()
    assert ask(network, address)[0] == PACKETS


def test_packets_are_held_back_both_ways(network: Network, address: str) -> None:
    network.delay(0.1)
    count, first_s, _ = ask(network, address)
    assert count == PACKETS
    assert first_s >= 0.2
    network.clear()
    assert ask(network, address)[0] == PACKETS


def test_a_bottleneck_lets_through_what_it_is_wide(network: Network) -> None:
    """What is more waits, and then is dropped."""
    network.narrow(500)
    count, _, last_s = ask(network, network.address("page"), pause_s=0)
    assert count < PACKETS / 2
    assert 8 * count * SIZE / last_s < 600_000 + 8 * 8000 / last_s
