"""The page on the real server: the room goes nowhere, and the words of others are only words."""

import json
import logging

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from homecall_pi.signaling.server import SignalingServer

from .conftest import ROOM, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MARKUP = "<img src=x onerror='document.title=`caught`'><b>Anna</b>"


@pytest_asyncio.fixture(loop_scope="session")
async def server():
    running = SignalingServer(host="127.0.0.1", port=0, rooms=[ROOM])
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def page(family):
    return family.page


async def enter(page, server):
    """Opens the family's link and gives a name."""
    await page.goto(f"http://127.0.0.1:{server.port}/?room={ROOM}")
    await page.fill("#name", MARKUP)
    await page.press("#name", "Enter")
    await until(page, "document.body.dataset.state === 'waiting'")


async def test_the_room_is_in_no_request_but_the_first(page, server, caplog):
    caplog.set_level(logging.DEBUG, "homecall_pi")
    requests = []
    page.on("request", lambda request: requests.append(request))
    await enter(page, server)
    assert len(requests) > 10
    for request in requests:
        assert "referer" not in await request.all_headers()
        assert (ROOM in request.url) == request.is_navigation_request()
    assert ROOM not in await page.title()
    assert ROOM not in caplog.text


async def test_names_and_messages_never_become_markup(page, server, door):
    await enter(page, server)
    async with connect(f"ws://127.0.0.1:{server.port}/signal") as line:
        await line.send(json.dumps({"type": "join", "room": ROOM, "user": MARKUP + "!"}))
        offer = {"type": "offer", "room": ROOM, "from": MARKUP + "!", "sdp": await door.offer()}
        await line.send(json.dumps(offer))
        await until(page, "document.body.dataset.state === 'ringing'")
    assert await page.locator("#caller").text_content() == MARKUP + "!"
    assert await page.locator("#own-name").text_content() == MARKUP
    assert await page.locator("img, b").count() == 0
    assert "caught" not in await page.title()
