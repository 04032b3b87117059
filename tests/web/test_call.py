"""A ring, seen from the family's page: who is there, answering, talking, hanging up."""

import pytest
from playwright.async_api import expect

from .conftest import ROOM

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def talk(family, door, **options):
    """Opens the page, rings, answers; returns the page's line."""
    line = await family.open()
    await door.ring(line, **options)
    await family.page.click("#answer")
    await family.until_state("talking")
    return line


async def test_shows_who_is_there_before_answering(family, door):
    line = await family.open()
    await door.ring(line, sender="Дверь <b>1</b>")
    await family.until_state("ringing")
    await family.until_picture()
    await expect(family.page.locator("#caller")).to_have_text("Дверь <b>1</b>")
    await expect(family.page.locator("#answer")).to_be_focused()
    await family.until("!document.querySelector('#sound').paused")
    assert await family.data("mic") == "off"
    assert await door.page.evaluate("visitor.heardEnergy()") == 0


async def test_the_answer_goes_out_before_any_candidate_and_accepts_the_control_channel(
    family, door
):
    line = await family.open()
    await line.offer(await door.offer())
    await line.take("candidate")
    answer = await line.take("answer")
    assert answer["from"] == "Anna"
    assert answer["room"] == ROOM
    assert answer["sdp"].split("m=")[0].endswith("a=x-homecall:1\r\n")
    assert "a=sendrecv" in answer["sdp"].split("m=")[1]
    assert "a=candidate" not in answer["sdp"]


async def test_candidates_are_those_of_a_browser(family, door):
    line = await family.open()
    await line.offer(await door.offer())
    message = await line.take("candidate")
    assert message["room"] == ROOM
    assert message["from"] == "Anna"
    assert message["candidate"]["candidate"].startswith("candidate:")
    assert message["candidate"]["sdpMid"] == "a0"
    assert message["candidate"]["sdpMLineIndex"] == 0


async def test_answering_by_key_sends_the_voice_and_says_so(family, door):
    line = await family.open()
    await door.ring(line)
    await family.until_state("ringing")
    await expect(family.page.locator("#answer")).to_be_focused()
    await family.page.keyboard.press("Enter")
    await family.until_state("talking")
    await door.until_heard("answered")
    await door.until_voice()
    assert await family.data("mic") == "on"
    await expect(family.page.locator("#elapsed")).to_have_text("0:01")


@pytest.mark.parametrize("way", ["click", "Escape"])
async def test_declining_says_so_and_waits_again(family, door, way):
    line = await family.open()
    await door.ring(line)
    await family.until_state("ringing")
    if way == "click":
        await family.page.click("#decline")
    else:
        await family.page.keyboard.press(way)
    await family.until_state("waiting")
    await door.until_heard("declined")
    assert (await line.take("leave"))["user"] == "Anna"
    assert (await line.take("join"))["user"] == "Anna"
    assert await family.page.evaluate("document.querySelector('#picture').srcObject") is None


async def test_declining_before_the_channel_is_open_still_says_so(family, door):
    line = await family.open()
    await line.offer(await door.offer())
    await family.until_state("ringing")
    await family.page.click("#decline")
    await family.until_state("waiting")
    await door.accept(line)
    await door.until_heard("declined")


async def test_hanging_up_says_so_and_lets_the_microphone_go(family, door):
    await family.page.add_init_script(
        """const take = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (what) => (window.taken = await take(what));"""
    )
    line = await talk(family, door)
    await family.until("document.body.dataset.mic === 'on'")
    await family.page.click("#hangup")
    await family.until_state("waiting")
    await door.until_heard("answered", "hung-up")
    await line.take("leave")
    await line.take("join")
    assert await family.data("mic") == "off"
    assert await family.page.evaluate("taken.getTracks()[0].readyState") == "ended"


async def test_who_answers_before_the_connection_stands_is_told_so(family, door):
    line = await family.open()
    await line.offer(await door.offer())
    await family.until_state("ringing")
    await family.page.click("#answer")
    await family.until_state("answering")
    await family.until_toast("Connecting…")
    await expect(family.page.locator("#call-line [data-in=answering]")).to_be_visible()
    await expect(family.page.locator("#call-line [data-in=ringing]")).to_be_hidden()
    await expect(family.page.locator("#elapsed")).to_be_empty()
    await door.accept(line)
    await family.until_state("talking")
    await family.until_toast("You can talk now")
    await door.until_heard("answered")
    await door.until_voice()
    await expect(family.page.locator("#elapsed")).to_have_text("0:01")


async def test_an_answer_that_never_connects_ends_in_the_truth(family, door):
    await family.page.clock.install()
    line = await family.open()
    await line.offer(await door.offer())
    await family.until_state("ringing")
    await family.page.click("#answer")
    await family.until_state("answering")
    await family.page.clock.fast_forward(20_100)
    await family.until_state("waiting")
    await family.until_toast("The connection to the door failed")
    assert await family.data("mic") == "off"


