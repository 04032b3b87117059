"""Booted machines."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from . import roots
from .machine import Machine


@pytest.fixture(scope="class")
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A bare Debian of the class's `suite`, booted: one for all of its tests."""
    if why := roots.missing():
        pytest.skip(why)
    # To be told to end must not leave a machine running: this way it ends as if by Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Machine(request.cls.suite) as machine:
        machine.boot()
        yield machine
