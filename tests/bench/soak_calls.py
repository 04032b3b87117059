"""Calls of all kinds, good ones and those that something happens to, for `scripts/bench soak`."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeAlias

import psutil
from playwright.async_api import Error as BrowserError

from tests.bench.soak_door import CAMERA_UNPLUGGED, CARD_UNPLUGGED, SOUND
from tests.e2e.apart import PORT, Apart
from tests.e2e.household import Door, until
from tests.e2e.network import DIRECT_UDP

FLAGS = (
    *("--call-ring-s", "6", "--log-level", "info"),
    *("--camera-width", "640", "--camera-height", "360", "--camera-fps", "15"),
)
CUT_S = 0.5
"""Seconds that the door's link is down."""

Kind: TypeAlias = Callable[["Household"], Awaitable[None]]
"""One call from the press to where the door is about to come to rest."""


class Household(Apart):
    """Door, server and page in networks of their own; the door's parts fail when they are told."""

    def make_door(self, *flags: str) -> Door:
        self.faults = self.folder / "faults"
        self.faults.mkdir()
        door = super().make_door(*flags)
        door.module = ("tests.bench.soak_door", str(self.faults))
        return door

    @property
    def sound(self) -> psutil.Process:
        """The sound card's program."""
        programs = self.door.process.children()
        return next(each for each in programs if SOUND in each.cmdline())

    async def shown(self) -> None:
        """A ring, as far as the visitor's moving picture."""
        self.door.ring()
        await self.family.becomes("ringing")
        await self.family.sees_moving_pictures()

    async def answered(self) -> None:
        """Answers a ring."""
        await self.family.becomes("ringing")
        await self.family.page.click("#answer")
        await self.door.becomes("talking")
        await self.flows()

    async def called(self) -> None:
        """A ring that was answered; picture and voice flow."""
        self.door.ring()
        await self.answered()

    async def hung_up(self) -> None:
        """The family ends the call."""
        await self.family.page.click("#hangup")

    async def close_page(self) -> None:
        await self.family.page.context.close()
        self.families.remove(self.family)

    async def open_page(self, *states: str) -> None:
        """Another one in its place, which comes to one of the states."""
        self.family = await self.page()
        await self.family.open(self.server.link)
        await self.family.becomes(*states)

    async def kill_page(self) -> None:
        """It ends without a word."""
        tools = await self.family.page.context.new_cdp_session(self.family.page)
        crash = asyncio.ensure_future(tools.send("Page.crash"))
        await self.family.page.wait_for_event("crash")
        crash.cancel()
        with suppress(BrowserError, asyncio.CancelledError):
            await crash
        await self.close_page()

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """Something is wrong with a part of the door."""
        file = self.faults / name
        file.touch()
        try:
            yield
        finally:
            file.unlink()

    async def says(self, text: str, after: int) -> None:
        """The daemon says so in its log, beyond the first `after` characters."""
        await until(f"the door says {text!r}", lambda: text in self.door.output[after:])

    async def line(self, state: str) -> None:
        await until(f"the line is {state}", lambda: self.door.status.line == state)

    async def recover(self) -> None:
        """A fresh start after a call that failed."""
        self.network.clear()
        self.network.plug_in("door")
        for file in self.faults.iterdir():
            file.unlink()
        if not self.server.running:
            self.server.start()
        await self.line("up")
        self.door.hang_up()
        await self.door.becomes("idle")
        await self.close_page()
        await self.open_page("waiting")


async def family_hangs_up(home: Household) -> None:
    await home.called()
    await home.hung_up()


async def door_hangs_up(home: Household) -> None:
    await home.called()
    home.door.hang_up()


async def declined(home: Household) -> None:
    await home.shown()
    await home.family.page.click("#decline")


async def pressed_again(home: Household) -> None:
    await home.shown()
    home.door.ring()
    await home.answered()
    home.door.ring()
    await home.hung_up()


async def nobody_answers(home: Household) -> None:
    await home.shown()
    await home.door.becomes("idle")


async def page_opened_late(home: Household) -> None:
    await home.family.page.goto("about:blank")
    home.door.ring()
    await home.family.open(home.server.link)
    await home.answered()
    await home.hung_up()


async def page_reloaded_while_it_rings(home: Household) -> None:
    await home.shown()
    await home.family.page.reload()
    await home.answered()
    await home.hung_up()


async def page_reloaded_in_a_call(home: Household) -> None:
    await home.called()
    await home.family.page.reload()


async def page_closed_while_it_rings(home: Household) -> None:
    await home.shown()
    await home.close_page()
    await home.open_page("ringing")
    await home.answered()
    await home.hung_up()


