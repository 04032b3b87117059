"""Offers that come early, twice, at once, again or broken."""

import pytest

from .conftest import ROOM

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_the_same_offer_again_changes_nothing(family, door):
    line = await family.open()
    offer = await door.offer()
    await line.offer(offer)
    first = await door.accept(line)
    await family.until_picture()
    await line.offer(offer)
    # Another offer's answer comes after anything the repeated one could have caused.
    await line.offer(await door.offer_again())
    assert await door.accept(line) != first
    assert [message["type"] for message in line.heard if message["type"] == "answer"] == []
    assert await family.data("state") == "ringing"


async def test_an_answer_that_was_lost_is_given_again(family, door):
    line = await family.open()
    offer = await door.offer()
    await line.offer(offer)
    lost = await line.take("answer")
    await line.take("candidate")
    await line.offer(offer)
    assert await door.accept(line) == lost["sdp"]
    await line.take("candidate")
    await family.until_picture()
    await family.page.click("#answer")
    await door.until_heard("answered")


async def answered_in_vain(family, door):
    """In a call, another offer whose answer goes nowhere: the line, the offer, the answer."""
    line = await family.open()
    await door.ring(line)
    await family.page.click("#answer")
    await door.until_heard("answered")
    offer = await door.offer()
    await line.offer(offer)
    return line, offer, (await line.take("answer"))["sdp"]


async def test_an_answer_that_was_lost_in_a_call_is_given_again(family, door):
    line, offer, lost = await answered_in_vain(family, door)
    await line.offer(offer)
    assert await door.accept(line) == lost
    await door.until_heard("answered")
    await door.until_voice()


async def test_an_offer_whose_connection_was_given_up_is_answered_by_another(family, door):
    await family.page.clock.install()
    _, offer, first = await answered_in_vain(family, door)
    await family.page.clock.fast_forward(20_100)
    await family.until("!document.querySelector('#link-note').hidden")
    line = await family.board.line()
    await line.take("join")
    await line.offer(offer)
    second = (await line.take("answer"))["sdp"]
    assert fingerprint(second) != fingerprint(first)


async def test_a_line_that_may_have_swallowed_the_answer_is_made_anew(family, door):
    await family.page.clock.install()
    line = await family.open()
    offer = await door.offer()
    await line.offer(offer)
    lost = await line.take("answer")
    await family.until_state("ringing")
    family.board.opening.clear()
    await family.page.clock.fast_forward(5_100)
    # It keeps its seat until it has another: somebody may wait for it.
    await line.send(type="error", room=ROOM, message="still here")
    await family.until_toast("still here")
    family.board.opening.set()
    other = await family.board.line()
    await other.take("join")
    await line.socket.wait_closed()
    await other.offer(offer)
    assert await door.accept(other) == lost["sdp"]
    await family.until_picture()


async def test_renegotiation_goes_on_with_the_same_connection(family, door):
    line = await family.open()
    first = await door.ring(line)
    await family.page.click("#answer")
    await door.until_voice()
    await line.offer(await door.offer_again())
    second = await door.accept(line)
    assert fingerprint(first) == fingerprint(second)
    assert "a=x-homecall:1" in second
    assert await family.data("state") == "talking"


async def test_a_new_connection_of_the_door_continues_an_answered_call(family, door):
    line = await family.open()
    await door.ring(line)
    await family.page.click("#answer")
    await family.page.click("#mute")
    await door.until_heard("answered")
    await door.ring(line)
    await door.until_heard("answered")
    assert await family.data("state") == "talking"
    assert await family.data("mic") == "muted"
    await family.page.click("#mute")
    await door.until_voice()
    await family.until_picture()
    await family.page.click("#hangup")
    await door.until_heard("answered", "hung-up")


async def test_a_new_connection_while_ringing_keeps_ringing(family, door):
    line = await family.open()
    await door.ring(line)
    await family.until_state("ringing")
    await door.ring(line)
    assert await family.data("state") == "ringing"
    await family.page.click("#answer")
    await door.until_heard("answered")


async def test_of_two_offers_at_once_the_newest_wins(family, door):
    line = await family.open()
    stale, fresh = await door.offer(), await door.offer(control=False)
    await line.offer(stale)
    await line.offer(fresh)
    # The stale one may or may not have been answered before the fresh one arrived.
    answer = (await line.take("answer"))["sdp"]
    if "x-homecall" in answer:
        answer = (await line.take("answer"))["sdp"]
    await door.page.evaluate("sdp => visitor.accept(sdp)", answer)
    await family.until_picture()
    assert await family.data("state") == "ringing"


async def test_candidates_may_come_before_their_offer(family, door):
    line = await family.open()
    offer = await door.offer()
    lines = offer.split("\r\n")
    candidates = [text for text in lines if text.startswith("a=candidate:")]
    bare = "\r\n".join(text for text in lines if not text.startswith("a=candidate:"))
    stale = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag nobody", "sdpMid": "a0"}
    for candidate in [{"candidate": text[2:], "sdpMid": "a0"} for text in candidates] + [stale]:
        await line.send(type="candidate", room=ROOM, candidate=candidate, **{"from": "door"})
    await line.offer(bare)
    await door.accept(line)
    await family.until_picture()


async def test_a_broken_offer_is_told_and_the_next_one_rings(family, door):
    line = await family.open()
    await line.offer("v=0\r\nnonsense")
    await family.until_toast("cannot answer")
    assert await family.data("state") == "waiting"
    await door.ring(line)
    await family.until_state("ringing")


async def test_what_is_not_for_us_is_ignored(family, door):
    line = await family.open()
    await line.send(type="answer", room=ROOM, sdp="v=0\r\n", **{"from": "door"})
    await line.send(type="offer", room=ROOM, sdp=None)
    await line.send(type="candidate", room=ROOM, candidate=None)
    await line.send(type="dance")
    await line.send(type="offer", room="another", sdp=await door.offer())
    await line.socket.send("not json")
    await line.socket.send("[]")
    await line.send(type="error", message="the last one")
    await family.until_toast("the last one")
    assert await family.data("state") == "waiting"
    assert line.heard == []


async def test_an_offer_without_the_section_of_the_channel_gets_no_channel(family, door):
    line = await family.open()
    offer = (await door.offer(control=False)).replace("m=", "a=x-homecall:1\r\nm=", 1)
    await line.offer(offer)
    assert "x-homecall" not in (await line.take("answer"))["sdp"]


def fingerprint(sdp):
    return next(text for text in sdp.split("\r\n") if text.startswith("a=fingerprint"))
