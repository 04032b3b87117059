"""What all tests share: no test may block the event loop, or leave a task or a thread behind."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from . import kept
from .manager import Manager

PATIENCE_S = 5.0
"""Seconds after which what should have happened will not happen. No test waits for so long."""

GRACE_S = 0.5
"""Seconds that tasks may take to end. None takes so long, but one that never ends."""

AT_ENDS = ("start", "_listen", "_remove_stale", "stop")
"""Functions of the control socket that run once, when there is nothing to hold up."""


def pytest_collectstart() -> None:
    """What is imported stays: nothing of it is garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Keeps what is there from being searched for garbage again and again: it stays to the end."""
    gc.freeze()
    gc.enable()


class FoldersSideBySide(LoadScopeScheduling):
    """Runs a folder's tests one at a time: whole calls, which mostly wait, beside all others."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("/")[1]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Has `-n 2 --dist loadscope` run them so."""
    return FoldersSideBySide(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the figures that tests gave to `record_property`."""
    reports = terminalreporter.getreports("passed")
    found = [(report.nodeid, *each) for report in reports for each in report.user_properties]
    if found:
        terminalreporter.section("figures")
    for node, what, figure in found:
        terminalreporter.write_line(f"{node.split('::')[1]}: {what}: {figure}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets fixtures know at their end how the test went."""
    report = yield
    kept.note(item, report)
    return report


@pytest.fixture(autouse=True)
def tidy(request: pytest.FixtureRequest) -> None:
    """Fails a test that blocks a loop, and an asynchronous one that leaves something running.

    Tests with a browser share one loop, which is not theirs to clear.
    """
    if {"browser", "e2e"} & {mark.name for mark in request.node.iter_markers()}:
        return
    request.getfixturevalue("_no_blocking")
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_tidy_loop")


@pytest.fixture(autouse=True)
def no_installed_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the file of a machine that has the program installed out of the tests."""
    monkeypatch.setattr("homecall_pi.config.file.DEFAULT_PATH", Path("/nonexistent/config.toml"))


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A service manager that listens."""
    manager = Manager(tmp_path / "notify", PATIENCE_S)
    monkeypatch.setenv("NOTIFY_SOCKET", manager.path)
    yield manager
    manager.close()


@pytest.fixture(scope="module")
def _no_blocking() -> Iterator[None]:
    """Has calls that would block the loop raise: for a whole module, as it takes a while."""
    blockbuster = BlockBuster("homecall_pi")
    for name in ("os.mkdir", "os.stat", "os.unlink", "socket.socket.connect"):
        blockbuster.functions[name].can_block_in("homecall_pi/control.py", AT_ENDS)
    for name in ("threading.Lock.acquire", "threading.Lock.acquire_lock"):
        blockbuster.functions[name].can_block_in("aiortc/rtcrtpreceiver.py", "__stop_decoder")
    blockbuster.activate()
    yield
    blockbuster.deactivate()


@pytest.fixture
async def _tidy_loop() -> AsyncIterator[None]:
    before = set(threading.enumerate())
    yield
    await asyncio.get_running_loop().shutdown_default_executor()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:  # what was told to end may need a moment
        _, left = await asyncio.wait(left, timeout=GRACE_S)
    assert not left, f"the test left tasks running: {left}"
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), f"the test left {thread} running"
