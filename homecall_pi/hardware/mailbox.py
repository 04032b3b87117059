"""The only way from a hardware thread to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Mailbox(Generic[_T]):
    """Carries items from any thread to `deliver` on the loop's thread, in order.

    When the loop is late, the oldest of `capacity` items is dropped: for live media the newest
    counts, and memory stays bounded. So it is called once for all that waits, not for each.
    """

    def __init__(self, deliver: Callable[[_T], None], *, capacity: int) -> None:
        self._deliver = deliver
        self._items: deque[_T] = deque(maxlen=capacity)
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._called = False
        """Whether the loop will come and look."""

    def post(self, item: _T) -> None:
        """Queues one item. Any thread."""
        self._items.append(item)
        if self._open and not self._called:
            self._called = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
                self._loop.call_soon_threadsafe(self._drain)

    def close(self) -> None:
        """Delivers nothing more. The loop's thread."""
        self._open = False
        self._items.clear()

    def _drain(self) -> None:
        self._called = False  # first: what is posted from now on may be missed below
        while self._open and self._items:
            self._deliver(self._items.popleft())
