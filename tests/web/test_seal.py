"""A link with a key: the page knows its own door, and whoever comes between."""

import base64
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from homecall_pi.core import seal
from homecall_pi.core.seal import Proof

from .conftest import ROOM

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "seal.json").read_text())
KEY = VECTORS["key"]
KEY_BYTES = base64.urlsafe_b64decode(KEY + "==")
FRAGMENT = f"#k={KEY}"


def sealed(offer, *, role="offer", room=ROOM):
    return seal.seal(KEY_BYTES, role, room, offer)


async def ring(line, door):
    """A ring of the family's own door. Returns its offer and the page's answer."""
    offer = sealed(await door.offer())
    await line.offer(offer)
    return offer, await door.accept(line)


@pytest.fixture
def verified(family):
    return expect(family.page.locator("#verified"))


@pytest.fixture
def unverified(family):
    return expect(family.page.locator("#unverified"))


async def run(page, function, *arguments):
    """Evaluates `(Seal, ...args) => result`, with the page's class."""
    return await page.evaluate(
        "async ([text, args]) => eval(text)((await import('/seal.js')).Seal, ...args)",
        [function, list(arguments)],
    )


async def test_the_vectors_hold_in_the_browser(door_page):
    found = await run(
        door_page,
        """(Seal, { key, room, offers }) => {
          const seal = new Seal(key, room.toUpperCase());
          return Promise.all(offers.map(({ sdp }) => seal.check(sdp)));
        }""",
        VECTORS,
    )
    differing = [
        row["what"]
        for row, word in zip(VECTORS["offers"], found, strict=True)
        if row["proof"] != word
    ]
    assert differing == []


async def test_answers_are_sealed_as_in_the_vectors(door_page):
    answer = await run(
        door_page,
        """(Seal, { key, room, offer, answer }) =>
          new Seal(key, room).answer(offer.sealed, answer.sdp)""",
        VECTORS,
    )
    assert answer == VECTORS["answer"]["sealed"]


async def test_without_a_key_nothing_is_sealed(door_page):
    found = await run(
        door_page,
        """async (Seal, { room, offer, answer }) => {
          const seal = new Seal("", room);
          return [
            await seal.check(offer.sealed), await seal.check(offer.sdp),
            await seal.answer(offer.sealed, answer.sdp),
          ];
        }""",
        VECTORS,
    )
    assert found == ["keyless", "missing", VECTORS["answer"]["sdp"]]


@pytest.mark.parametrize(
    ("fragment", "key"),
    [
        (FRAGMENT, KEY),
        (FRAGMENT + "%20", KEY),
        (f"#x=1&k={KEY}", KEY),
        ("", ""),
        ("#", ""),
        ("#top", ""),
        (FRAGMENT[:-1], None),
        (FRAGMENT + "A", None),
        (FRAGMENT[:-1] + "B", None),
        (FRAGMENT[:-1] + "*", None),
    ],
)
async def test_the_key_of_the_link(door_page, fragment, key):
    found = await door_page.evaluate(
        "async (hash) => (await import('/link.js')).keyIn(hash)", fragment
    )
    assert found == key


async def test_the_familys_own_door_is_shown_as_verified(family, door, verified, unverified):
    line = await family.open(fragment=FRAGMENT)
    offer, answer = await ring(line, door)
    await verified.to_be_visible()
    await verified.to_have_text("Verified")
    await unverified.to_be_hidden()
    assert seal.check(KEY_BYTES, "answer", ROOM, answer, offer) is Proof.VALID
    await family.page.click("#answer")
    await door.until_heard("answered")
    await verified.to_be_visible()
    await family.page.click("#hangup")
    await family.until_state("waiting")
    await verified.to_be_hidden()


async def test_a_door_is_verified_only_when_it_is_connected(family, door, verified):
    """An offer that the server keeps and plays again is the door's, but leads to nobody."""
    line = await family.open(fragment=FRAGMENT)
    await line.offer(sealed(await door.offer()))
    await line.take("answer")
    await family.until_state("ringing")
    await verified.to_be_hidden()


