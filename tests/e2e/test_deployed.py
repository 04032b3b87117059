"""The door among strangers: servers and pages that know the protocol and nothing more."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from .. import sound
from .conftest import Household
from .deployed import DeployedServer
from .household import ROOM, Family, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

DOOR = "Front door"


@pytest_asyncio.fixture(loop_scope="session")
async def server(household: Household) -> AsyncIterator[DeployedServer]:
    """The other server, in place of ours."""
    server = DeployedServer()
    household.server.port = await server.start()
    yield server
    await server.stop()


async def the_door(household: Household, *flags: str) -> None:
    await household.start(*flags, with_server=False)
    await household.door.ready()


async def offers(server: DeployedServer, times: int) -> None:
    """Waits for an offer, which is sent once the queue is swept.

    A page that joins earlier, as it may on a busy machine, is given what waits there, and the door
    can do nothing about that.
    """
    await until("the door offers", lambda: server.count("offer") == times)


async def a_page(household: Household) -> Family:
    family = await household.page()
    await family.page.goto(f"http://localhost:{household.server.port}/?room={ROOM}")
    return family


async def test_a_page_that_knows_only_the_protocol_talks_when_connected(
    household: Household, server: DeployedServer
) -> None:
    await the_door(household)
    family = await a_page(household)
    await family.becomes("joined")
    household.door.ring()
    await household.door.becomes("talking")
    await family.sees_moving_pictures()
    assert sound.dbfs(sound.decode(await family.records_sound(2))) > -40
    await until("the page is heard", lambda: household.door.status.audio_dbfs > -40)
    await family.page.evaluate("hangUp()")
    assert (await household.door.becomes("idle")).last_reason == "page-gone"


@pytest.mark.parametrize("returns_own", [False, True])
async def test_presses_while_nobody_is_there_leave_one_offer_in_the_queue(
    household: Household, server: DeployedServer, returns_own: bool
) -> None:
    server.returns_own = returns_own
    await the_door(household, "--call-ring-s", "3")
    household.door.ring()
    household.door.ring()
    assert (await household.door.becomes("idle")).last_reason == "no-answer"
    household.door.ring()
    await offers(server, 2)
    family = await a_page(household)
    await household.door.becomes("talking")
    await family.sees_moving_pictures()
    assert server.longest_queue == 1
    assert await family.state() == "connected"


async def test_a_page_that_comes_after_a_ring_is_given_nothing_of_it(
    household: Household, server: DeployedServer
) -> None:
    await the_door(household)
    household.door.ring()
    await offers(server, 1)
    household.door.hang_up()
    await until("the queue is swept", lambda: not server.queue)
    family = await a_page(household)
    await family.becomes("joined")
    household.door.ring()
    await household.door.becomes("talking")
    await family.sees_moving_pictures()
    assert server.count("answer") == 1


async def test_an_offer_that_went_to_a_page_asleep_does_not_hold_up_the_next(
    household: Household, server: DeployedServer
) -> None:
    await the_door(household, "--call-ring-s", "2")
    async with connect(f"ws://localhost:{server.port}/signal") as asleep:
        await asleep.send(f'{{"type":"join","room":"{ROOM}","user":"Борис"}}')
        household.door.ring()
        assert '"offer"' in str(await asleep.recv())
        assert (await household.door.becomes("idle")).last_reason == "no-answer"
        household.door.ring()
        assert '"offer"' in str(await asleep.recv())


async def test_what_another_run_left_in_the_queue_does_not_reach_a_page(
    household: Household, server: DeployedServer
) -> None:
    server.queue.append((DOOR, f'{{"type":"offer","room":"{ROOM}","from":"{DOOR}","sdp":"v=0"}}'))
    await the_door(household)
    household.door.ring()
    await offers(server, 1)
    assert server.longest_queue == 1
    family = await a_page(household)
    await household.door.becomes("talking")
    await family.sees_moving_pictures()
    assert server.count("answer") == 1


async def test_what_the_queue_holds_from_earlier_calls_is_ignored(
    household: Household, server: DeployedServer
) -> None:
    stale = {"room": ROOM, "from": "Борис"}
    await the_door(household)
    await server.tell_everybody(type="answer", sdp="v=0\r\nm=audio 9 X\r\na=mid:0\r\n", **stale)
    line = "candidate:1 1 udp 1 192.0.2.9 9 typ host"
    await server.tell_everybody(type="candidate", candidate={"candidate": line}, **stale)
    await server.tell_everybody(type="offer", sdp="v=0\r\nm=audio 9 X\r\n", **stale)
    family = await a_page(household)
    await family.becomes("joined")
    household.door.ring()
    await household.door.becomes("talking")


async def test_a_registration_that_the_server_lost_is_renewed_at_the_press(
    household: Household, server: DeployedServer
) -> None:
    await the_door(household)
    await until("the door joined", lambda: server.heard and server.heard[-1].get("user") == DOOR)
    server.forget(DOOR)
    family = await a_page(household)
    await family.becomes("joined")
    household.door.ring()
    await household.door.becomes("talking")
    await family.sees_moving_pictures()


async def test_errors_without_a_room_change_nothing(
    household: Household, server: DeployedServer
) -> None:
    await the_door(household)
    for _ in range(3):
        await server.tell_everybody(type="error", message="Unable to join the room.")
    family = await a_page(household)
    await family.becomes("joined")
    household.door.ring()
    await household.door.becomes("talking")
    assert household.door.output.count("Unable to join") == 1


async def test_the_door_leaves_after_a_call_and_joins_for_the_next(
    household: Household, server: DeployedServer
) -> None:
    await the_door(household)
    family = await a_page(household)
    await family.becomes("joined")
    household.door.ring()
    await household.door.becomes("talking")
    household.door.hang_up()
    await until("the door left", lambda: server.count("leave") == 1)
    await until("the door joined", lambda: server.heard[-1]["type"] == "join")
    assert server.heard[-1] == {"type": "join", "room": ROOM, "user": DOOR}
