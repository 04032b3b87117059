"""Networks that break around a door, in namespaces of their own: in a call, and between calls."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from homecall_pi.network import JUMP_S, LOOK_S

from .. import kept, sound
from .apart import PORT
from .deployed import PAGE
from .fragile import YEAR_S, Fragile
from .household import ROOM, Door, until
from .listener import beeps_in
from .network import DIRECT_UDP, NAME, SERVER, Host, Network

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces, which needs root"),
]


AUDIBLE_DBFS = -40.0
RECONNECTING_HZ = 440.0
"""Of the tone for it."""
STOOD_STILL_S = LOOK_S + JUMP_S
"""More than this is taken for standing still."""
BAD: dict[str, Callable[[Network], None]] = {
    "a tenth is lost": lambda network: network.lose(10),
    "a fifth is lost": lambda network: network.lose(20),
    "300 ms each way": lambda network: network.delay(0.3),
    "500 kbit/s": lambda network: network.narrow(500),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def apart(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fragile]:
    folder = tmp_path_factory.mktemp("apart")
    sound.write_beeps(folder / "beeps.wav", 880.0)
    async with async_playwright() as playwright:
        household = Fragile(folder, folder / "beeps.wav")
        try:
            await household.start(playwright)
            yield household
        finally:
            await household.close()
    household.judge()


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def kept_at_failure(apart: Fragile, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """The household outlives the test: what a failed one leaves is copied at its end."""
    yield
    if folder := kept.place(request):
        await apart.keep(folder)


@pytest_asyncio.fixture(loop_scope="module")
async def call(apart: Fragile) -> AsyncIterator[Fragile]:
    """Door and family talk, and still do after the test."""
    await apart.talk()
    yield apart
    await apart.door.becomes("talking")
    await apart.family.becomes("talking")
    await apart.flows()
    apart.door.hang_up()
    await apart.door.becomes("idle")
    await apart.family.becomes("waiting")


def hears(door: Door, pitch_hz: float) -> bool:
    """Whether the door's loudspeaker has played this pitch in the call."""
    return beeps_in(sound.decode(door.heard), pitch_hz) > 0


async def test_a_silent_network_is_noticed_at_both_ends_and_the_call_goes_on(call: Fragile) -> None:
    call.network.cut("door")
    await call.door.becomes("reconnecting")
    await call.family.page.wait_for_selector("#link-note:not([hidden])")
    await until("the visitor hears it, too", lambda: hears(call.door, RECONNECTING_HZ))
    call.network.restore("door")
    await call.door.becomes("talking")
    await call.family.page.wait_for_selector("#link-note", state="hidden")


@pytest.mark.parametrize("host", ["door", "page"])
async def test_another_address_in_a_call(call: Fragile, host: Host) -> None:
    call.network.change_address(host)
    await call.door.becomes("reconnecting")
    await call.door.becomes("talking")


async def test_another_address_while_it_rings(apart: Fragile) -> None:
    await apart.family.page.goto("about:blank")
    apart.door.ring()
    await apart.door.becomes("ringing")
    apart.network.change_address("door")
    await apart.tells("offered again")
    await apart.family.open(apart.server.link)
    await apart.family.becomes("ringing")
    await apart.family.sees_moving_pictures()
    apart.door.hang_up()
    await apart.door.becomes("idle")
    await apart.family.becomes("waiting")


async def test_a_door_that_was_restarted_in_a_call_rings_anew(apart: Fragile) -> None:
    """Who is there now hears nothing of the family until they answer."""
    await apart.talk()
    await apart.restart_door()
    await apart.door.ready()
    apart.door.ring()
    await apart.family.becomes("ringing")
    await apart.family.sees_moving_pictures()
    assert await apart.family.page.evaluate("document.body.dataset.mic") == "off"
    apart.door.hang_up()
    await apart.door.becomes("idle")
    await apart.family.becomes("waiting")


@pytest_asyncio.fixture(loop_scope="module")
async def simple_call(apart: Fragile) -> AsyncIterator[Fragile]:
    """The family has a page that knows only the protocol."""
    page = apart.family.page
    # It does not come from the server, so that Chromium wants it to be allowed to go there.
    await page.context.grant_permissions(["microphone", "local-network-access"])
    await page.route(re.compile("/simple"), lambda route: route.fulfill(path=PAGE))
    await page.goto(f"https://{SERVER}:{PORT}/simple?room={ROOM}")
    await apart.family.becomes("joined")
    apart.door.ring()
    await apart.door.becomes("talking")
    await apart.flows()
    yield apart
    await page.evaluate("hangUp()")
    await apart.door.becomes("idle")
    await apart.family.open(apart.server.link)
    await apart.family.becomes("waiting")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda network: network.drop(DIRECT_UDP),
        lambda network: network.change_address("door"),
    ],
    ids=["silence", "another address"],
)
async def test_a_page_that_knows_only_the_protocol_is_offered_another_connection(
    simple_call: Fragile, break_it: Callable[[Network], None]
) -> None:
    """It takes the offer with the one connection that it has, in which its own sound goes on."""
    offers = simple_call.door.output.count(" OfferReady")
    break_it(simple_call.network)
    await simple_call.door.becomes("reconnecting")
    simple_call.network.clear()
    await simple_call.door.becomes("talking")
    await simple_call.flows()
    assert simple_call.door.output.count(" OfferReady") > offers


