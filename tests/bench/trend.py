"""What a program holds on to, as its calls go on, for `scripts/bench soak`."""

from __future__ import annotations

import statistics
from typing import ClassVar, TypeAlias

Holdings: TypeAlias = dict[str, int]
"""Of each kind, how many; of the memory, "rss", the bytes."""

STEADY_CALLS = 50
"""Calls after which memory is not to grow any more."""
MAX_SLOPE_KB = 10.0
"""Kilobytes that a call may leave behind."""
SHOWN_CALLS = 50
"""Calls from one figure in the table to the next."""


class Trend:
    """One program's, from its `start` on, after a few calls that warmed it up."""

    HEAD: ClassVar = "memory in MB every 50 calls, kB per call after 50; first -> last look"

    def __init__(self, start: Holdings) -> None:
        self.start = self.end = start
        self._memory: dict[int, int] = {}

    def add(self, calls: int, found: Holdings) -> None:
        """A look after so many calls."""
        self.end = found
        self._memory[calls] = found["rss"]

    @property
    def slope_kb(self) -> float:
        """Kilobytes per call, by least squares."""
        calls = [calls for calls in self._memory if calls > STEADY_CALLS]
        return statistics.linear_regression(calls, [self._memory[c] for c in calls]).slope / 1000

    @property
    def grown(self) -> list[str]:
        """What there is more of than at the start, beside memory."""
        return [kind for kind in self.start if kind != "rss" and self.end[kind] > self.start[kind]]

    @property
    def troubles(self) -> list[str]:
        """What is wrong."""
        rises = self.slope_kb > MAX_SLOPE_KB
        memory = [f"memory rises by {self.slope_kb:.1f} kB per call"] if rises else []
        return memory + [f"more {kind} than at the start" for kind in self.grown]

    def row(self, name: str) -> str:
        """A line of the table."""
        memory = [f"{size / 1e6:6.1f}" for n, size in self._memory.items() if not n % SHOWN_CALLS]
        counts = [
            f"{kind} {self.start[kind]} -> {self.end[kind]}" for kind in self.start if kind != "rss"
        ]
        return f"  {name:14} {''.join(memory)} {self.slope_kb:6.1f}   {', '.join(counts)}"