async def test_who_hangs_up_before_the_connection_stands_waits_again(family, door):
    line = await family.open()
    await line.offer(await door.offer())
    await family.until_state("ringing")
    await family.page.click("#answer")
    await family.until("document.body.dataset.mic === 'on'")
    await family.page.click("#hangup")
    await family.until_state("waiting")
    assert await family.data("mic") == "off"
    await door.accept(line)
    await door.until_heard("answered", "hung-up")


async def test_a_visitor_who_rings_anew_before_the_connection_stands_is_not_answered_yet(
    family, door
):
    line = await family.open()
    await line.offer(await door.offer())
    await family.until_state("ringing")
    await family.page.click("#answer")
    await family.until_state("answering")
    await line.take("answer")
    await door.ring(line, call="b")
    await family.until_state("ringing")
    assert await family.data("mic") == "off"
    await family.until_picture()


async def test_the_keyboard_stays_where_it_is_when_the_connection_stands(family, door):
    line = await family.open()
    await line.offer(await door.offer())
    await family.until_state("ringing")
    await family.page.click("#answer")
    await family.until_state("answering")
    await family.page.focus("#hangup")
    await door.accept(line)
    await family.until_state("talking")
    await expect(family.page.locator("#hangup")).to_be_focused()


WITHDRAWN = {"type": "error", "room": ROOM, "message": "the call was withdrawn"}


async def test_a_ring_that_is_withdrawn_stops_at_once(family, door):
    line = await family.open()
    await line.offer(await door.offer())
    await family.until_state("ringing")
    await line.send(**WITHDRAWN)
    await family.until_state("waiting")
    await family.until_toast("A ring was missed")
    await expect(family.page.locator("#missed")).to_be_visible()


async def test_a_servers_word_ends_no_call_that_stands(family, door):
    line = await family.open()
    await door.ring(line)
    await family.until_picture()
    await line.send(**WITHDRAWN)
    await line.send(type="error", room=ROOM, message="and then")
    await family.until_toast("and then")
    assert await family.data("state") == "ringing"


async def test_a_call_that_is_lost_is_over_when_the_door_leaves(family, door):
    line = await lose(family, door)
    await line.send(**WITHDRAWN)
    await family.until_state("waiting")
    assert await family.data("mic") == "off"


async def test_an_offer_that_is_withdrawn_at_once_takes_no_call_over(family, door):
    line = await family.open()
    await door.ring(line)
    await family.until_picture()
    await line.offer(await door.offer())
    await line.send(**WITHDRAWN)
    await line.send(type="error", room=ROOM, message="and then")
    await family.until_toast("and then")
    await family.until_picture()
    assert not await family.page.is_visible("#link-note")
    assert [message for message in line.heard if message["type"] == "answer"] == []


async def test_the_next_ring_rings_after_a_call(family, door):
    line = await talk(family, door)
    await family.page.click("#hangup")
    await family.until_state("waiting")
    await door.ring(line, call="b")
    await family.until_state("ringing")
    await family.until_picture()


@pytest.mark.parametrize(
    ("reason", "toast"),
    [
        ("hung-up", "The door has hung up"),
        ("odd", "The call has ended"),
    ],
)
async def test_the_door_ends_the_call(family, door, reason, toast):
    await talk(family, door)
    await door.end(reason)
    await family.until_state("waiting")
    await family.until_toast(toast)


async def test_a_ring_that_nobody_answered_leaves_a_note(family, door):
    line = await family.open()
    await door.ring(line)
    await family.until_state("ringing")
    await door.end("no-answer")
    await family.until_state("waiting")
    await expect(family.page.locator("#missed")).to_be_visible()
    await door.ring(line)
    await family.until_state("ringing")
    await family.page.click("#decline")
    await expect(family.page.locator("#missed")).to_be_hidden()


async def test_a_vanished_connection_ends_the_call(family, door):
    await talk(family, door, control=False)
    await family.until_picture()
    await door.page.evaluate("visitors.at(-1).pc.close()")
    await family.until_state("waiting")


async def lose(family, door):
    """The door's connection goes without a word. Returns the page's new line."""
    await talk(family, door)
    await door.until_voice()
    await door.page.evaluate("visitors.at(-1).pc.close()")
    await family.until("!document.querySelector('#link-note').hidden")
    line = await family.board.line()
    await line.take("join")
    return line


async def test_a_door_that_went_without_a_word_may_come_back(family, door):
    line = await lose(family, door)
    assert await family.data("state") == "talking"
    await line.offer(await door.offer())
    await line.take("answer")  # which the door does not get yet
    assert await family.page.is_visible("#link-note")
    await door.ring(line)
    await door.until_heard("answered")
    await door.until_voice()
    await family.until("document.querySelector('#link-note').hidden")
    await family.until_toast("The call goes on")
    assert await family.data("state") == "talking"
    assert await family.data("mic") == "on"


