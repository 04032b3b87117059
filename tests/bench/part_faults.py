"""Rows of `scripts/bench faults`: camera and sound card are unplugged, and plugged in again."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from playwright.async_api import Playwright

from tests.bench.limits import Limits
from tests.e2e.conftest import Household
from tests.e2e.household import Family, launch_chromium, until
from tests.e2e.listener import Listener, beeps_in
from tests.sound import decode, write_beeps
from tests.virtual_card import VirtualCard

FAMILY_HZ, VISITOR_HZ = 880.0, 640.0
OUTAGE_S = 5.0
BACK_S = 3.0
"""At most, from the plug until it is seen or heard at the other side."""
SOUND_CARD = ("--microphone-source=pyaudio", "--speaker-source=pyaudio", "--no-sounds-on")
NAMES = (
    "camera unplugged for 5 s",
    "camera plugged in after the press",
    "sound card unplugged for 5 s",
)


async def rows(
    folder: Path, beeps: Path, playwright: Playwright, only: str, limits: Limits
) -> None:
    """Prints a row for each of them whose name contains `only`."""
    names = [name for name in NAMES if only in name]
    if not names:
        return
    folder.mkdir()
    card, plug = VirtualCard(folder / "card"), folder / "camera"
    card.plug()
    browser = await launch_chromium(playwright, f"--use-file-for-fake-audio-capture={beeps}")
    household = Household(folder, browser)
    try:
        await household.start(*SOUND_CARD, environment=card.environment, camera=plug)
        family = await household.waiting_page()
        print(f"  {'parts, in a call':34} {'seen':>9} {'at page':>9} {'at door':>9}")
        if NAMES[0] in names:
            await household.ring_and_answer(family)
            await family.sees_moving_pictures()
            plug.unlink()
            await asyncio.sleep(OUTAGE_S)
            await seen(household, family, plug, NAMES[0], limits)
        if NAMES[1] in names:
            plug.unlink()
            household.door.ring()
            await family.becomes("ringing")
            await family.sees_a_card()
            await seen(household, family, plug, NAMES[1], limits)
        if NAMES[2] in names:
            await household.ring_and_answer(family)
            await heard(household, family, card, NAMES[2], limits)
    finally:
        await household.close()
        await browser.close()
        card.unplug()


async def seen(household: Household, family: Family, plug: Path, name: str, limits: Limits) -> None:
    """How long after it is plugged in the camera is seen."""
    back = household.door.output.count("the camera is back")
    plug.touch()
    began = time.monotonic()
    await until("it is back", lambda: household.door.output.count("the camera is back") > back)
    for _ in range(2):  # once might be from the card to the picture
        await family.sees_moving_pictures()
    seen_s = time.monotonic() - began
    print(f"  {name:34} {cell(limits, name, 'seen', seen_s)}", flush=True)
    await hang_up(household, family)


async def heard(
    household: Household, family: Family, card: VirtualCard, name: str, limits: Limits
) -> None:
    """How long after it is plugged in each side hears the other.

    One after the other: at once, the page's echo canceller might take one for an echo.
    """
    said = household.folder / "visitor.wav"
    write_beeps(said, VISITOR_HZ, seconds=30, beep_s=0.33)
    await Listener(card).hears(FAMILY_HZ)
    began = await replug(card)
    await Listener(card).hears(FAMILY_HZ)
    door_s = time.monotonic() - began
    began = await replug(card)
    card.say(said)
    while not beeps_in(decode(await family.records_sound(0.5)), VISITOR_HZ):
        pass
    page_s = time.monotonic() - began
    sides = {"page": page_s, "door": door_s}
    cells = (cell(limits, name, f"heard at the {side}", s) for side, s in sides.items())
    print(f"  {name:34} {'':9}", *cells, flush=True)
    await hang_up(household, family)


def cell(limits: Limits, name: str, what: str, seconds: float) -> str:
    return f"{limits.at_most(BACK_S, f'{name}: {what}', seconds, digits=1):>9}"


async def replug(card: VirtualCard) -> float:
    """Plugs the card out and in; when it was in."""
    card.unplug()
    await asyncio.sleep(OUTAGE_S)
    card.plug()
    return time.monotonic()


async def hang_up(household: Household, family: Family) -> None:
    household.door.hang_up()
    await household.door.becomes("idle")
    await family.becomes("waiting")