async def page_closed_in_a_call(home: Household) -> None:
    await home.called()
    await home.close_page()
    await home.door.becomes("idle")
    await home.open_page("waiting")


async def page_killed_while_it_rings(home: Household) -> None:
    await home.shown()
    await home.kill_page()
    await home.open_page("waiting", "ringing")
    await home.answered()
    await home.hung_up()


async def page_killed_in_a_call(home: Household) -> None:
    """The door offers the call to the page that comes next."""
    await home.called()
    await home.kill_page()
    await home.open_page("waiting", "ringing")
    await home.answered()
    await home.hung_up()


async def line_cut_at_the_press(home: Household) -> None:
    home.network.reset(f"iifname door tcp dport {PORT}")
    home.door.ring()
    await home.line("down")
    home.network.clear()
    await home.answered()
    await home.hung_up()


async def line_cut_at_the_end(home: Household) -> None:
    await home.called()
    home.network.reset(f"iifname door tcp dport {PORT}")
    home.door.hang_up()
    await home.line("down")
    home.network.clear()
    await home.line("up")


async def link_down_in_a_call(home: Household) -> None:
    await home.called()
    home.network.unplug("door")
    await home.door.becomes("reconnecting")
    await asyncio.sleep(CUT_S)
    home.network.plug_in("door")
    await resumed(home)


async def media_cut_in_a_call(home: Household) -> None:
    await home.called()
    home.network.drop(DIRECT_UDP)
    await home.door.becomes("reconnecting")
    home.network.clear()
    await resumed(home)


async def resumed(home: Household) -> None:
    """The call goes on, and then ends."""
    await home.door.becomes("talking")
    await home.flows()
    await home.hung_up()


async def camera_missing_at_the_press(home: Household) -> None:
    said = len(home.door.output)
    with home.fault(CAMERA_UNPLUGGED):
        home.door.ring()
        await home.says("a card is shown", said)
    await home.answered()
    await home.says("the camera is back", said)
    await home.hung_up()


async def camera_unplugged_in_a_call(home: Household) -> None:
    await home.called()
    said = len(home.door.output)
    with home.fault(CAMERA_UNPLUGGED):
        await home.says("a card is shown", said)
    await home.says("the camera is back", said)
    await home.hung_up()


async def card_unplugged_in_a_call(home: Household) -> None:
    await home.called()
    said = len(home.door.output)
    with home.fault(CARD_UNPLUGGED):
        await home.says("; retrying", said)
    await home.says("the microphone and the speaker work again", said)
    await home.flows()
    await home.hung_up()


async def sound_program_killed(home: Household) -> None:
    await lose_sound(home, signal.SIGKILL)


async def sound_program_hangs(home: Household) -> None:
    await lose_sound(home, signal.SIGSTOP)


async def lose_sound(home: Household, how: signal.Signals) -> None:
    await home.called()
    said = len(home.door.output)
    os.kill(home.sound.pid, how)
    await home.says("; retrying", said)
    await home.says("the microphone and the speaker work again", said)
    await home.flows()
    await home.hung_up()


async def server_killed_before_a_ring(home: Household) -> None:
    home.server.kill()
    await home.line("down")
    home.door.ring()
    home.server.start()
    await home.answered()
    await home.hung_up()


async def server_killed_in_a_call(home: Household) -> None:
    await home.called()
    home.server.kill()
    await home.line("down")
    home.server.start()
    await home.line("up")
    await home.flows()
    await home.hung_up()


GOOD: dict[Kind, int] = {family_hangs_up: 16, door_hangs_up: 4, declined: 7, pressed_again: 2}
"""How many of each belong to a round."""
FAULTS: tuple[Kind, ...] = (
    nobody_answers,
    page_opened_late,
    page_reloaded_while_it_rings,
    page_reloaded_in_a_call,
    page_closed_while_it_rings,
    page_closed_in_a_call,
    page_killed_while_it_rings,
    page_killed_in_a_call,
    line_cut_at_the_press,
    line_cut_at_the_end,
    link_down_in_a_call,
    media_cut_in_a_call,
    camera_missing_at_the_press,
    camera_unplugged_in_a_call,
    card_unplugged_in_a_call,
)
"""One of each belongs to a round."""
RENEWALS: tuple[Kind, ...] = (
    sound_program_killed,
    sound_program_hangs,
    server_killed_before_a_ring,
    server_killed_in_a_call,
)
"""After these another process, whose memory says nothing of the one before, goes on."""


def title(kind: Kind) -> str:
    """What the table calls it."""
    return getattr(kind, "__name__", "").replace("_", " ")
