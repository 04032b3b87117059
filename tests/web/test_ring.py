"""The bell and the buzz of a ring, from its begin to its end."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LISTEN = """
window.struck = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) {
  struck.push(this.frequency.value);
  return start.apply(this, when);
};
window.buzzes = [];
navigator.vibrate = pattern => buzzes.push(pattern);
"""
"""Keeps the pitches of the notes, and what the hand feels."""
SOUNDS = "struck.length >= 6 && buzzes.some(pattern => pattern.length)"
IS_STILL = "buzzes.at(-1) === 0"


@pytest.fixture
def bell(family):
    """The family's page, listened to."""

    async def open_page():
        await family.page.add_init_script(LISTEN)
        line = await family.open()
        await family.page.mouse.click(5, 300)  # browsers are silent, and still, before that
        return line

    return open_page


async def test_a_ring_sounds_two_notes_and_buzzes(family, door, bell):
    await door.ring(await bell())
    await family.until(SOUNDS)
    notes = await family.page.evaluate("struck.filter(pitch => pitch < 700)")
    assert [round(pitch) for pitch in notes[:2]] == [659, 523]


async def test_it_is_repeated_until_somebody_answers(family, door, bell):
    line = await bell()
    await family.page.clock.install()
    await door.ring(line)
    await family.until(SOUNDS)
    for again in (12, 18):
        await family.page.clock.run_for(3_200)
        await family.until(f"struck.length === {again}")
    await family.page.click("#answer")
    await family.until(IS_STILL)
    await family.page.clock.run_for(10_000)
    assert await family.page.evaluate("struck.length") == 18


@pytest.mark.parametrize("end", ["decline", "visitor"])
async def test_it_ends_with_the_ring(family, door, bell, end):
    line = await bell()
    await door.ring(line)
    await family.until(SOUNDS)
    if end == "decline":
        await family.page.click("#decline")
    else:
        await door.end("no-answer")
    await family.until_state("waiting")
    await family.until(IS_STILL)


async def test_before_the_first_touch_nothing_sounds_or_buzzes(family, door):
    await family.page.add_init_script(LISTEN)
    await family.open()
    await family.page.reload()
    line = await family.board.line()
    await door.ring(line)
    await family.until_state("ringing")
    assert await family.page.evaluate("struck.length + buzzes.length") == 0
    await family.page.mouse.click(5, 300)
    await family.until(SOUNDS)