async def test_a_ring_without_a_seal_is_shown_with_a_warning(family, door, verified, unverified):
    line = await family.open(fragment=FRAGMENT)
    await door.ring(line)
    await family.until_picture()
    await unverified.to_be_visible()
    await verified.to_be_hidden()
    await family.until_toast("Not verified: somebody else may see and hear this call")
    await family.page.click("#answer")
    await door.until_heard("answered")
    await unverified.to_be_visible()


@pytest.mark.parametrize("way", ["fingerprint", "reflected", "another room", "line"])
async def test_a_ring_with_a_wrong_seal_is_refused(family, door, way):
    line = await family.open(fragment=FRAGMENT)
    offer = await door.offer()
    await line.offer(
        {
            "fingerprint": re.sub("(sha-256 )..", r"\g<1>EE", sealed(offer)),
            "reflected": sealed(offer, role="answer"),
            "another room": sealed(offer, room=ROOM.replace("6", "7")),
            "line": sealed(offer) + "a=x-more:1\r\n",
        }[way]
    )
    await expect(family.page.locator("#refused")).to_contain_text("A ring was refused")
    assert await family.data("state") == "waiting"
    assert line.heard == []
    await ring(line, door)
    await family.until_state("ringing")
    await family.page.click("#decline")
    await expect(family.page.locator("#refused")).to_be_hidden()


async def test_a_link_without_a_key_takes_no_seal_for_a_proof(family, door, verified, unverified):
    """Whoever stands between could add one of any kind."""
    line = await family.open()
    _, answer = await ring(line, door)
    await family.until_picture()
    assert seal.ATTRIBUTE not in answer
    await verified.to_be_hidden()
    await unverified.to_be_visible()
    await expect(family.page.locator("#toasts")).to_contain_text("Not verified")


async def test_where_nothing_can_be_proven_the_page_says_so(family, door, unverified):
    """Without https: a browser has no `crypto.subtle`."""
    await family.page.add_init_script(
        "Object.defineProperty(crypto, 'subtle', { value: undefined })"
    )
    line = await family.open(fragment=FRAGMENT)
    _, answer = await ring(line, door)
    assert seal.ATTRIBUTE not in answer
    await unverified.to_be_visible()


async def test_a_link_with_half_a_key_is_incomplete(family):
    await family.page.goto(family.board.link + FRAGMENT[:-3])
    await family.until_state("no-room")


async def test_a_link_that_differs_in_its_key_is_opened_anew(family):
    await family.open()
    await family.page.evaluate(f"location.hash = '{FRAGMENT}'")
    line = await family.board.line()
    await line.take("join")
    await family.until_state("waiting")
    assert family.page.url.endswith(FRAGMENT)


async def test_the_key_leaves_the_browser_nowhere(family, door):
    line = await family.open(fragment=FRAGMENT)
    await ring(line, door)
    await family.page.click("#answer")
    await door.until_heard("answered")
    assert KEY not in "".join(family.board.requests)
    assert KEY not in await family.page.title()
    kept = "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"
    assert KEY not in await family.page.evaluate(kept)
    assert family.page.url.endswith(FRAGMENT)


@pytest.mark.parametrize("answered", [False, True], ids=["ringing", "talking"])
async def test_a_door_without_proof_takes_nothing_over_from_one_with_it(
    family, door, verified, answered
):
    line = await family.open(fragment=FRAGMENT)
    await ring(line, door)
    await verified.to_be_visible()
    if answered:
        await family.page.click("#answer")
        await door.until_heard("answered")
    await line.offer(await door.offer())
    await family.until_toast("A ring was refused")
    assert [message for message in line.heard if message["type"] == "answer"] == []
    await verified.to_be_visible()
    assert await family.data("state") == ("talking" if answered else "ringing")


async def test_the_own_door_takes_a_call_over_from_itself(family, door, verified):
    line = await family.open(fragment=FRAGMENT)
    await ring(line, door)
    await family.page.click("#answer")
    await door.until_heard("answered")
    await ring(line, door)
    await door.until_heard("answered")
    await door.until_voice()
    await verified.to_be_visible()


async def test_a_link_that_is_too_old_for_the_door_is_told_as_such(family, door):
    await family.page.clock.install()
    line = await family.open()
    await line.offer(sealed(await door.offer()))
    await family.until_state("ringing")
    await family.page.clock.fast_forward(20_001)
    await family.until_toast("The door may not accept this link any more")
    await family.until_state("waiting")