async def test_a_nat_that_forgets_its_mappings_in_a_call(apart: Fragile) -> None:
    """As when a router is restarted, or its provider gives it another address."""
    apart.network.masquerade()
    await apart.talk()
    await apart.flows()
    apart.network.rebind()
    await apart.door.becomes("reconnecting")
    await apart.door.becomes("talking")
    await apart.flows()
    apart.door.hang_up()
    await apart.family.becomes("waiting")
    apart.network.clear()


async def test_a_server_that_is_restarted_in_a_call(call: Fragile) -> None:
    call.server.kill()
    await until("the line is down", lambda: call.door.status.line == "down")
    assert call.door.status.state == "talking"
    await call.flows()
    call.server.start()
    await until("the line is up", lambda: call.door.status.line == "up")
    assert call.door.status.state == "talking"


async def test_a_door_that_stood_still_in_a_call(call: Fragile) -> None:
    """As when a machine is suspended; what it was connected to has given it up meanwhile."""
    lines = call.lines
    call.door.process.suspend()
    try:
        call.black_hole_line()
        await call.family.page.wait_for_selector("#link-note:not([hidden])")
        await asyncio.sleep(STOOD_STILL_S)
    finally:
        call.door.process.resume()
    await call.tells("stood still")
    await call.another_line(lines)
    await call.family.page.wait_for_selector("#link-note", state="hidden")
    call.network.clear()


async def test_a_line_that_is_dead_without_a_word_in_a_call(call: Fragile) -> None:
    lines = call.lines
    call.black_hole_line()
    await call.another_line(lines)
    assert call.door.status.state == "talking"
    call.network.clear()


@pytest.mark.parametrize(
    ("kind", "certified", "words"),
    [
        ("page", "login.example", "its certificate has another name: is there a login page"),
        ("login-required", NAME, "a web page answers (HTTP 511): is there a login page"),
        ("banner", "", "what answers speaks no TLS (WRONG_VERSION_NUMBER): is there a login page"),
    ],
)
async def test_a_login_page_in_the_servers_place(
    apart: Fragile, kind: str, certified: str, words: str
) -> None:
    lines = apart.lines
    async with apart.replaced_server(kind, certified):
        await apart.tells(words)
    await apart.another_line(lines)


async def test_a_name_that_is_not_known_for_a_while(apart: Fragile) -> None:
    lines = apart.lines
    await apart.replace_names()
    apart.server.kill()
    await apart.tells("its name is not known")
    apart.server.start()
    await apart.server.ready()
    await apart.replace_names(NAME, SERVER)
    await apart.another_line(lines)


async def test_name_servers_that_are_silent_for_a_while(apart: Fragile) -> None:
    lines = apart.lines
    apart.network.drop("udp dport 53")
    apart.server.kill()
    await apart.tells("no name server tells its address")
    apart.server.start()
    await apart.server.ready()
    apart.network.clear()
    await apart.another_line(lines)


async def test_a_clock_that_is_wrong_at_the_start_and_set_in_a_call(apart: Fragile) -> None:
    """Boards without a battery for it start in the past, where no certificate is valid yet."""
    await apart.restart_door(clock_s=-YEAR_S)
    await apart.tells("its certificate is not valid yet: is this machine's clock right?")
    assert apart.door.status.line == "down"
    apart.set_clock(0)
    await apart.tells("the clock was set forward")
    await apart.door.ready()
    await apart.family.becomes("waiting")
    await apart.talk()
    await apart.flows()
    apart.set_clock(YEAR_S)
    await until("it is seen", lambda: apart.door.fresh_output.count("set forward") == 2)
    await apart.flows()
    apart.set_clock(-YEAR_S)
    await apart.tells("the clock was set back")
    await apart.flows()
    assert apart.door.status.state == "talking"
    apart.door.hang_up()
    await apart.door.becomes("idle")
    await apart.family.becomes("waiting")
    await apart.restart_door()
    await apart.door.ready()


@pytest.fixture(params=BAD)
def bad(apart: Fragile, request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """Makes the network bad, in one of these ways; it is good again after the test."""
    yield lambda: BAD[request.param](apart.network)
    apart.network.clear()


async def test_a_call_whose_network_becomes_bad_goes_on(
    call: Fragile, bad: Callable[[], None]
) -> None:
    bad()
    await is_usable(call)
    call.network.clear()


async def test_a_ring_over_a_bad_network_becomes_a_call(
    apart: Fragile, bad: Callable[[], None]
) -> None:
    bad()
    await apart.talk()
    await is_usable(apart)
    apart.network.clear()
    apart.door.hang_up()
    await apart.family.becomes("waiting")


async def is_usable(apart: Fragile) -> None:
    """The picture moves, both hear each other, and nothing is taken for lost meanwhile."""
    said = len(apart.door.output)
    await apart.flows()
    heard = sound.decode(await apart.family.records_sound(2))
    assert sound.dbfs(heard) > AUDIBLE_DBFS
    await until("the family is heard", lambda: apart.door.status.audio_dbfs > AUDIBLE_DBFS)
    await apart.family.sees_moving_pictures()
    assert apart.door.status.state == "talking"
    assert await apart.family.state() == "talking"
    assert "MediaLost" not in apart.door.output[said:]
