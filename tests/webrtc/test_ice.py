"""Which servers answer, asked of a real one and of dead ones."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aioice.stun import Class, Message, Method

from homecall_pi.config.ice import IceConfig, IceServer
from homecall_pi.webrtc import ice
from homecall_pi.webrtc.bounds import MAX_WAITING_BYTES
from homecall_pi.webrtc.ice import AGAIN_S, DOUBT_S, KNOWN_S, Choice, Servers
from homecall_pi.webrtc.peer import Peer
from homecall_pi.webrtc.routes import Address, Route

from ..authority import Authority
from ..conftest import PATIENCE_S
from ..coturn import PASSWORD, SECRET, USER, Coturn, free_port
from .doubles import Parts

HOME, ELSEWHERE = {"192.0.2.1"}, {"198.51.100.1"}
"""Addresses of this machine, as the servers are told."""

MakeCoturn = Callable[..., Coturn]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def coturns(folder: Path, authority: Authority) -> Iterator[MakeCoturn]:
    """A function that returns a running server with a certificate for localhost."""
    running: list[Coturn] = []
    certificate = authority.issue("localhost")

    def make(*, time_limited: bool = False) -> Coturn:
        ports = {"port": free_port(), "tls_port": free_port()}
        coturn = Coturn(folder, certificate=certificate, time_limited=time_limited, **ports)
        running.append(coturn)
        coturn.start()
        return coturn

    yield make
    for coturn in running:
        coturn.stop()


@pytest.fixture(scope="module")
def shared_coturn(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Coturn]:
    with coturns(tmp_path_factory.mktemp("coturn"), authority) as make:
        yield make()


@pytest.fixture
def trusting(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers' certificates are trusted here."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


@pytest.fixture
def coturn(shared_coturn: Coturn, trusting: None) -> Coturn:
    """A server for tests that leave it as it is."""
    return shared_coturn


@pytest.fixture
def make_coturn(tmp_path: Path, authority: Authority, trusting: None) -> Iterator[MakeCoturn]:
    with coturns(tmp_path, authority) as make:
        yield make


@pytest.fixture
def own_coturn(make_coturn: MakeCoturn) -> Coturn:
    """A server to stop and start."""
    return make_coturn()


class Dead:
    """A port that takes everything and answers nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self._udp = socket.socket(type=socket.SOCK_DGRAM)
        self._udp.setblocking(False)
        self._udp.bind(("127.0.0.1", self.port))
        self._tcp = socket.create_server(("127.0.0.1", self.port))

    def heard(self) -> list[bytes]:
        """What came by UDP since the last call."""
        heard = []
        while True:
            try:
                heard.append(self._udp.recv(2048))
            except BlockingIOError:
                return heard

    def close(self) -> None:
        self._udp.close()
        self._tcp.close()


@pytest.fixture
def dead() -> Iterator[Dead]:
    dead = Dead()
    yield dead
    dead.close()


