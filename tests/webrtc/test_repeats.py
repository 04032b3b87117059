"""What is lost is repeated: checks, the handshake, and words on the control channel."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any, cast

import aioice.stun
import pytest
import uvloop
from aioice.stun import Class, Message, Method, Transaction, TransactionTimeout
from aiortc import rtcsctptransport

from homecall_pi.core.events import Accepted, Connected, OfferReady
from homecall_pi.core.state import Reason
from homecall_pi.webrtc import hooks, repeats
from homecall_pi.webrtc.ice import Choice
from homecall_pi.webrtc.peer import Peer

from ..conftest import PATIENCE_S
from ..doubles import Events
from .doubles import Page, Parts

INIT, COOKIE_ECHO, COOKIE_ACK = 1, 10, 11
"""The first chunk of an association, and the two either of which opens it at its receiver
(RFC 9260, section 3.2)."""
CONSTANTS = {
    aioice.stun: ("RETRY_RTO", "RETRY_MAX"),
    rtcsctptransport: ("SCTP_RTO_INITIAL", "SCTP_RTO_MIN", "SCTP_MAX_INIT_RETRANS"),
}
SOON = {
    "STUN_RTO_S": 0.0001,
    "STUN_MAX_PAUSE_S": 0.001,
    "RTO_INITIAL_S": 0.01,
    "RTO_MIN_S": 0.01,
    "PAUSES_S": (0.001,) * 20,
}


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for but the other side."""
    for module, names in CONSTANTS.items():
        for name in names:  # which fails where there is none any more, and is put back afterwards
            monkeypatch.setattr(module, name, getattr(module, name))
    for name, value in SOON.items():
        monkeypatch.setattr(repeats, name, value)
    repeats.take_over()


@pytest.fixture
async def offered(soon: None, parts: Parts, events: Events) -> Peer:
    peer = Peer(parts.door, Choice("all"), 1.0)
    await peer.gather(serial=5)
    peer.begin(1, events)
    await events.next(OfferReady)
    return peer


class Wire:
    """A way that loses the first `lost` packets of those that `is_lost` names."""

    def __init__(
        self, pass_on: Callable[..., Awaitable[Any]], lost: int, is_lost: Callable[[bytes], bool]
    ) -> None:
        self._pass_on = pass_on
        self.lost = lost
        self._is_lost = is_lost
        self.seen: list[bytes] = []

    async def __call__(self, data: bytes) -> None:
        if self._is_lost(data):
            self.seen.append(data)
            if len(self.seen) <= self.lost:
                return
        await self._pass_on(data)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_stun_request_is_repeated_soon(soon: None):
    sent = []

    class Nowhere:
        def send_stun(self, message: Message, _: tuple[str, int]) -> None:
            sent.append(message)

    request = Message(Method.BINDING, Class.REQUEST)
    with pytest.raises(TransactionTimeout):
        await Transaction(request, ("192.0.2.1", 5000), Nowhere()).run()
    assert sent == [request] * (1 + repeats.STUN_RETRANSMISSIONS)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_pauses_between_stun_requests_grow_to_a_limit(
    soon: None, monkeypatch: pytest.MonkeyPatch, new_loop: Callable[[], asyncio.AbstractEventLoop]
):
    monkeypatch.setattr(repeats, "STUN_RTO_S", 0.01)
    monkeypatch.setattr(repeats, "STUN_MAX_PAUSE_S", 0.03)
    monkeypatch.setattr(repeats, "STUN_RETRANSMISSIONS", 4)
    repeats.take_over()
    sent_at = []

    class Nowhere:
        def send_stun(self, *_: object) -> None:
            sent_at.append(asyncio.get_running_loop().time())

    async def ask() -> None:
        request = Message(Method.BINDING, Class.REQUEST)
        with pytest.raises(TransactionTimeout):
            await Transaction(request, ("192.0.2.1", 5000), Nowhere()).run()
        sent_at.append(asyncio.get_running_loop().time())

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(ask())
    pauses = [after - before for before, after in pairwise(sent_at)]
    # A machine under load makes them longer, and nothing shorter but the clock's millisecond.
    wanted = [0.01, 0.02, 0.03, 0.03, 0.03]
    assert len(pauses) == len(wanted)
    assert all(pause > least - 0.002 for pause, least in zip(pauses, wanted, strict=True)), pauses


def test_stun_requests_are_repeated_for_as_long_as_connecting_may_take():
    pause, pauses = repeats._Pause(repeats.STUN_RTO_S), []
    for _ in range(1 + repeats.STUN_RETRANSMISSIONS):
        pauses.append(pause)
        pause *= 2  # as aioice does
    assert sum(pauses) == pytest.approx(15, rel=0.05)


async def test_the_flights_of_the_handshake_are_repeated(offered: Peer, page: Page, events: Events):
    transport: Any = hooks.dtls(offered._pc).transport
    second = Wire(transport._send, 3, lambda data: data != first.seen[0])
    first = transport._send = Wire(second, 3, lambda data: data == (first.seen or [data])[0])
    offered.accept(await page.answer(offered.offer))
    await events.next(Connected)
    assert len(set(second.seen[:4])) == 1
    assert transport._send is first
    await offered.close()


