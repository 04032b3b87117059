"""What happens before a command runs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from homecall_pi import __main__ as program
from homecall_pi import cli
from homecall_pi.doctor import plan, report


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Leaves it as it was."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_reaches_what_the_doctor_has_to_end(monkeypatch: pytest.MonkeyPatch):
    """A check that hangs in a process of its own is ended with the others."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    monkeypatch.setattr(plan, "checks", lambda *_, **__: [])
    assert report.run(None, {}, play=False, as_json=True) == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("before", "then"),
    [(signal.default_int_handler, signal.SIG_DFL), (signal.SIG_IGN, signal.SIG_IGN)],
)
def test_ctrl_c_ends_what_starts_unless_it_is_to_be_ignored(
    before: Any, then: Any, monkeypatch: pytest.MonkeyPatch
):
    signal.signal(signal.SIGINT, before)
    found: list[Any] = []
    monkeypatch.setattr(cli, "main", lambda: found.append(signal.getsignal(signal.SIGINT)))
    program.main()
    assert found == [then]
