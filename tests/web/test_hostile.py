"""A server that says whatever it likes to the page."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from playwright.async_api import Error

from ..webrtc.test_hostile import CANDIDATE, JUNK, spoilt
from .conftest import ROOM, Door, Family, Line

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MESSAGES = 300
KINDS = ("offer", "offer", "candidate", "candidate", "answer", "error", "join", "leave", "nonsense")
SAID = ("room is full", "room is not served here", "server is full", "too many messages", *JUNK)
SINGLE = (None, True, 0, -1, 1e308, "", "offer", *JUNK)


def anything(dice: random.Random, depth: int = 2) -> Any:
    """Any JSON there is, more or less."""
    if depth == 0 or dice.random() < 0.5:
        return dice.choice(SINGLE)
    inner = [anything(dice, depth - 1) for _ in range(dice.randrange(4))]
    return inner if dice.random() < 0.5 else {str(each)[:9]: each for each in inner}


def message(dice: random.Random, offer: str) -> Any:
    """One of the protocol, with one field of it mostly as it should be, or none of it at all."""
    if dice.random() < 0.1:
        return anything(dice)
    words = CANDIDATE.split()
    words[dice.randrange(len(words))] = dice.choice(JUNK)
    fields = {
        "type": dice.choice(KINDS),
        "room": ROOM,
        "from": dice.choice(("Front door", "Anna", *JUNK)),
        "sdp": spoilt(offer, dice),
        "candidate": {"candidate": " ".join(words), "sdpMLineIndex": dice.choice(SINGLE)},
        "message": dice.choice(SAID),
    }
    if dice.random() < 0.3:
        fields[dice.choice(list(fields))] = anything(dice)
    return fields


async def rings(line: Line, door: Door) -> None:
    """Rings, and connects to the page, which may have answered others before."""
    await line.offer(await door.offer(call="b"))
    while True:
        try:
            await door.accept(line)
        except Error:
            continue  # that was the answer to another offer
        return


async def test_whatever_a_server_says_the_page_rings_afterwards(family: Family, door: Door):
    line = await family.open()
    offer = await door.offer()
    dice = random.Random(1)  # noqa: S311
    for _ in range(MESSAGES):
        await line.socket.send(json.dumps(message(dice, offer)))
        await family.page.evaluate("null")  # lets the page get on with it
    await rings(line, door)
    await family.until_state("ringing")
    await family.page.click("#answer")
    await door.until_heard("answered")
    await family.until_picture()