async def test_a_flight_is_not_repeated_any_more_after_the_next(offered: Peer, page: Page):
    transport: Any = hooks.dtls(offered._pc).transport
    # What follows the first packet is lost, so that the handshake does not come to its end.
    follows = Wire(transport._send, sys.maxsize, lambda data: data != first.seen[0])
    first = transport._send = Wire(follows, 0, lambda data: data == (first.seen or [data])[0])
    offered.accept(await page.answer(offered.offer))
    await until(lambda: follows.seen)
    sent = len(first.seen)
    await asyncio.sleep(0.01)
    assert len(first.seen) == sent
    assert len(follows.seen) > 1
    await offered.close()


async def test_a_handshake_that_is_given_up_repeats_nothing_more(offered: Peer, page: Page):
    transport: Any = hooks.dtls(offered._pc).transport
    wire = transport._send = Wire(transport._send, sys.maxsize, lambda _: True)
    offered.accept(await page.answer(offered.offer))
    await until(lambda: len(wire.seen) > 1)
    await offered.close()
    sent = len(wire.seen)
    await asyncio.sleep(0.01)
    assert len(wire.seen) == sent


async def test_a_repeated_init_has_no_tag_though_that_of_the_page_is_known(
    offered: Peer, own_page: Page, events: Events
):
    answer = await own_page.answer(offered.offer)
    page, door = (cast("Any", pc.sctp) for pc in (own_page.pc, offered._pc))
    inits = page._handle_data = Wire(page._handle_data, 3, lambda data: data[12] == INIT)
    # Only the door's INIT may open the channel.
    door._handle_data = Wire(door._handle_data, sys.maxsize, lambda data: data[12] == COOKIE_ECHO)
    offered.accept(answer)
    await events.next(Connected)
    await own_page.say('{"type": "answered"}')
    await events.next(Accepted)
    assert {each[4:8] for each in inits.seen} == {bytes(4)}
    await offered.close()


async def test_what_opens_the_channel_at_the_page_is_repeated(
    offered: Peer, own_page: Page, events: Events
):
    answer = await own_page.answer(offered.offer)
    page, door = (cast("Any", pc.sctp) for pc in (own_page.pc, offered._pc))
    page._rto = door._rto = 2 * PATIENCE_S
    ack = Wire(page._handle_data, 3, lambda data: data[12] == COOKIE_ACK)
    page._handle_data = Wire(ack, sys.maxsize, lambda data: data[12] == COOKIE_ECHO)
    offered.accept(answer)
    await events.next(Connected)
    await own_page.say('{"type": "answered"}')
    await events.next(Accepted)
    await offered.close()


async def test_a_farewell_that_is_lost_is_said_again(offered: Peer, own_page: Page, events: Events):
    offered.accept(await own_page.answer(offered.offer))
    await events.next(Connected)
    await own_page.say('{"type": "answered"}')
    await events.next(Accepted)
    sctp: Any = own_page.pc.sctp
    wire = sctp._handle_data = Wire(sctp._handle_data, 2, lambda data: b'"ended"' in data)
    await offered.close(Reason.HUNG_UP)
    assert await own_page.told() == {"type": "ended", "reason": "hung-up"}
    assert len(wire.seen) == 3


async def test_a_page_hears_the_farewell_if_the_channel_opens_at_the_door_as_late_as_that(
    offered: Peer, own_page: Page, events: Events
):
    offered.accept(await own_page.answer(offered.offer))
    await events.next(Connected)
    sctp: Any = offered._pc.sctp
    wire = sctp._handle_data = Wire(
        sctp._handle_data, sys.maxsize, lambda data: data[12] in (COOKIE_ECHO, COOKIE_ACK)
    )
    await own_page.say('{"type": "answered"}')
    await events.next(Accepted)
    closing = asyncio.get_running_loop().create_task(offered.close(Reason.HUNG_UP))
    await asyncio.sleep(0)
    wire.lost = 0
    await closing
    assert await own_page.told() == {"type": "ended", "reason": "hung-up"}


@pytest.mark.parametrize("first", ["door", "page"])
async def test_a_channel_that_is_closed_repeats_nothing_more(
    offered: Peer, own_page: Page, events: Events, monkeypatch: pytest.MonkeyPatch, first: str
):
    monkeypatch.setattr(repeats, "PAUSES_S", (PATIENCE_S,))
    offered.accept(await own_page.answer(offered.offer))
    await events.next(Connected)
    await own_page.say('{"type": "answered"}')
    await events.next(Accepted)

    def repetitions() -> list[str]:
        names = [str(task.get_coro()) for task in asyncio.all_tasks()]
        return [name for name in names if "_Repetition" in name]

    await until(repetitions)
    sides = [offered, own_page] if first == "door" else [own_page, offered]
    for side in sides:
        await side.close()
    await asyncio.sleep(0)  # what was cancelled ends
    assert not repetitions()
