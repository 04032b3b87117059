"""Booted machines, and the figures that the tests found, printed at the end."""

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests gave to `record_property`."""
    reports = terminalreporter.getreports("passed")
    found = [(report.nodeid, *each) for report in reports for each in report.user_properties]
    if found:
        terminalreporter.section("figures")
    for node, what, figure in found:
        terminalreporter.write_line(f"{node.split('::')[1]}: {what}: {figure}")
