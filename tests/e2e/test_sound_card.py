"""The daemon with real PyAudio on a sound card without hardware, and the family in Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.virtual_card import VirtualCard

from .. import sound
from .conftest import PITCH_HZ, Household
from .household import until
from .listener import Listener, beeps_in

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

VISITOR_HZ = 640.0
CARD = ("--microphone-source=pyaudio", "--speaker-source=pyaudio")


@pytest.fixture
def card(tmp_path: Path) -> Iterator[VirtualCard]:
    assert shutil.which("pulseaudio"), "PulseAudio is missing; scripts/test installs it"
    card = VirtualCard(tmp_path / "card")
    card.plug()
    yield card
    card.unplug()


@pytest.fixture
def beeps(tmp_path: Path) -> Path:
    """What the visitor says."""
    path = tmp_path / "visitor.wav"
    # In step with the family's, they would pass for an echo of those at the cancellers.
    sound.write_beeps(path, VISITOR_HZ, seconds=30, beep_s=0.33)
    return path


async def test_both_sides_hear_each_other(household: Household, card: VirtualCard, beeps: Path):
    listener = Listener(card)
    await household.start(*CARD, "--no-sounds-on", environment=card.environment)
    family = await household.talking()
    await listener.hears(PITCH_HZ)
    card.say(beeps)
    assert beeps_in(sound.decode(await family.records_sound(3)), VISITOR_HZ) > 3


async def test_the_visitor_hears_the_chime_ring_back_and_the_end(
    household: Household, card: VirtualCard
):
    listener = Listener(card)
    await household.start(*CARD, environment=card.environment)
    family = await household.waiting_page()
    household.door.ring()
    await listener.hears(659.26)
    await listener.hears(425)
    await family.page.click("#decline")
    await listener.hears(783.99)


@pytest.mark.parametrize("missed", [True, False], ids=["until-missed", "for-a-moment"])
async def test_a_card_replugged_in_a_call_is_heard_again_both_ways(
    missed: bool, household: Household, card: VirtualCard, beeps: Path
):
    await household.start(*CARD, "--no-sounds-on", environment=card.environment)
    family = await household.talking()
    await Listener(card).hears(PITCH_HZ)
    card.unplug()
    if missed:
        await until("the door misses its card", lambda: "; retrying" in household.door.output)
    card.plug()
    await Listener(card).hears(PITCH_HZ)
    card.say(beeps)
    assert beeps_in(sound.decode(await family.records_sound(3)), VISITOR_HZ) > 3
    await until("the door says so", lambda: " again" in household.door.output)
    lost, back = about_the_card(household.door.output)
    assert "the microphone " in lost
    assert "the speaker " in lost
    assert back.endswith("the microphone and the speaker work again")
    assert household.door.status.state == await family.state() == "talking"


def about_the_card(log: str) -> list[str]:
    lines = log.splitlines()
    return [line for line in lines if "the microphone" in line or "the speaker" in line]
