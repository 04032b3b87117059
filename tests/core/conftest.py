"""What the tests of the call's table start from."""

from __future__ import annotations

import pytest

from .doors import OTHERS, OURS, Door


@pytest.fixture
def door() -> Door:
    door = Door()
    door.on(OURS)
    return door


@pytest.fixture
def others_door() -> Door:
    """A door on a server that queues every offer."""
    door = Door()
    door.on(OTHERS)
    return door
