"""Whether work that should go on goes on."""

from __future__ import annotations

import msgspec


class Progress(msgspec.Struct):
    """When a task or thread last moved. It is told by one and looked at by another, both at will.

    `now` is in seconds of the system's steady clock, time.monotonic().
    """

    name: str
    """What it is, as people know it."""
    limit_s: float
    """It has hung when it has not moved for so long: longer than it may have to wait for others."""
    moved_at: float | None = None
    """None: it is at rest, and has nothing to do."""

    def move(self, now: float) -> None:
        """It goes on."""
        self.moved_at = now

    def rest(self) -> None:
        """It has ended what it did."""
        self.moved_at = None

    def hangs(self, now: float) -> bool:
        """Whether it has not moved for too long."""
        moved_at = self.moved_at
        return moved_at is not None and now - moved_at > self.limit_s
