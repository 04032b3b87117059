"""The connections of all calls, and the one that is ready ahead."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator

import pytest

from homecall_pi.config.ice import IceConfig, IceServer
from homecall_pi.core import sdp
from homecall_pi.core.events import Accepted, Connected, OfferReady, PeerFailed
from homecall_pi.core.messages import IceCandidate
from homecall_pi.core.state import Reason
from homecall_pi.webrtc import ice
from homecall_pi.webrtc import peers as peers_module
from homecall_pi.webrtc.ice import Choice, Servers
from homecall_pi.webrtc.peer import Peer
from homecall_pi.webrtc.peers import Peers

from ..conftest import PATIENCE_S
from ..doubles import Events, in_background
from .doubles import Page, Parts


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[Peer]:
    """The connections that get ready, as they do."""
    ready: asyncio.Queue[Peer] = asyncio.Queue()
    gather = Peer.gather

    async def announced(self: Peer, serial: int) -> None:
        await gather(self, serial)
        ready.put_nowait(self)

    monkeypatch.setattr(Peer, "gather", announced)
    return ready


@pytest.fixture
async def peers(parts: Parts, events: Events) -> AsyncIterator[Peers]:
    """Connections on demand: nothing is ready ahead."""
    peers = Peers(parts.door, Servers(IceConfig()), events)
    yield peers
    await peers.stop()


@pytest.fixture
async def running(peers: Peers, gathered: asyncio.Queue[Peer]) -> AsyncIterator[Peers]:
    """Connections with one ready ahead."""
    async with in_background(peers.run()):
        await spare(gathered)
        yield peers


async def spare(gathered: asyncio.Queue[Peer]) -> Peer:
    async with asyncio.timeout(PATIENCE_S):
        return await gathered.get()


async def ring(peers: Peers, events: Events, number: int, *, again: bool = False) -> str:
    """Opens connection `number` and returns its offer."""
    peers.open(number, again=again)
    ready = await events.next(OfferReady)
    assert ready.peer == number
    return ready.sdp


async def test_a_ring_takes_the_connection_that_is_ready(
    running: Peers, events: Events, gathered: asyncio.Queue[Peer]
):
    running.open(1, again=False)
    assert not events.none()
    await events.next(OfferReady)
    assert gathered.empty()


async def test_a_ring_before_any_is_ready_makes_one(peers: Peers, events: Events, parts: Parts):
    await ring(peers, events, 1)
    assert parts.on == {"camera", "microphone"}


async def test_the_offers_of_each_call_have_tags_of_their_own(
    running: Peers, events: Events, gathered: asyncio.Queue[Peer]
):
    first = await ring(running, events, 1)
    running.close(Reason.NO_ANSWER)
    await spare(gathered)
    second = await ring(running, events, 2)
    assert not set(sdp.mids(first)) & set(sdp.mids(second))


@pytest.mark.parametrize("reason", [None, Reason.FAILED], ids=["in a call", "in a ring"])
async def test_all_offers_of_a_call_have_the_same_tags(
    running: Peers, events: Events, reason: Reason | None
):
    first = await ring(running, events, 1)
    running.close(reason)
    second = await ring(running, events, 2, again=True)
    assert first != second
    assert sdp.mids(first) == sdp.mids(second)


async def test_what_got_ready_for_a_call_that_has_ended_is_not_used(
    running: Peers, events: Events, gathered: asyncio.Queue[Peer]
):
    first = await ring(running, events, 1)
    running.close(None)
    await spare(gathered)
    running.close(Reason.PAGE_GONE)
    second = await ring(running, events, 2)
    assert not set(sdp.mids(first)) & set(sdp.mids(second))


async def test_a_page_hears_of_the_end_over_a_connection_that_was_lost(
    running: Peers, events: Events, own_page: Page, parts: Parts
):
    running.accept(1, await own_page.answer(await ring(running, events, 1)))
    await events.next(Connected)
    await own_page.say('{"type": "answered"}')
    await events.next(Accepted)
    running.close(None)
    await ring(running, events, 2, again=True)
    running.close(Reason.TOO_LONG)
    assert await own_page.told() == {"type": "ended", "reason": "too-long"}
    assert parts.on == set()


async def test_after_a_call_another_connection_gets_ready(
    running: Peers, events: Events, gathered: asyncio.Queue[Peer]
):
    await ring(running, events, 1)
    running.close(Reason.NO_ANSWER)
    await spare(gathered)
    running.open(2, again=False)
    await events.next(OfferReady)
    assert gathered.empty()


async def test_the_page_is_reached_through_it(
    running: Peers, events: Events, own_page: Page, parts: Parts
):
    answer = await own_page.answer(await ring(running, events, 1), trickle=True)
    running.accept(1, answer)
    for candidate in own_page.candidates:
        running.add_candidate(1, IceCandidate(candidate, sdpMLineIndex=0))
    await events.next(Connected)
    await own_page.say('{"type": "answered"}')
    await events.next(Accepted)
    running.close(Reason.HUNG_UP)
    assert parts.on == set()
    assert await own_page.told() == {"type": "ended", "reason": "hung-up"}
    await own_page.gone()
    assert events.none()


async def test_what_is_meant_for_another_connection_is_dropped(
    running: Peers, events: Events, page: Page
):
    running.accept(1, "v=0\r\n")
    answer = await page.answer(await ring(running, events, 2))
    running.accept(1, "v=0\r\n")
    running.add_candidate(1, IceCandidate("nonsense"))
    running.accept(2, answer)
    await events.next(Connected)
    await page.connected()


async def test_a_press_gets_the_connection_that_is_on_its_way_already(
    peers: Peers, events: Events, monkeypatch: pytest.MonkeyPatch
):
    gather = Peer.gather
    begun: list[int] = []
    first, may_end = asyncio.Event(), asyncio.Event()

    async def slow(self: Peer, serial: int) -> None:
        begun.append(serial)
        first.set()
        await may_end.wait()
        await gather(self, serial)

    monkeypatch.setattr(Peer, "gather", slow)
    async with in_background(peers.run()):
        await first.wait()
        peers.open(1, again=False)
        await asyncio.sleep(0)
        may_end.set()
        await events.next(OfferReady)
        assert len(begun) == 1
        peers.close(Reason.HUNG_UP)


async def test_on_another_network_what_was_ready_is_not_used(
    running: Peers, events: Events, monkeypatch: pytest.MonkeyPatch
):
    assert running._spare is not None
    ready = running._spare.offer
    monkeypatch.setattr(peers_module, "_addresses", lambda: {"192.0.2.99"})
    assert await ring(running, events, 1) != ready


async def test_on_another_network_another_connection_gets_ready(
    running: Peers, gathered: asyncio.Queue[Peer], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(peers_module, "_addresses", lambda: {"192.0.2.99"})
    running._wanted.set()
    await spare(gathered)


async def test_addresses_that_cannot_be_had_just_now_are_those_from_before(
    running: Peers, events: Events, monkeypatch: pytest.MonkeyPatch
):
    def fail() -> set[str]:
        raise OSError(errno.EMFILE, "Too many open files")

    assert running._spare is not None
    ready = running._spare.offer
    monkeypatch.setattr(peers_module, "_addresses", fail)
    assert await ring(running, events, 1) == ready
    running.look()


async def test_a_connection_that_is_too_old_is_replaced(
    running: Peers, gathered: asyncio.Queue[Peer], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(peers_module, "MAX_AGE_S", -1.0)
    running._wanted.set()
    old = running._spare
    await spare(gathered)
    while running._spare is old:
        await asyncio.sleep(0)


async def test_the_next_call_keeps_its_parts_when_the_one_before_is_still_closing(
    peers: Peers, events: Events, parts: Parts, own_page: Page
):
    async with in_background(peers.run()):
        await asyncio.sleep(0)
        peers.open(1, again=False)
        offer = (await events.next(OfferReady)).sdp
        peers.accept(1, await own_page.answer(offer))
        await events.next(Connected)
        await own_page.say('{"type": "answered"}')
        await events.next(Accepted)
        peers.close(Reason.FAILED)
        await ring(peers, events, 2)
        await own_page.gone()
        assert parts.on == {"camera", "microphone"}


async def test_closing_while_the_offer_is_made_tells_nothing(
    peers: Peers, events: Events, parts: Parts
):
    peers.open(1, again=False)
    peers.close(Reason.HUNG_UP)
    await ring(peers, events, 2)
    assert parts.log == ["start camera", "start microphone"]


async def test_a_connection_that_cannot_be_made_fails_its_call(
    peers: Peers, events: Events, monkeypatch: pytest.MonkeyPatch
):
    async def fail(self: Peer, serial: int) -> None:
        raise OSError("no network")

    monkeypatch.setattr(Peer, "gather", fail)
    peers.open(1, again=False)
    assert await events.next(PeerFailed) == PeerFailed(1)


async def test_a_network_that_is_not_there_is_told_once_and_tried_again(
    peers: Peers,
    gathered: asyncio.Queue[Peer],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    gather = Peer.gather
    failures = iter(range(5))

    async def fail_first(self: Peer, serial: int) -> None:
        failure = next(failures, None)
        if failure is not None:
            raise OSError(f"no network on port {failure}")
        await gather(self, serial)

    monkeypatch.setattr(Peer, "gather", fail_first)
    monkeypatch.setattr(peers_module, "LOOK_S", 0.0)
    async with in_background(peers.run()):
        await spare(gathered)
    (record,) = caplog.records
    assert "no connection can be prepared" in record.message


async def test_a_ring_is_not_kept_waiting_for_servers_that_do_not_answer(
    parts: Parts, events: Events, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(ice, "HURRY_S", 0.0)
    with socket.socket(type=socket.SOCK_DGRAM) as dead:
        dead.bind(("127.0.0.1", 0))
        urls = (f"stun:127.0.0.1:{dead.getsockname()[1]}",)
        peers = Peers(parts.door, Servers(IceConfig(servers=(IceServer(urls=urls),))), events)
        async with in_background(peers.run()):
            offer = await ring(peers, events, 1)
            assert "typ host" in offer
            assert caplog.records == []  # nobody has given the server up yet
            await peers.stop()


async def test_when_other_servers_answer_another_connection_gets_ready(
    parts: Parts, events: Events, gathered: asyncio.Queue[Peer], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(peers_module, "DEADLINE_S", 0.0)  # nothing answers there
    servers = Servers(IceConfig())
    peers = Peers(parts.door, servers, events)
    async with in_background(peers.run()):
        assert (await spare(gathered)).choice == Choice("all")
        better = Choice("all", stun=("127.0.0.1", 1))
        monkeypatch.setattr(servers, "choice", lambda: better)
        peers.look()
        assert (await spare(gathered)).choice == better
        await peers.stop()


async def test_a_call_is_not_offered_by_a_server_that_died_if_there_is_another(
    parts: Parts, events: Events, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(peers_module, "HURRY_S", 0.0)
    dead, living = Choice("all", stun=("127.0.0.1", 1)), Choice("all")
    servers = Servers(IceConfig())
    known = [dead, living]
    monkeypatch.setattr(servers, "choice", lambda: known[0])
    monkeypatch.setattr(servers, "judge", lambda choice, _: choice is dead and known.remove(dead))
    peers = Peers(parts.door, servers, events)
    await ring(peers, events, 1, again=True)
    assert peers._current is not None
    assert peers._current.choice == living
    await peers.stop()


async def test_figures_are_those_of_the_present_or_last_call(peers: Peers, events: Events):
    assert (peers.frames_sent, peers.audio_samples, peers.audio_dbfs) == (0, 0, -100.0)
    await ring(peers, events, 1)
    assert peers._current is not None
    peers._current.video.frames_sent = 3
    peers._current.voice.level.add(b"\x00\x40" * 960)
    peers._current.voice.samples += 960
    peers.close(Reason.HUNG_UP)
    assert (peers.frames_sent, peers.audio_samples, peers.audio_dbfs) == (3, 960, -6.0)
    await ring(peers, events, 2)
    assert (peers.frames_sent, peers.audio_samples) == (0, 0)


async def test_figures_of_a_call_are_those_of_all_its_connections(peers: Peers, events: Events):
    for number in (1, 2, 3):
        await ring(peers, events, number, again=number > 1)
        assert peers._current is not None
        peers._current.video.frames_sent = 3
        peers._current.voice.samples = 960
        peers.close(None)
    assert (peers.frames_sent, peers.audio_samples) == (9, 2880)


async def test_stop_closes_a_call_under_way(
    running: Peers, events: Events, page: Page, parts: Parts
):
    running.accept(1, await page.answer(await ring(running, events, 1)))
    await events.next(Connected)
    await page.connected()
    await running.stop()
    await page.gone()
    assert parts.on == set()
    assert events.none()
