"""Which connection a ring gets: one that was made ahead, or one of its own."""

import time

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

KEEP_POOLS = """
window.pools = [];
const Real = RTCPeerConnection;
window.RTCPeerConnection = class extends Real {
  constructor(options) { super(options); this.pool = options.iceCandidatePoolSize; }
  setRemoteDescription(offer) { pools.push(this.pool); return super.setRemoteDescription(offer); }
};
"""
"""Of the connections that were used: how many transports they gathered addresses for ahead."""
LATER_S = 10


@pytest.fixture
def waiting(family):
    """The page waits for a ring since some seconds, and no more time passes."""

    async def open_page():
        await family.page.add_init_script(KEEP_POOLS)
        await family.page.clock.install()
        line = await family.open()
        await family.page.clock.pause_at(time.time() + LATER_S)
        return line

    return open_page


async def test_a_ring_gets_the_connection_that_has_gathered_addresses_ahead(family, door, waiting):
    await door.ring(await waiting())
    await family.until_state("ringing")
    assert await family.page.evaluate("pools") == [1]


async def test_a_ring_does_not_get_one_that_only_begins_to_gather(family, door, waiting):
    await waiting()
    await family.page.reload()
    line = await family.board.line()
    await line.take("join")
    await door.ring(line)
    await family.until_state("ringing")
    assert await family.page.evaluate("pools") == [0]
