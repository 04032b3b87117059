"""Calls with a key in the link: honest ones are verified, and a server that lies gets nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from homecall_pi.config.link import new_key

from .conftest import Household
from .deployed import DeployedServer
from .household import ROOM, Family, until
from .lying import (
    LyingServer,
    Middleman,
    posing,
    retagged,
    seal_of,
    with_seal,
    without_seal,
)

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

KEY = new_key()
DOOR, PAGE = "Front door", "Anna"
ROUNDS = 2

Forge = Callable[[str, str, str, str], str]
"""Makes an answer of: the offer, the server's own answer, the family's, that of an earlier call."""

UNSEALED: dict[str, Forge] = {
    "its own answer": lambda offer, own, family, earlier: own,
    "the family's answer, posing": lambda offer, own, family, earlier: without_seal(
        posing(family, own)
    ),
    "an earlier answer, posing": lambda offer, own, family, earlier: without_seal(
        posing(retagged(earlier, offer), own)
    ),
}
SEALED: dict[str, Forge] = {
    "its own answer with the family's seal": lambda offer, own, family, earlier: with_seal(
        own, seal_of(family)
    ),
    "its own answer with the door's seal": lambda offer, own, family, earlier: with_seal(
        own, seal_of(offer)
    ),
    "the family's answer, posing": lambda offer, own, family, earlier: posing(family, own),
    "the family's answer, posing, sealed twice": lambda offer, own, family, earlier: with_seal(
        posing(family, own), seal_of(family)
    ),
    "the family's answer with a fingerprint more": lambda offer, own, family, earlier: (
        family.replace("a=fingerprint:", fingerprint(own) + "a=fingerprint:", 1)
    ),
    "the family's answer with a fingerprint for all": lambda offer, own, family, earlier: (
        family.replace("t=0 0\r\n", "t=0 0\r\n" + fingerprint(own), 1)
    ),
    "the family's answer with its picture's section": lambda offer, own, family, earlier: (
        "\r\nm=".join(
            mine if mine.startswith("video") else theirs
            for mine, theirs in zip(own.split("\r\nm="), family.split("\r\nm="), strict=True)
        )
    ),
    "an answer of an earlier call": lambda offer, own, family, earlier: retagged(earlier, offer),
    "the offer, reflected": lambda offer, own, family, earlier: posing(
        offer.replace("a=setup:active", "a=setup:passive"), own
    ),
}


def fingerprint(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return next(line for line in lines if line.startswith("a=fingerprint:"))


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    """A configuration with the key, which does not belong on a command line."""
    file = tmp_path / "key.toml"
    file.write_text(f'key = "{KEY}"\n')
    return str(file)


@pytest_asyncio.fixture(loop_scope="session")
async def liar(household: Household) -> AsyncIterator[LyingServer]:
    """The lying server, in place of ours."""
    liar = LyingServer()
    household.server.port = await liar.start()
    yield liar
    await liar.stop()


async def the_door(household: Household, key_file: str, *flags: str) -> None:
    await household.start("--config", key_file, *flags, with_server=False)
    await household.door.ready()


async def a_page(household: Household) -> Family:
    family = await household.page()
    await family.open(f"{household.server.link}#k={KEY}", PAGE)
    await family.becomes("waiting")
    return family


async def a_middleman(household: Household) -> Middleman:
    middleman = Middleman((await household.page()).page)
    await middleman.open()
    return middleman


async def test_an_honest_call_is_verified_on_both_sides(household: Household, key_file: str):
    await household.start("--config", key_file, "--verify", "require")
    family = await a_page(household)
    household.door.ring()
    await family.becomes("ringing")
    await family.sees_moving_pictures()
    await expect(family.page.locator("#verified")).to_be_visible()
    assert household.door.status.verified
    await family.page.click("#answer")
    await household.door.becomes("talking")
    await expect(family.page.locator("#verified")).to_be_visible()
    await until("the family is heard", lambda: household.door.status.audio_dbfs > -40)
    assert household.door.status.verified
    await family.page.click("#hangup")
    assert not (await household.door.becomes("idle")).verified
    assert KEY not in household.door.output + household.server.output


@pytest.mark.timeout(240)
@pytest.mark.parametrize("verify", ["require", "prefer"])
async def test_not_one_of_many_tampered_answers_gets_media(
    household: Household, liar: LyingServer, key_file: str, verify: str
):
    await the_door(household, key_file, "--verify", verify)
    await a_page(household)
    middleman = await a_middleman(household)
    liar.honest = False
    forges = [*SEALED.items(), *(UNSEALED.items() if verify == "require" else ())]
    _, earlier = await an_answer(household, liar)
    household.door.hang_up()
    for number, (name, forge) in enumerate(forges * ROUNDS, 1):
        offer, family = await an_answer(household, liar)
        own = await middleman.answer(offer)
        await liar.say("answer", forge(offer, own, family, earlier), to=DOOR, room=ROOM)
        await until(
            f"the door refuses: {name}",
            lambda number=number: household.door.output.count("refused an answer") == number,
        )
        earlier = family
        status = household.door.status
        assert (status.state, status.frames_sent, status.verified) == ("ringing", 0, False), name
        household.door.hang_up()
    assert await middleman.packets() == 0
    liar.honest = True
    household.door.ring()
    await until("the true answer is taken", lambda: household.door.status.verified)
    await until("pictures are sent", lambda: household.door.status.frames_sent > 0)
    assert await middleman.packets() == 0


async def an_answer(household: Household, liar: LyingServer) -> tuple[str, str]:
    """A ring and what the family's page answers, kept from the door."""
    household.door.ring()
    offer = await liar.kept("offer")
    await liar.say("offer", offer, to=PAGE, room=ROOM)
    return offer, await liar.kept("answer")


