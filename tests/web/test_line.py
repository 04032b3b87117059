"""The link, the name, and the line to the server that repairs itself."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import expect

from .conftest import ROOM

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_link_without_a_room_is_explained(family):
    for query in ["", "?room=", "?room=1234", f"?room={ROOM}x"]:
        await family.page.goto(family.board.url + "/" + query)
        await family.until_state("no-room")
        await expect(family.page.locator("h1:visible")).to_have_text("This link is incomplete")
    assert family.board.lines.empty()


async def test_the_name_is_asked_once(family):
    await family.page.goto(family.board.link)
    await family.until_state("name")
    await expect(family.page.locator("#name")).to_be_focused()
    await family.page.fill("#name", "  Бабушка ")
    await family.page.press("#name", "Enter")
    line = await family.board.line()
    assert await line.take("join") == {
        "type": "join",
        "room": ROOM,
        "user": "Бабушка",
        "withdrawals": True,
    }
    await family.until_state("waiting")
    await family.page.reload()
    again = await family.board.line()
    assert (await again.take("join"))["user"] == "Бабушка"


async def test_the_name_can_be_changed(family):
    line = await family.open("Anna")
    await family.page.click("#change-name")
    await family.until_state("name")
    await family.page.fill("#name", "Boris")
    await family.page.press("#name", "Enter")
    assert (await line.take("leave"))["user"] == "Anna"
    assert (await line.take("join"))["user"] == "Boris"
    await family.until_state("waiting")


async def test_a_ring_comes_before_a_name_being_changed(family, door):
    line = await family.open("Anna")
    await family.page.click("#change-name")
    await door.ring(line)
    await family.until_state("ringing")
    await family.page.click("#decline")
    await family.until_state("name")
    await family.page.click("#keep-name")
    await family.until_state("waiting")


async def test_a_lost_line_comes_back_and_joins(family):
    line = await family.open()
    await line.socket.close()
    await family.until_toast("trying again")
    again = await family.board.line()
    assert (await again.take("join"))["user"] == "Anna"
    await family.until_state("waiting")
    assert await family.data("line") == "up"


async def test_a_server_that_is_not_there_is_shown(family):
    line = await family.open()
    family.board.refusing = True
    await line.socket.close()
    await family.until_state("offline")
    assert await family.data("line") == "down"
    family.board.refusing = False
    await family.page.evaluate("dispatchEvent(new Event('online'))")
    await (await family.board.line()).take("join")
    await family.until_state("waiting")


async def test_replaced_elsewhere_waits_for_the_user(family):
    line = await family.open()
    await line.socket.close(4001, "replaced")
    await family.until_state("replaced")
    await expect(family.page.locator("#use-here")).to_be_focused()
    await family.page.evaluate("dispatchEvent(new Event('online'))")
    assert family.board.lines.empty()
    await family.page.click("#use-here")
    await (await family.board.line()).take("join")
    await family.until_state("waiting")


async def test_a_ring_goes_where_the_page_was_opened_but_a_call_stays(family, door):
    line = await family.open()
    await door.ring(line)
    await family.until_picture()
    await line.socket.close(4001, "replaced")
    await family.until_state("replaced")
    await door.until("visitors.at(-1).channel.readyState === 'closed'")
    await family.page.click("#use-here")
    line = await family.board.line()
    await door.ring(line)
    await family.page.click("#answer")
    await family.until_state("talking")
    await line.socket.close(4001, "replaced")
    await door.until_voice()
    assert await family.data("state") == "talking"
    await family.page.click("#hangup")
    await family.until_state("replaced")


SLOW_ANSWER = """
const { createAnswer } = RTCPeerConnection.prototype;
RTCPeerConnection.prototype.createAnswer = async function () {
  window.answering = this;
  await new Promise((done) => (window.proceed = done));
  return createAnswer.apply(this);
};
"""


async def test_an_offer_that_is_being_answered_is_left_to_where_the_page_was_opened(family, door):
    await family.page.add_init_script(SLOW_ANSWER)
    line = await family.open()
    await line.offer(await door.offer())
    await family.until("!!window.proceed")
    await line.socket.close(4001, "replaced")
    await family.until_state("replaced")
    await family.page.evaluate("proceed(); window.proceed = null")
    await family.until("answering.signalingState === 'closed'")
    await family.page.click("#use-here")
    line = await family.board.line()
    await line.take("join")
    await family.until_state("waiting")
    await line.offer(await door.offer())
    await family.until("!!window.proceed")
    await family.page.evaluate("proceed()")
    await door.accept(line)
    await family.until_state("ringing")
    assert "answer" not in [message["type"] for message in line.heard]


async def test_a_door_that_is_answered_already_learns_that_it_rings_elsewhere(family, door):
    line = await family.open()
    await line.offer(await door.offer())
    await family.until_state("ringing")
    answer = await line.take("answer")
    await line.socket.close(4001, "replaced")
    await family.until_state("replaced")
    await door.page.evaluate("sdp => visitor.accept(sdp)", answer["sdp"])
    await door.until("visitors.at(-1).pc.connectionState === 'connected'")
    await door.until("visitors.at(-1).channel.readyState === 'closed'")


async def test_a_full_room_is_told_and_tried_again(family):
    await family.page.clock.install()
    line = await family.open()
    await line.send(type="error", room=ROOM, message="room is full")
    await family.until_state("full")
    await family.page.clock.fast_forward(5_000)
    await line.take("join")
    await line.send(type="error", room=ROOM, message="room is still full")
    await line.send(type="error", message="both were heard")
    await family.until_toast("both were heard")
    await family.page.clock.fast_forward(5_000)
    await line.take("join")
    await family.page.clock.fast_forward(2_000)
    await family.until_state("waiting")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("room is not served here", "Ask for a new one"),
        ("Unable to join the room.", "does not let this page in"),
        ("server is full", "is busy"),
    ],
)
async def test_a_page_that_is_not_let_in_says_so_and_tries_again(family, said, shown):
    await family.page.clock.install()
    line = await family.open()
    await line.send(type="error", message=said)
    await family.until_toast(shown)
    await family.until_state("shut")
    await family.page.clock.fast_forward(5_000)
    await line.take("join")
    await family.page.clock.fast_forward(2_000)
    await family.until_state("waiting")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("too many messages", "was asked too much"),
        ("malformed message: not JSON", "did not understand"),
        ("message too large", "did not understand"),
    ],
)
async def test_what_servers_are_known_to_say_is_said_in_the_words_of_the_page(family, said, shown):
    line = await family.open()
    await line.send(type="error", message=said)
    await family.until_toast(shown)
    assert said not in await family.page.inner_text("#toasts")
    assert await family.data("state") == "waiting"


async def test_a_full_room_frees_itself_by_a_ring(family, door):
    line = await family.open()
    await line.send(type="error", message="Room is full.")
    await family.until_state("full")
    await door.ring(line)
    await family.until_state("ringing")
    await family.page.click("#decline")
    await family.until_state("waiting")


async def test_the_room_may_come_back_in_other_letters(family, door):
    line = await family.open()
    await line.send(type="offer", room=ROOM.upper(), sdp=await door.offer())
    await family.until_state("ringing")
    await expect(family.page.locator("#caller")).to_have_text("The door")


async def test_another_error_is_told_and_ends_nothing(family, door):
    line = await family.open()
    await door.ring(line)
    await family.page.click("#answer")
    await line.send(type="error", message="<b>odd</b>")
    await family.until_toast("<b>odd</b>")
    assert await family.data("state") == "talking"


NOTE_CONFIGURATIONS = """
  window.made = [];
  const plain = RTCPeerConnection;
  window.RTCPeerConnection = class extends plain {
    constructor(options) { super(options); this.options = options; made.push(this); }
  };
  window.used = () => made.find((connection) => connection.remoteDescription)?.options;
