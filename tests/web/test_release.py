"""The button that opens the door."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from .test_seal import FRAGMENT, ring

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture
def button(family):
    return family.page.locator("#release")


@pytest_asyncio.fixture(loop_scope="session")
async def line(family, door):
    """Of a page that shows a visitor at a door that can be opened; its clock stands still."""
    clock = family.page.clock
    await clock.install()
    line = await family.open(fragment=FRAGMENT)
    await ring(line, door)
    await family.until_picture()
    await clock.pause_at(await family.page.evaluate("Date.now()") / 1000 + 5)
    await door.tell(type="door", release="closed")
    return line


async def open_door(family, button):
    await button.click()
    await expect(button).to_have_text("Touch again to open")
    await family.page.clock.run_for(501)
    await button.click()


async def pass_time(family, ms):
    """Lets the page's clock run on. Pictures come meanwhile, else it would tell of silence."""
    for left_ms in range(ms, 0, -1000):
        frames = "document.querySelector('#picture').getVideoPlaybackQuality().totalVideoFrames"
        before = await family.page.evaluate(frames)
        await family.page.clock.run_for(min(left_ms, 1000))
        await family.until(f"{frames} > {before}")


@pytest.mark.parametrize("answered", [False, True], ids=["ringing", "talking"])
async def test_two_touches_open_the_door(family, door, line, button, answered):
    if answered:
        await family.page.click("#answer")
    await expect(button).to_have_text("Open the door")
    await open_door(family, button)
    await door.until_heard(*["answered"] * answered, "release")
    await expect(button).to_have_text("Opening…")
    await door.tell(type="door", release="open")
    await expect(button).to_have_text("The door is open")
    await family.until_toast("The door is open")
    await door.tell(type="door", release="closed")
    await expect(button).to_have_text("Open the door")
    assert await family.data("state") == ("talking" if answered else "ringing")


async def test_one_touch_or_a_double_click_does_not(family, door, line, button):
    await button.dblclick()
    await expect(button).to_have_text("Touch again to open")
    await pass_time(family, 5_001)
    await expect(button).to_have_text("Open the door")
    await open_door(family, button)
    await door.until_heard("release")


async def test_a_door_that_does_not_open_is_told(family, door, line, button):
    await open_door(family, button)
    await expect(button).to_have_text("Opening…")
    await pass_time(family, 3_001)
    await family.until_toast("The door did not open")
    await expect(button).to_have_text("Open the door")


async def test_a_door_that_others_open_is_shown_as_open(family, door, line, button):
    await door.tell(type="door", release="open")
    await expect(button).to_have_text("The door is open")
    await button.click()
    await door.tell(type="door", release="none")
    await expect(button).to_be_hidden()
    await door.until_heard()


async def test_the_button_works_by_keyboard(family, door, line, button):
    await expect(button).to_be_visible()  # else it takes no focus
    await button.focus()
    await family.page.keyboard.press("Enter")
    await expect(button).to_have_text("Touch again to open")
    await family.page.clock.run_for(501)
    await family.page.keyboard.press("Space")
    await door.until_heard("release")


async def test_the_button_goes_with_the_call(family, door, line, button):
    await expect(button).to_be_visible()
    await family.page.click("#decline")
    await family.until_state("waiting")
    await expect(button).to_be_hidden()
    await ring(line, door)
    await family.until_picture()
    await expect(button).to_be_hidden()


async def test_a_door_that_is_not_verified_offers_no_button(family, door, button):
    line = await family.open(fragment=FRAGMENT)
    await door.ring(line)
    await family.until_picture()
    await door.tell(type="door", release="closed")
    await door.end("hung-up")
    await family.until_state("waiting")
    assert await family.page.evaluate("document.querySelector('#release-text').textContent") == ""
