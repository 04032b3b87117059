"""The share of packets that get lost, by what the receiver reports (RFC 3550, section 6.4.1).

Browsers report along with each request they make, so the share that stands in a report often is
that of a few packets, and tells nothing. The sums that stand beside it do, over a while.
"""

from __future__ import annotations

from typing import Final

LEAST_PACKETS: Final = 100
LEAST_S: Final = 0.5
"""What a share is taken over, at least: of a tenth, chance then makes 3 % more or less."""
_WRAP: Final = 1 << 32


class Loss:
    """Measures one stream. `now` is any clock that does not jump, in seconds."""

    def __init__(self) -> None:
        self._begun: tuple[int, int, float] | None = None

    def reported(self, lost: int, highest: int, now: float) -> float | None:
        """The share (0..1) lost lately, as soon as it means something.

        Args:
            lost: packets missed so far.
            highest: the highest sequence number that came, extended by its rollovers.
            now: when it was reported.
        """
        if self._begun is None:
            self._begun = lost, highest, now
            return None
        lost_before, highest_before, begun_s = self._begun
        expected = (highest - highest_before) % _WRAP
        if expected > _WRAP // 2:  # reports overtook each other
            return None
        if expected < LEAST_PACKETS or now - begun_s < LEAST_S:
            return None
        self._begun = lost, highest, now
        return min(1.0, max(0.0, (lost - lost_before) / expected))
