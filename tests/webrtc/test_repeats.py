"""What is lost is repeated: the handshake's first packet, and words on the control channel."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiortc import rtcsctptransport

from homecall_pi.core.events import Accepted, Connected, OfferReady
from homecall_pi.core.state import Reason
from homecall_pi.webrtc import hooks, repeats
from homecall_pi.webrtc.ice import Choice
from homecall_pi.webrtc.peer import Peer

from ..conftest import PATIENCE_S
from ..doubles import Events
from .doubles import Page, Parts

COOKIES = (10, 11)
"""The chunks either of which opens an association at its receiver (RFC 9260, section 3.2)."""
CONSTANTS = ("SCTP_RTO_INITIAL", "SCTP_RTO_MIN", "SCTP_MAX_INIT_RETRANS")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for but the other side."""
    for name in CONSTANTS:  # which fails where aiortc has it no more, and is put back afterwards
        monkeypatch.setattr(rtcsctptransport, name, getattr(rtcsctptransport, name))
    for name, value in {"RTO_INITIAL_S": 0.01, "RTO_MIN_S": 0.01, "HELLO_S": (0.001,) * 20}.items():
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


async def test_the_first_packet_of_the_handshake_is_repeated(
    offered: Peer, page: Page, events: Events
):
    transport: Any = hooks.dtls(offered._pc).transport
    wire = transport._send = Wire(transport._send, 3, lambda _: True)
    offered.accept(await page.answer(offered.offer))
    await events.next(Connected)
    assert len(set(wire.seen[:4])) == 1
    assert transport._send is wire
    await offered.close()


async def test_once_the_other_side_is_heard_nothing_is_repeated(offered: Peer, page: Page):
    transport: Any = hooks.dtls(offered._pc).transport
    # What follows the first packet is lost, so that the handshake does not come to its end.
    follows = Wire(transport._send, sys.maxsize, lambda data: data != first.seen[0])
    first = transport._send = Wire(follows, 0, lambda _: True)
    offered.accept(await page.answer(offered.offer))
    await until(lambda: follows.seen)
    sent = len(first.seen)
    await asyncio.sleep(0.01)
    assert len(first.seen) == sent
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
        sctp._handle_data, sys.maxsize, lambda data: data[12] in COOKIES
    )
    await own_page.say('{"type": "answered"}')
    await events.next(Accepted)
    closing = asyncio.get_running_loop().create_task(offered.close(Reason.HUNG_UP))
    await asyncio.sleep(0)
    wire.lost = 0
    await closing
    assert await own_page.told() == {"type": "ended", "reason": "hung-up"}
