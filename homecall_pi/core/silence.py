"""Whether the other side of a call is still heard."""

from __future__ import annotations

LOST_S = 2.5
"""Seconds without a packet. Reports alone come each second or so, and one or two may be lost."""


class Silence:
    """Watches a count of packets that arrived."""

    def __init__(self) -> None:
        self._count = -1
        self._heard_at = 0.0
        self._is_lost = False

    def look(self, count: int, now: float) -> bool | None:
        """Takes the count at `now` (seconds).

        Returns True once media is lost, False once it is back, and None while nothing changes.
        """
        if count != self._count:
            self._count, self._heard_at = count, now
        is_lost = now - self._heard_at >= LOST_S
        if is_lost == self._is_lost:
            return None
        self._is_lost = is_lost
        return is_lost