async def test_a_server_in_the_middle_is_refused_on_both_sides(
    household: Household, liar: LyingServer, key_file: str
):
    await the_door(household, key_file)
    page = await a_page(household)
    middleman = await a_middleman(household)
    liar.honest = False
    household.door.ring()
    offer = await liar.kept("offer")
    own = await middleman.offer()
    for forged in (
        posing(offer, own),
        with_seal(own, seal_of(offer)),
        offer.replace("a=fingerprint:", fingerprint(own) + "a=fingerprint:", 1),
        offer.replace("a=sendonly", "a=sendrecv"),
    ):
        await page.page.evaluate("document.querySelector('#refused').hidden = true")
        await liar.say("offer", forged, to=PAGE, room=ROOM)
        await expect(page.page.locator("#refused")).to_be_visible()
        assert await page.state() == "waiting"
    assert household.door.status.state == "ringing"


async def test_a_server_that_takes_the_seals_away_is_told_from_an_honest_one(
    household: Household, liar: LyingServer, key_file: str
):
    """The page warns; the door, which may not know pages without a key from it, takes the call."""
    await the_door(household, key_file)
    page = await a_page(household)
    liar.honest = False
    household.door.ring()
    offer = without_seal(await liar.kept("offer"))
    await liar.say("offer", offer, to=PAGE, room=ROOM)
    await expect(page.page.locator("#unverified")).to_be_visible()
    answer = await liar.kept("answer")
    await liar.say("answer", answer, to=DOOR, room=ROOM)
    await until("the door refuses", lambda: "refused an answer" in household.door.output)
    assert household.door.status.state == "ringing"
    await liar.say("answer", without_seal(answer), to=DOOR, room=ROOM)
    await page.sees_moving_pictures()
    assert not household.door.status.verified
    assert "(not verified)" in household.door.output


async def test_an_offer_that_is_played_again_shows_nothing(
    household: Household, liar: LyingServer, key_file: str
):
    await the_door(household, key_file)
    page = await a_page(household)
    liar.honest = False
    household.door.ring()
    offer = await liar.kept("offer")
    household.door.hang_up()
    await liar.say("offer", offer, to=PAGE, room=ROOM)
    await liar.say("answer", await liar.kept("answer"), to=DOOR, room=ROOM)
    await page.becomes("ringing")
    await page.page.click("#answer")
    await page.becomes("answering")
    await expect(page.page.locator("#verified")).to_be_hidden()
    status = household.door.status
    assert (status.state, status.frames_sent, status.audio_samples) == ("idle", 0, 0)