@pytest.fixture
def brief(dead: Dead, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead server is given up sooner; those that answer have all of their time."""
    reach = Route.reach

    async def reach_or_give_up(route: Route, tls: ssl.SSLContext | None) -> Address:
        async with asyncio.timeout(0.2 if route.port == dead.port else None):
            return await reach(route, tls)

    monkeypatch.setattr(Route, "reach", reach_or_give_up)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def turn_server(*urls: str, credential: str = PASSWORD) -> IceServer:
    return IceServer(urls=urls, username=USER, credential=credential)


def stun_server(port: int) -> IceServer:
    return IceServer(urls=(f"stun:127.0.0.1:{port}",))


def servers_of(*servers: IceServer, policy: str = "all", clock: Clock | None = None) -> Servers:
    return Servers(IceConfig(servers=servers, policy=policy), clock or Clock())


async def chosen(servers: Servers) -> tuple[int | None, tuple[int, str] | None]:
    """The ports of the choice after all servers were tried, and the transport of the second."""
    await servers.settle(HOME)
    choice = servers.choice()
    turn = choice.turn and (choice.turn.address[1], choice.turn.transport)
    return choice.stun and choice.stun[1], turn


async def test_without_servers_there_is_nothing_to_wait_for():
    servers = servers_of()
    servers.refresh(HOME)
    await servers.hurry(HOME, anew=False)
    assert servers.choice() == Choice("all")
    await servers.stop()


async def test_udp_is_preferred_to_tcp_and_that_to_tls(coturn: Coturn):
    udp = f"turn:127.0.0.1:{coturn.port}"
    tcp = f"turn:127.0.0.1:{coturn.port}?transport=tcp"
    tls = f"turns:localhost:{coturn.tls_port}"
    assert await chosen(servers_of(turn_server(tls, tcp, udp))) == (None, (coturn.port, "udp"))
    assert await chosen(servers_of(turn_server(tls, tcp))) == (None, (coturn.port, "tcp"))
    assert await chosen(servers_of(turn_server(tls))) == (None, (coturn.tls_port, "tcp"))


async def test_of_equals_the_first_is_used(make_coturn: MakeCoturn):
    first, second = make_coturn(), make_coturn()
    urls = [f"turn:127.0.0.1:{each.port}" for each in (first, second)]
    both = stun_server(first.port), stun_server(second.port), turn_server(*urls)
    assert await chosen(servers_of(*both)) == (first.port, (first.port, "udp"))


async def test_dead_servers_in_front_are_passed_over(
    coturn: Coturn, dead: Dead, brief: None, caplog: pytest.LogCaptureFixture
):
    udp, tcp, tls = (
        f"turn:127.0.0.1:{dead.port}",
        f"turn:127.0.0.1:{dead.port}?transport=tcp",
        f"turns:localhost:{dead.port}",
    )
    good = f"turn:127.0.0.1:{coturn.port}?transport=tcp"
    servers = servers_of(
        stun_server(dead.port),
        stun_server(coturn.port),
        turn_server(udp, tcp, tls),
        turn_server(good),
    )
    assert await chosen(servers) == (coturn.port, (coturn.port, "tcp"))
    told = [record.getMessage() for record in caplog.records]
    reason = "is of no use: it does not answer; doing without it"
    dead_urls = (f"stun:127.0.0.1:{dead.port}", udp, tcp, tls)
    assert sorted(told) == sorted(f"{url} {reason}" for url in dead_urls)


async def test_who_is_in_a_hurry_does_not_wait_for_dead_servers(coturn: Coturn, dead: Dead, caplog):
    servers = servers_of(
        stun_server(dead.port),
        stun_server(coturn.port),
        turn_server(f"turn:127.0.0.1:{dead.port}"),
        turn_server(f"turn:127.0.0.1:{coturn.port}"),
    )
    await servers.hurry(HOME, anew=False)
    choice = servers.choice()
    assert choice.stun == ("127.0.0.1", coturn.port)
    assert choice.turn is not None
    assert choice.turn.address == ("127.0.0.1", coturn.port)
    assert caplog.records == []  # the dead ones were not given up yet
    await servers.stop()


async def test_who_is_in_a_hurry_goes_without_if_none_answers(
    dead: Dead, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ice, "HURRY_S", 0.0)
    servers = servers_of(stun_server(dead.port))
    await servers.hurry(HOME, anew=False)
    assert servers.choice() == Choice("all")
    await servers.stop()


async def test_what_is_known_keeps_nobody_waiting(own_coturn: Coturn):
    servers = servers_of(stun_server(own_coturn.port))
    await servers.settle(HOME)
    own_coturn.stop()
    for wait in (servers.settle(HOME), servers.hurry(HOME, anew=False)):
        with pytest.raises(StopIteration):
            wait.send(None)


async def test_a_call_that_lost_its_way_gives_servers_another_chance(own_coturn: Coturn):
    servers = servers_of(turn_server(f"turn:127.0.0.1:{own_coturn.port}?transport=tcp"))
    own_coturn.stop()
    await servers.settle(HOME)
    own_coturn.start()
    await servers.hurry(HOME, anew=False)
    assert servers.choice().turn is None
    await servers.hurry(HOME, anew=True)
    assert servers.choice().turn is not None


async def test_on_another_network_everything_is_asked_anew(coturn: Coturn, dead: Dead):
    servers = servers_of(stun_server(coturn.port))
    await servers.settle(HOME)
    servers.refresh(ELSEWHERE)
    assert servers.choice().stun is None
    await servers.settle(ELSEWHERE)
    assert servers.choice().stun == ("127.0.0.1", coturn.port)


async def test_without_a_network_nothing_is_asked_and_nothing_told(dead: Dead, caplog):
    servers = servers_of(stun_server(dead.port))
    await servers.settle(())
    assert dead.heard() == []
    assert caplog.records == []


async def test_knowledge_grows_old(coturn: Coturn, dead: Dead, brief: None):
    clock = Clock()
    servers = servers_of(stun_server(dead.port), stun_server(coturn.port), clock=clock)
    await servers.settle(HOME)
    dead.heard()
    servers.refresh(HOME)
    await asyncio.sleep(0)
    assert dead.heard() == []
    clock.now += KNOWN_S
    servers.refresh(HOME)
    assert servers.choice().stun == ("127.0.0.1", coturn.port)  # meanwhile
    await heard(dead)
    await servers.stop()


async def heard(dead: Dead) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not dead.heard():
            await asyncio.sleep(0.001)


HOST_ONLY = "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n"


async def test_one_that_did_not_do_its_work_is_asked_before_long(coturn: Coturn, brief: None):
    clock = Clock()
    servers = servers_of(stun_server(coturn.port), clock=clock)
    await servers.settle(HOME)
    choice = servers.choice()
    servers.judge(choice, HOST_ONLY)
    assert servers.choice() == choice  # there is no other
    looked = servers._looking
    clock.now += DOUBT_S
    servers.refresh(HOME)
    assert servers._looking is not looked
    await servers.settle(ELSEWHERE)


async def test_another_takes_the_place_of_one_that_did_not_do_its_work(
    own_coturn: Coturn, coturn: Coturn
):
    ports = own_coturn.port, coturn.port
    servers = servers_of(*(turn_server(f"turn:127.0.0.1:{port}") for port in ports))
    await servers.settle(HOME)
    first = servers.choice()
    assert first.turn is not None
    assert first.turn.address[1] == own_coturn.port
    servers.judge(first, HOST_ONLY + "a=candidate:2 1 udp 1 192.0.2.1 5000 typ relay\r\n")
    assert servers.choice() == first
    servers.judge(first, HOST_ONLY)
    second = servers.choice()
    assert second.turn is not None
    assert second.turn.address[1] == coturn.port
    servers.judge(first, HOST_ONLY)  # of that one there is no doubt
    assert servers.choice() == second


async def test_while_one_is_missed_all_are_asked_less_and_less(
    dead: Dead, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ice, "DEADLINE_S", 0.0)
    clock = Clock()
    servers = servers_of(stun_server(dead.port), clock=clock)
    await servers.settle(HOME)
    pauses = []
    for _ in range(6):
        dead.heard()
        due = clock.now
        while True:
            clock.now += AGAIN_S
            servers.refresh(HOME)
            assert servers._looking is not None
            if not servers._looking.done():
                await servers._looking
                break
        pauses.append(clock.now - due)
    assert pauses == [5, 10, 20, 40, 60, 60]
    servers.retry()
    servers.refresh(HOME)
    assert not servers._looking.done()
    await servers.stop()


async def test_it_is_told_once_that_a_server_is_gone_and_once_that_it_is_back(
    own_coturn: Coturn, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "homecall_pi")
    clock = Clock()
    url = f"turn:127.0.0.1:{own_coturn.port}?transport=tcp"
    servers = servers_of(turn_server(url), clock=clock)

    async def ask_again() -> str:
        caplog.clear()
        clock.now += KNOWN_S
        servers.refresh(HOME)
        assert servers._looking is not None
        await servers._looking
        return "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("homecall"))

    assert await ask_again() == ""
    own_coturn.stop()
    assert re.fullmatch(
        f"{re.escape(url)} is of no use: Connection refused; doing without it", await ask_again()
    )
    assert servers.choice().turn is None
    assert await ask_again() == ""
    own_coturn.start()
    assert await ask_again() == f"{url} answers again"
    assert servers.choice().turn is not None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("turn:127.0.0.1:{port}", "it refuses the credential (401)"),
        ("turns:127.0.0.1:{tls_port}", "its certificate is not trusted (IP address mismatch"),
        ("turn:nowhere.invalid", "the address of nowhere.invalid is not found"),
        ("turn:a..b", "turn:a..b is of no use: Unicode"),
    ],
)
async def test_the_reason_is_told_and_no_credential(
    url: str, reason: str, coturn: Coturn, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    url = url.format(port=coturn.port, tls_port=coturn.tls_port)
    servers = servers_of(turn_server(url, credential="the cellar"))
    await servers.settle(HOME)
    (told,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert told.getMessage().startswith(f"{url} is of no use: ")
    assert reason in told.getMessage()
    assert "the cellar" not in "".join(record.getMessage() for record in caplog.records)


async def test_a_certificate_of_an_unknown_authority_is_refused(
    coturn: Coturn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.delenv("SSL_CERT_FILE")
    servers = servers_of(turn_server(f"turns:localhost:{coturn.tls_port}"))
    await servers.settle(HOME)
    assert servers.choice().turn is None
    assert "its certificate is not trusted (unable to get local issuer" in caplog.text


async def test_credentials_are_made_from_a_shared_secret(make_coturn: MakeCoturn, caplog):
    coturn = make_coturn(time_limited=True)
    url = f"turn:127.0.0.1:{coturn.port}"
    for secret, answers in ((SECRET, True), ("the cellar", False)):
        servers = servers_of(IceServer(urls=(url,), username="door", secret=secret))
        await servers.settle(HOME)
        assert (servers.choice().turn is not None) is answers
    assert "it refuses the secret (401), or this machine's clock is wrong" in caplog.text


@pytest.mark.parametrize("url", ["stuns:a", "turns:a?transport=udp"])
async def test_what_the_door_cannot_use_is_told(url: str, caplog: pytest.LogCaptureFixture):
    servers = servers_of(turn_server(url))
    await servers.settle(HOME)
    assert servers.choice() == Choice("all")
    assert f"{url} is of no use to the door" in caplog.text


class TestGathering:
    """What a connection makes of a choice."""

    async def test_it_offers_what_the_servers_give(self, coturn: Coturn, parts: Parts):
        urls = f"turn:127.0.0.1:{coturn.port}"
        servers = servers_of(stun_server(coturn.port), turn_server(urls))
        await servers.settle(HOME)
        offer = await offer_of(servers.choice(), parts)
        assert {"host", "srflx", "relay"} == candidates(offer)
        assert servers.choice().missing_in(offer) == set()

    @pytest.mark.parametrize(
        "url", ["turn:127.0.0.1:{port}?transport=tcp", "turns:localhost:{tls}"]
    )
    async def test_it_relays_over_a_stream(self, url: str, coturn: Coturn, parts: Parts):
        url = url.format(port=coturn.port, tls=coturn.tls_port)
        servers = servers_of(turn_server(url))
        await servers.settle(HOME)
        assert "relay" in candidates(await offer_of(servers.choice(), parts))

    async def test_what_a_slow_stream_does_not_take_is_dropped(
        self, own_coturn: Coturn, parts: Parts
    ):
        servers = servers_of(turn_server(f"turn:127.0.0.1:{own_coturn.port}?transport=tcp"))
        await servers.settle(HOME)
        peer = Peer(parts.door, servers.choice(), PATIENCE_S)
        await peer.gather(serial=1)
        protocols = peer._pc.getTransceivers()[
            0
        ].receiver.transport.transport._connection._protocols
        line = protocols[-1].transport._TurnTransport__inner_protocol
        software = {"SOFTWARE": 1000 * "x"}
        packet = bytes(Message(Method.BINDING, Class.INDICATION, attributes=software))
        with own_coturn.frozen():
            for _ in range(10_000):
                line._send(packet)
            waiting = line.transport.get_write_buffer_size()
            assert MAX_WAITING_BYTES <= waiting < MAX_WAITING_BYTES + len(packet)
        async with asyncio.timeout(PATIENCE_S):  # else closing repeats what is dropped
            while line.transport.get_write_buffer_size() >= MAX_WAITING_BYTES:
                await asyncio.sleep(0.001)
        await peer.close()

    async def test_as_a_relay_alone_it_shows_no_address(self, coturn: Coturn, parts: Parts):
        url = f"turn:127.0.0.1:{coturn.port}"
        servers = servers_of(stun_server(coturn.port), turn_server(url), policy="relay")
        await servers.settle(HOME)
        offer = await offer_of(servers.choice(), parts)
        assert candidates(offer) == {"relay"}
        assert set(re.findall(r"\d+\.\d+\.\d+\.\d+", offer)) <= {"127.0.0.1", "0.0.0.0"}

    async def test_as_a_relay_without_a_server_it_shows_nothing(self, parts: Parts):
        assert candidates(await offer_of(Choice("relay"), parts)) == set()

    async def test_a_server_that_died_is_waited_for_as_long_as_was_said(
        self, dead: Dead, parts: Parts
    ):
        choice = Choice("all", stun=("127.0.0.1", dead.port))
        offer = await offer_of(choice, parts, patience_s=0.0)
        assert candidates(offer) == {"host"}
        assert choice.missing_in(offer) == {"stun"}
        requests = dead.heard()
        assert len(requests) == len(set(requests))  # there was no time to repeat one


async def offer_of(choice: Choice, parts: Parts, patience_s: float = PATIENCE_S) -> str:
    peer = Peer(parts.door, choice, patience_s)
    await peer.gather(serial=1)
    offer = peer.offer
    await peer.close()
    return offer


def candidates(offer: str) -> set[str]:
    """Their types."""
    return set(re.findall(r"^a=candidate:.* typ (\w+)", offer, re.MULTILINE))