"""

WAIT_FOR_EVER = """
  const after = setTimeout;
  window.setTimeout = (act, delayMs) => delayMs === 1000 ? 0 : after(act, delayMs);
"""


async def test_servers_and_policy_come_from_the_server(family, door):
    servers = [{"urls": "turn:127.0.0.1:9", "username": "me", "credential": "x"}]
    family.board.config = {"iceServers": servers, "iceTransportPolicy": "relay"}
    await family.page.add_init_script(NOTE_CONFIGURATIONS)
    line = await family.open()
    await door.ring(line)
    await family.until_state("ringing")
    used = await family.page.evaluate("used()")
    assert (used["iceServers"], used["iceTransportPolicy"]) == (servers, "relay")


async def test_a_page_just_opened_reads_the_configuration_before_it_answers(family, door):
    servers = [{"urls": "stun:127.0.0.1:9"}]
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer_late(route: Any) -> None:
        asked.set()
        await may_answer.wait()
        await route.fulfill(json={"iceServers": servers})

    await family.page.route("**/config.json", answer_late)
    await family.page.add_init_script(NOTE_CONFIGURATIONS)
    await family.page.add_init_script(WAIT_FOR_EVER)
    line = await family.open()
    await asked.wait()
    await line.offer(await door.offer())
    assert await family.page.evaluate("used()") is None
    may_answer.set()
    await door.accept(line)
    await family.until_state("ringing")
    assert (await family.page.evaluate("used()"))["iceServers"] == servers


async def test_a_configuration_that_does_not_come_is_not_waited_for(family, door):
    await family.page.route("**/config.json", lambda route: None)
    line = await family.open()
    await door.ring(line)
    await family.until_picture()


@pytest.mark.parametrize("config", [None, [], {}, {"iceServers": [{"urls": "x:y"}]}])
async def test_a_useless_configuration_costs_no_ring(family, door, config):
    family.board.config = config
    line = await family.open()
    await door.ring(line)
    await family.until_picture()


async def test_a_useless_server_does_not_make_the_page_show_its_address(family, door):
    family.board.config = {"iceServers": [{"urls": "x:y"}], "iceTransportPolicy": "relay"}
    await family.page.add_init_script(NOTE_CONFIGURATIONS)
    line = await family.open()
    await door.ring(line)
    await family.until_state("ringing")
    assert (await family.page.evaluate("used()"))["iceTransportPolicy"] == "relay"


async def test_speaks_russian(browser, board):
    context = await browser.new_context(locale="ru-RU")
    page = await context.new_page()
    await page.goto(board.link)
    await expect(page.locator("h1:visible")).to_have_text("Как вас зовут?")
    assert await page.evaluate("document.documentElement.lang") == "ru"
    await context.close()


async def test_everything_fits_the_screen(family, door):
    line = await family.open("Maximiliane-Alexandra Konstantinopolskaya-Vorderhausbewohner")
    await fits(family.page, "#change-name")
    await door.ring(line)
    await fits(family.page, "#decline", "#answer")
    await family.page.click("#answer")
    await fits(family.page, "#mute", "#volume", "#fullscreen", "#hangup")


ANOTHER_MESSAGE = """() => {
  const message = document.querySelector(".toast").cloneNode();
  message.textContent = "Not verified: others may see and hear this conversation";
  document.querySelector("#toasts").append(message);
}"""
IS_FREE = """([left, right, top, bottom]) =>
  [...document.querySelectorAll(".toast")].every((toast) => {
    const box = toast.getBoundingClientRect();
    return box.right < left || box.left > right || box.bottom < top || box.top > bottom;
  })
"""


@pytest.mark.parametrize(("width", "height"), [(320, 480), (360, 640), (640, 360), (1280, 800)])
async def test_no_message_is_in_the_visitors_face(family, door, width, height):
    await family.page.set_viewport_size({"width": width, "height": height})
    line = await family.open()
    await door.ring(line)
    await family.until_picture()
    await family.page.evaluate(ANOTHER_MESSAGE)
    face = [0.4 * width, 0.6 * width, 0.4 * height, 0.6 * height]
    assert await family.page.evaluate(IS_FREE, face)
    await expect(family.page.locator(".toast:visible").last).to_contain_text("Not verified")


async def fits(page, *controls):
    for width, height in [(320, 568), (568, 320), (1280, 800)]:
        await page.set_viewport_size({"width": width, "height": height})
        for control in controls:
            await expect(page.locator(control)).to_be_in_viewport(ratio=1)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
