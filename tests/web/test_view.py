"""What a screen reader, or anybody, finds on the page, in each of its states."""

import pytest
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NO_ROOM = """
- main:
  - heading "This link is incomplete" [level=1]
- status "Messages"
"""
NAME = """
- main:
  - heading "What is your name?" [level=1]
  - paragraph: It tells you from the others at home. You are asked only once.
  - textbox "Your name"
  - button "Done"
- status "Messages"
"""
WAITING = """
- main:
  - heading "Waiting for the door" [level=1]
  - button "Change name": Anna
  - button "Notify me of rings"
- status "Messages":
  - paragraph: Connected
"""
RINGING = """
- region "At the door Front door":
  - alert: At the door
  - heading "Front door" [level=1]
  - paragraph: not verified
  - button "Decline"
  - button "Answer"
- status "Messages":
  - paragraph: Somebody is at the door
"""
TALKING = """
- region "In the call Front door":
  - alert: In the call
  - heading "Front door" [level=1]
  - paragraph:
    - timer "Time of the call"
  - slider "Volume of the visitor": "100"
  - button "Mute"
  - button "Hang up"
  - button "Full screen"
- status "Messages":
  - paragraph: You can talk now
"""
ENDED = """
- main:
  - heading "Waiting for the door" [level=1]
- status "Messages":
  - paragraph: The door has hung up
"""
OFFLINE = """
- main:
  - heading "No connection" [level=1]
  - paragraph: The page keeps trying by itself. Check the internet if this lasts.
- status "Messages":
  - paragraph: Server not reached, trying again
"""


async def test_a_screen_reader_finds_what_matters_in_each_state(family, door):
    async def finds(snapshot: str) -> None:
        await expect(family.page.locator("body")).to_match_aria_snapshot(snapshot)

    await family.page.goto(family.board.url + "/")
    await finds(NO_ROOM)
    await family.page.goto(family.board.link)
    await finds(NAME)
    line = await family.open()
    await finds(WAITING)
    await door.ring(line)
    await finds(RINGING)
    await family.page.click("#answer")
    await finds(TALKING)
    await door.end("hung-up")
    await finds(ENDED)
    family.board.refusing = True
    await line.socket.close()
    await finds(OFFLINE)


async def test_that_the_microphone_is_muted_is_told(family, door):
    line = await family.open()
    await door.ring(line)
    await family.page.click("#answer")
    await family.page.click("#mute")
    await expect(family.page.locator("body")).to_match_aria_snapshot("""
    - region "In the call Front door":
      - button "Mute" [pressed]
    - status "Messages":
      - paragraph: Microphone muted
    """)


async def later(page: Page) -> None:
    """As after a while."""
    await page.evaluate("for (const each of document.getAnimations()) each.finish()")


async def test_a_page_of_which_a_part_is_missing_says_so_after_a_while(family):
    stuck = family.page.locator(".stuck")
    await family.page.route("**/ring.js", lambda route: route.abort())
    await family.page.goto(family.board.link)
    await expect(stuck).to_be_hidden()
    await later(family.page)
    await expect(stuck).to_be_visible()
    await expect(stuck).to_contain_text("load it again")


async def test_a_page_that_starts_does_not(family):
    await family.page.goto(family.board.link)
    await family.until_state("name")
    await later(family.page)
    await expect(family.page.locator(".stuck")).to_be_hidden()


async def test_nor_does_one_whose_browser_cannot_make_calls(family):
    await family.page.add_init_script("delete globalThis.RTCPeerConnection")
    await family.page.goto(family.board.link)
    await expect(family.page.locator("#unsupported")).to_be_visible()
    await later(family.page)
    await expect(family.page.locator(".stuck")).to_be_hidden()