async def test_a_door_that_comes_back_after_the_end_hears_of_it(family, door):
    line = await lose(family, door)
    await family.page.click("#hangup")
    await family.until_state("waiting")
    await line.offer(await door.offer())
    await door.accept(line)
    await door.until_heard("hung-up")
    assert await family.data("state") == "waiting"


async def test_a_door_that_has_given_the_call_up_rings_anew(family, door):
    line = await lose(family, door)
    await expect(family.page.locator("#elapsed")).not_to_be_empty()
    await door.ring(line, call="b")
    await family.until_state("ringing")
    await family.until_picture()
    await expect(family.page.locator("#elapsed")).to_be_empty()
    assert await family.data("mic") == "off"
    await family.page.click("#answer")
    await door.until_heard("answered")
    await door.until_voice()


async def test_another_door_goes_on_with_the_call(family, door):
    line = await lose(family, door)
    await door.ring(line, control=False, call="b")
    await door.until_voice()
    assert await family.data("state") == "talking"


async def test_a_door_that_does_not_come_back_is_given_up(family, door):
    await family.page.clock.install()
    await lose(family, door)
    await family.page.clock.fast_forward(61_000)
    await family.until_state("waiting")


async def test_silence_is_noticed_and_so_is_its_end(family, door):
    await talk(family, door)
    await family.until_picture()
    await door.page.evaluate("visitor.sends(false)")
    await family.until("!document.querySelector('#link-note').hidden")
    line = await family.board.line()  # the other may be as dead
    await line.take("join")
    told = family.page.locator("#toasts")
    await expect(told).to_have_text("Bad connection, please wait…")
    await door.page.evaluate("visitor.sends(true)")
    await family.until("document.querySelector('#link-note').hidden")
    assert await family.data("state") == "talking"


async def test_a_peer_without_the_control_channel_hears_and_is_left(family, door):
    line = await family.open()
    answer = await door.ring(line, control=False)
    assert "x-homecall" not in answer
    await family.page.click("#answer")
    await door.until_voice()
    await family.page.click("#hangup")
    await family.until_state("waiting")
    await line.take("leave")
    await line.take("join")
    await door.until("visitors.at(-1).pc.getReceivers()[0].transport.state === 'closed'")


async def test_mute_and_volume(family, door):
    await talk(family, door)
    await door.until_voice()
    await family.page.click("#mute")
    assert await family.data("mic") == "muted"
    await expect(family.page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await family.page.click("#mute")
    assert await family.data("mic") == "on"
    await family.page.fill("#volume", "30")
    assert await family.page.evaluate("document.querySelector('#sound').volume") == 0.3


async def test_a_denied_microphone_leaves_a_call_to_listen_to_and_can_be_retried(family, door):
    await family.page.add_init_script(
        """const take = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        window.denied = true;
        navigator.mediaDevices.getUserMedia = async (what) => {
          if (denied) throw new DOMException("no", "NotAllowedError");
          return take(what);
        };"""
    )
    await talk(family, door)
    await door.until_heard("answered")
    await family.until("document.body.dataset.mic === 'denied'")
    await family.until_toast("No microphone")
    assert await family.data("state") == "talking"
    await family.page.evaluate("denied = false")
    await family.page.click("#mute")
    await door.until_voice()
    assert await family.data("mic") == "on"


async def test_full_screen(family, door):
    await talk(family, door)
    await family.page.click("#fullscreen")
    await family.until("document.fullscreenElement !== null")
    await family.page.click("#hangup")
    await family.until("document.fullscreenElement === null")


async def test_sound_starts_with_the_first_touch(family, door):
    await family.open()
    await family.page.reload()
    line = await family.board.line()
    await door.ring(line)
    await family.until_state("ringing")
    await expect(family.page.locator("#unblock-sound")).to_be_visible()
    await family.page.mouse.click(5, 300)
    await expect(family.page.locator("#unblock-sound")).to_be_hidden()
    await family.until("!document.querySelector('#sound').paused")
    assert await family.data("state") == "ringing"


async def test_the_title_rings_and_names_no_room(family, door):
    line = await family.open()
    calm = await family.page.title()
    await door.ring(line)
    await family.until("document.title.includes('Somebody is at the door')")
    await family.page.click("#decline")
    await family.until(f"document.title === '{calm}'")


async def test_leaving_the_page_ends_the_call(family, door):
    line = await talk(family, door)
    await door.until_heard("answered")
    await family.page.goto("about:blank")
    await line.take("leave")
    await door.until("visitors.at(-1).channel.readyState !== 'open'")


async def test_a_call_outlives_the_line(family, door):
    line = await talk(family, door)
    await door.until_voice()
    await line.socket.close()
    again = await family.board.line()
    await again.take("join")
    assert await family.data("state") == "talking"
    await family.page.click("#hangup")
    await door.until_heard("answered", "hung-up")
    await again.take("leave")
    await again.take("join")
