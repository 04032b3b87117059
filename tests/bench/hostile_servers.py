"""What door and page take at hostile signaling servers, and that they find back to a good one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from tests.bench.limits import Limits
from tests.e2e.conftest import Household
from tests.e2e.hostile_server import MOODS
from tests.e2e.household import launch_chromium
from tests.e2e.test_hostile import MOST_MB, suffer

HEAD = (
    f"{'hostile server':16} {'CPU of the door':>16} {'RSS before':>11} {'more (limit)':>13} "
    f"{'afterwards':>11} {'pages before':>13} {'more':>7}"
)


async def rows(seconds: float, only: str, limits: Limits) -> None:
    """A line for each mood that has `only` in its name."""
    print(HEAD)
    async with async_playwright() as playwright:
        browser = await launch_chromium(playwright)
        for mood in MOODS:
            if only not in mood:
                continue
            with tempfile.TemporaryDirectory() as folder:
                household = Household(Path(folder), browser)
                try:
                    family, usages = await suffer(household, mood, seconds)
                    usage, pages = usages["door"], usages["page"]
                    await household.ring_and_answer(family)
                    grown = limits.at_most(MOST_MB, f"{mood}: MB more", usage.grown_mb)
                    print(
                        f"{mood:16} {100 * usage.cpu:14.0f} % {usage.before_mb:8.0f} MB "
                        f"{grown:>13} {usage.now_mb:8.0f} MB {pages.before_mb:10.0f} MB "
                        f"{pages.grown_mb:4.0f} MB",
                        flush=True,
                    )
                finally:
                    await household.close()
