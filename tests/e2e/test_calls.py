"""Calls as people make them, from the press to the last word."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from websockets.asyncio.client import connect

from homecall_pi.hardware import clip

from .. import sound
from .conftest import PITCH_HZ, Household
from .holdings import at_rest
from .household import ROOM, Family, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

FULL_PICTURE = ("--camera-width=1280", "--camera-height=720", "--camera-fps=30")
"""The default."""
CALLS = 20


async def test_a_ring_shows_and_sounds_the_visitor_before_anybody_answers(
    household: Household,
) -> None:
    await household.start()
    family = await household.waiting_page()
    household.door.ring()
    await family.becomes("ringing")
    await family.sees_moving_pictures()
    heard = sound.decode(await family.records_sound(6))
    assert sound.dbfs(heard) > -40
    said = sound.decode(clip.MEDIA / "speech.ogg")
    assert sound.similarity(heard, said) > sound.SAME_SPEECH
    status = household.door.status
    assert status.state == "ringing"
    assert status.audio_samples == 0, "the family was heard before it answered"
    assert await family.page.evaluate("document.body.dataset.mic") == "off"


async def test_the_family_is_heard_at_the_door_after_it_answered(household: Household) -> None:
    await household.start()
    family = await household.talking()
    await until("three seconds of voice", lambda: household.door.status.audio_samples > 3 * 48_000)
    assert household.door.status.audio_dbfs > -40
    await family.page.click("#hangup")
    await household.door.becomes("idle")
    heard = sound.decode(household.door.heard)
    assert sound.loudest_pitch(heard[-2 * sound.RATE :]) == pytest.approx(PITCH_HZ, rel=0.02)


async def test_a_declined_ring_ends_at_once(household: Household) -> None:
    await household.start()
    family = await household.waiting_page()
    household.door.ring()
    await family.becomes("ringing")
    await family.sees_moving_pictures()
    await family.page.click("#decline")
    assert (await household.door.becomes("idle")).last_reason == "declined"
    await family.becomes("waiting")


async def test_the_family_hangs_up(household: Household) -> None:
    await household.start()
    family = await household.talking()
    await family.page.click("#hangup")
    assert (await household.door.becomes("idle")).last_reason == "hung-up"
    await family.becomes("waiting")


async def test_the_door_hangs_up(household: Household) -> None:
    await household.start()
    family = await household.talking()
    assert household.door.hang_up().state == "idle"
    await family.becomes("waiting")


async def test_a_ring_that_nobody_answers_ends_on_both_sides(household: Household) -> None:
    await household.start("--call-ring-s", "3")
    family = await household.waiting_page()
    household.door.ring()
    await family.becomes("ringing")
    assert (await household.door.becomes("idle")).last_reason == "no-answer"
    await family.becomes("waiting")


async def test_a_call_has_a_maximum_length(household: Household) -> None:
    await household.start("--call-talk-s", "2")
    family = await household.talking()
    assert (await household.door.becomes("idle")).last_reason == "too-long"
    await family.becomes("waiting")


async def test_a_page_opened_after_the_press_shows_the_visitor(household: Household) -> None:
    await household.start()
    household.door.ring()
    family = await household.page()
    await family.open(household.server.link)
    await family.becomes("ringing")
    await family.sees_moving_pictures()
    await family.page.click("#answer")
    await household.door.becomes("talking")


async def test_a_page_reloaded_while_it_rings_shows_the_visitor_again(
    household: Household,
) -> None:
    await household.start()
    family = await household.waiting_page()
    household.door.ring()
    await family.becomes("ringing")
    await family.sees_moving_pictures()
    await family.page.reload()
    await family.becomes("ringing")
    await family.sees_moving_pictures()
    assert household.door.status.calls == 1


async def test_it_rings_where_the_page_was_opened_last(household: Household) -> None:
    await household.start()
    first = await household.waiting_page()
    household.door.ring()
    await first.becomes("ringing")
    second = await household.page()
    await second.open(household.server.link)
    await second.becomes("ringing")
    await second.sees_moving_pictures()
    await first.becomes("replaced")
    await second.page.click("#answer")
    await household.door.becomes("talking")
    assert household.door.status.calls == 1


async def test_a_page_reloaded_in_a_call_ends_it_and_waits_for_the_next(
    household: Household,
) -> None:
    await household.start()
    family = await household.talking()
    await family.page.reload()
    await household.door.becomes("idle")
    await family.becomes("waiting")
    await household.ring_and_answer(family)
    await family.sees_moving_pictures()


async def test_a_page_that_is_closed_in_a_call_ends_it(household: Household) -> None:
    await household.start()
    family = await household.talking()
    await family.page.close()
    await household.door.becomes("idle")


async def test_two_rings_in_a_row_both_reach_the_family(household: Household) -> None:
    await household.start()
    family = await household.waiting_page()
    for _ in range(2):
        await household.ring_and_answer(family)
        await family.sees_moving_pictures()
        household.door.hang_up()
        await family.becomes("waiting")
    assert household.door.status.calls == 2


async def test_a_second_press_while_it_rings_does_not_start_another_call(
    household: Household,
) -> None:
    await household.start()
    family = await household.waiting_page()
    household.door.ring()
    await family.becomes("ringing")
    assert household.door.ring().calls == 1
    await family.sees_moving_pictures()


async def test_a_door_that_died_while_it_rang_rings_nobody_when_it_is_back(
    household: Household,
) -> None:
    await household.start()
    household.door.ring()
    await household.door.becomes("ringing")
    assert await is_called(household)
    household.door.kill()
    household.door.start()
    await household.door.ready()
    async with asyncio.timeout(5):
        while await is_called(household):
            await asyncio.sleep(0.1)
    assert household.door.status.state == "idle"


async def is_called(household: Household) -> bool:
    """Whether somebody who joins now is given an offer."""
    name = secrets.token_hex(4)
    async with connect(f"ws://localhost:{household.server.port}/signal") as visitor:
        await visitor.send(f'{{"type":"join","room":"{ROOM}","user":"{name}"}}')
        # A server answers what it gets in its order: an error, after the offer that there may be.
        await visitor.send("what is said last")
        called = '"offer"' in str(await visitor.recv())
        await visitor.send(f'{{"type":"leave","room":"{ROOM}","user":"{name}"}}')
        return called


async def test_a_press_without_a_server_goes_out_when_the_server_comes(
    household: Household,
) -> None:
    await household.start(with_server=False)
    await household.door.becomes("offline")
    assert household.door.ring().state in {"offering", "ringing"}
    await household.start_server()
    family = await household.page()
    await family.open(household.server.link)
    await family.becomes("ringing")
    await family.sees_moving_pictures()


async def test_a_server_that_restarts_in_a_call_does_not_end_it(household: Household) -> None:
    await household.start()
    family = await household.talking()
    household.server.kill()
    await until("the door misses the server", lambda: household.door.status.line == "down")
    await family.sees_moving_pictures()
    await household.start_server()
    await household.door.ready()
    assert household.door.status.state == "talking"
    await family.page.click("#hangup")
    await household.door.becomes("idle")


async def test_a_door_that_restarts_is_not_locked_out_by_two_pages(household: Household) -> None:
    await household.start()
    first = await household.waiting_page()
    second = await household.page()
    await second.open(household.server.link, name="Boris")
    await second.becomes("full")
    household.door.stop()
    await second.becomes("waiting")
    household.door.start()
    await household.door.ready()
    await second.becomes("full")
    household.door.ring()
    await first.becomes("ringing")
    await first.sees_moving_pictures()


async def test_a_family_without_a_microphone_sees_and_hears(household: Household) -> None:
    await household.start()
    family = await household.page(microphone=False)
    await family.open(household.server.link)
    await family.becomes("waiting")
    await household.ring_and_answer(family)
    await family.page.wait_for_selector("body[data-mic=denied]", state="attached")
    await family.sees_moving_pictures()


@pytest.mark.timeout(300)
async def test_many_calls_leave_nothing_behind(household: Household) -> None:
    """Tasks, threads, files and memory of the daemon after the third call and after the last."""
    await household.start(*FULL_PICTURE)
    family = await household.waiting_page()
    after: list[dict[str, int]] = []
    for _ in range(CALLS):
        await one_good_call(household, family)
        after.append(await at_rest(household.door))
    assert household.door.status.calls == CALLS
    for kind in ("tasks", "threads", "files"):
        assert after[-1][kind] <= max(row[kind] for row in after[:3]), (kind, after)
    assert after[-1]["rss"] - after[2]["rss"] < 5_000_000, [row["rss"] // 1000 for row in after]


async def one_good_call(household: Household, family: Family) -> None:
    await household.ring_and_answer(family)
    await family.sees_moving_pictures()
    await until("the family is heard", lambda: household.door.status.audio_dbfs > -40)
    await family.hears_sound()
    await family.page.click("#hangup")
    await household.door.becomes("idle")
    await family.becomes("waiting")