async def test_a_page_that_knows_only_the_protocol_gets_an_ordinary_call_where_that_is_allowed(
    household: Household, key_file: str
):
    server = DeployedServer()
    household.server.port = await server.start()
    await the_door(household, key_file, "--verify", "prefer")
    family = await household.page()
    await family.page.goto(household.server.link)
    await family.becomes("joined")
    household.door.ring()
    assert not (await household.door.becomes("talking")).verified
    await family.sees_moving_pictures()
    await until("the page is heard", lambda: household.door.status.audio_dbfs > -40)
    await server.stop()


async def test_it_gets_none_where_the_key_is_required(household: Household, key_file: str):
    server = DeployedServer()
    household.server.port = await server.start()
    await the_door(household, key_file, "--verify", "require")
    family = await household.page()
    await family.page.goto(household.server.link)
    await family.becomes("joined")
    household.door.ring()
    await until("the door refuses", lambda: "refused an answer" in household.door.output)
    assert household.door.status.state == "ringing"
    assert household.door.status.frames_sent == 0
    await server.stop()


RELEASE = ("--panel-source", "gpio", "--panel-led-pin", "-1", "--panel-relay-pin", "23")
MOCK_PINS = {"GPIOZERO_PIN_FACTORY": "mock"}


@pytest.mark.parametrize("answered", [False, True], ids=["preview", "talking"])
async def test_a_verified_page_opens_the_door(household: Household, key_file: str, answered: bool):
    flags = ("--config", key_file, *RELEASE, "--panel-relay-s", "1")
    await household.start(*flags, environment=MOCK_PINS)
    await until("the release works", lambda: household.door.status.door == "closed")
    family = await a_page(household)
    household.door.ring()
    await family.becomes("ringing")
    if answered:
        await family.page.click("#answer")
        await household.door.becomes("talking")
    button = family.page.locator("#release")
    await expect(button).to_have_text("Open the door")
    # In one go, since the second touch must come within seconds, and the door is open for one; a
    # double click would not do.
    touches = button.evaluate(
        """button => new Promise(done => {
          const told = [];
          new MutationObserver(() => {
            told.push(button.dataset.release);
            if (told.includes("open") && told.at(-1) === "closed") done(told);
          }).observe(button, { attributeFilter: ["data-release"] });
          button.click();
          setTimeout(() => button.click(), 600);
        })"""
    )
    opening = asyncio.create_task(touches)
    await until("the door is open", lambda: household.door.status.door == "open")
    assert await opening == ["sure", "asked", "open", "closed"]
    await expect(button).to_have_text("Open the door")
    assert household.door.status.door == "closed"
    assert "Anna opens the door" in household.door.output
    assert household.door.status.state == ("talking" if answered else "ringing")


async def test_nobody_else_opens_the_door(household: Household, key_file: str):
    await household.start("--config", key_file, *RELEASE, environment=MOCK_PINS)
    await until("the release works", lambda: household.door.status.door == "closed")
    family = await household.page()
    await family.page.add_init_script(
        """const open = RTCPeerConnection.prototype.createDataChannel;
        RTCPeerConnection.prototype.createDataChannel = function (...args) {
          return (window.channel = open.apply(this, args));
        };"""
    )
    await family.open(household.server.link, PAGE)
    await family.becomes("waiting")
    await household.ring_and_answer(family)
    await expect(family.page.locator("#release")).to_be_hidden()
    await family.page.evaluate("channel.send(JSON.stringify({ type: 'release' }))")
    await until("it is told", lambda: "is not verified and may not open" in household.door.output)
    assert household.door.status.door == "closed"
    assert "opens the door" not in household.door.output
