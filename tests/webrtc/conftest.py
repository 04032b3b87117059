"""Fixtures of the connection's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ..doubles import Events
from .doubles import Page, Parts


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture
async def events() -> Events:
    return Events()


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page that knows the protocol alone."""
    page = Page()
    yield page
    await page.close()


@pytest.fixture
async def own_page() -> AsyncIterator[Page]:
    """A page of ours, with the control channel."""
    page = Page(control=True)
    yield page
    await page.close()
