"""Fixtures of the connection's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from homecall_pi.webrtc.ice import Choice
from homecall_pi.webrtc.peer import Peer

from ..doubles import Events
from .doubles import Page, Parts


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture
async def events() -> Events:
    return Events()


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page that knows the protocol alone."""
    page = Page()
    yield page
    await page.close()


@pytest.fixture
async def own_page() -> AsyncIterator[Page]:
    """A page of ours, with the control channel."""
    page = Page(control=True)
    yield page
    await page.close()


@pytest.fixture
async def peer(parts: Parts) -> AsyncIterator[Peer]:
    """A connection that is ready to be offered."""
    peer = Peer(parts.door, Choice("all"), 1.0)
    await peer.gather(serial=5)
    yield peer
    await peer.close()
