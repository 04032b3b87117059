"""A server that answers in the page's place with whatever it likes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from homecall_pi.core.messages import IceCandidate
from homecall_pi.webrtc.ice import Choice
from homecall_pi.webrtc.peer import Peer

from ..doubles import Events
from .doubles import Page, Parts

SERIAL = 5
CANDIDATE = "candidate:1 1 udp 1 192.0.2.1 5 typ srflx raddr ::1 rport 5"
JUNK = (
    "",
    "0",
    "-1",
    "65536",
    "9" * 400,
    "\x00",
    "ÿ" * 50,
    "x" * 5000,
    "*",
    "%s",
    "a=b",
    "::",
    "/",
)

Spoil = Callable[[random.Random, list[str]], list[str]]


def drop(dice: random.Random, lines: list[str]) -> list[str]:
    at = dice.randrange(len(lines))
    return lines[:at] + lines[at + 1 :]


def repeat(dice: random.Random, lines: list[str]) -> list[str]:
    at = dice.randrange(len(lines))
    return lines[:at] + lines[at : at + 1] * dice.choice([2, 300]) + lines[at:]


def swap(dice: random.Random, lines: list[str]) -> list[str]:
    one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    lines = list(lines)
    lines[one], lines[other] = lines[other], lines[one]
    return lines


def cut(dice: random.Random, lines: list[str]) -> list[str]:
    return lines[: dice.randint(1, len(lines))]


def garble(dice: random.Random, lines: list[str]) -> list[str]:
    """Something else in the place of a word."""
    at = dice.randrange(len(lines))
    key, mark, words = lines[at].partition(dice.choice(":="))
    parts = words.split(" ")
    parts[dice.randrange(len(parts))] = dice.choice(JUNK)
    return [*lines[:at], key + mark + " ".join(parts), *lines[at + 1 :]]


SPOILS: tuple[Spoil, ...] = (drop, repeat, swap, cut, garble, garble, garble)


def spoilt(answer: str, dice: random.Random) -> str:
    """The answer with one to three faults."""
    lines = answer.splitlines()
    for _ in range(dice.randint(1, 3)):
        lines = dice.choice(SPOILS)(dice, lines) or [""]
    return "\r\n".join(lines) + "\r\n"


async def sample_answer() -> str:
    """A page's answer to an offer with this SERIAL."""
    peer, page = Peer(Parts().door, Choice("all"), 1.0), Page()
    await peer.gather(SERIAL)
    answer = await page.answer(peer.offer)
    await page.close()
    await peer.close()
    return answer


CALLS = 30
WORK_S = 0.2
"""Seconds in which all of the calls together have got as far as they get."""


async def accept(answer: str, dice: random.Random) -> None:
    """One call that is answered so, from its offer to its end."""
    peer = Peer(Parts().door, Choice("all"), 1.0)
    await peer.gather(SERIAL)
    peer.begin(1, Events())
    peer.accept(answer)
    for _ in range(5):
        words = CANDIDATE.split()
        words[dice.randrange(len(words))] = dice.choice(JUNK)
        peer.add_candidate(IceCandidate(" ".join(words), dice.choice(JUNK), dice.randrange(65536)))
    await asyncio.sleep(WORK_S)
    await peer.close()


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_spoilt_answers_cost_their_call_and_leave_nothing(
    caplog: pytest.LogCaptureFixture,
):
    answer, faults = await sample_answer(), list[object]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    before = open_files()
    dices = [random.Random(seed) for seed in range(CALLS)]  # noqa: S311
    await asyncio.gather(*(accept(spoilt(answer, dice), dice) for dice in dices))
    assert faults == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert open_files() <= before
