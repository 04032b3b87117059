"""How many bits per second the camera's encoder should aim at, by what the page reports.

Two signals, each of which can only hold the other down: the page's estimate of what the network
carries (REMB), and the share of packets that it misses (RTCP receiver reports, RFC 3550, section
6.4.1). The estimate alone keeps growing even where a tenth of all packets is lost; loss alone says
nothing of a queue that fills. The rules for loss are those of Google's congestion control
(draft-ietf-rmcat-gcc-02, section 6).
"""

from __future__ import annotations

from typing import Final

import msgspec

HEADROOM: Final = 0.9
"""Share of the estimate for the encoder: the rest is for sound, headers and retransmission."""
MUCH_LOSS: Final = 0.10
LITTLE_LOSS: Final = 0.02
GROWTH_PER_S: Final = 0.08
BACK_OFF_S: Final = 0.5
"""Seconds between two reductions because of loss: the first needs time to be felt."""
STEP: Final = 0.05
"""Least change that is worth the encoder's trouble."""


class Bounds(msgspec.Struct, frozen=True):
    """Bits per second of video."""

    start_bps: int = 1_500_000
    """Before anything is reported."""
    min_bps: int = 250_000
    max_bps: int = 2_500_000


class Bitrate:
    """The target for one connection. `now` is any clock that does not jump, in seconds."""

    def __init__(self, bounds: Bounds, now: float) -> None:
        self._bounds = bounds
        self._estimate_bps = float(bounds.max_bps)
        self._by_loss_bps = float(bounds.start_bps)
        self._reported_s = now
        self._reduced_s = now - BACK_OFF_S
        self._target_bps = self._within_bounds()

    @property
    def target_bps(self) -> int:
        """What the encoder should aim at."""
        return self._target_bps

    def estimated(self, bps: float) -> int | None:
        """The page estimates that the network carries `bps`; the new target, if it changes."""
        self._estimate_bps = HEADROOM * bps
        return self._update()

    def lost(self, share: float, now: float) -> int | None:
        """The page missed `share` of the packets (0..1); the new target, if it changes."""
        elapsed_s, self._reported_s = min(2.0, now - self._reported_s), now
        if share > MUCH_LOSS:
            if now - self._reduced_s >= BACK_OFF_S:
                self._reduced_s = now
                self._by_loss_bps = self._target_bps * (1 - 0.5 * share)
        elif share < LITTLE_LOSS:
            self._by_loss_bps *= (1 + GROWTH_PER_S) ** elapsed_s
        bounds = self._bounds
        self._by_loss_bps = min(max(self._by_loss_bps, bounds.min_bps), bounds.max_bps)
        return self._update()

    def _within_bounds(self) -> int:
        wanted = min(self._estimate_bps, self._by_loss_bps, self._bounds.max_bps)
        return int(max(wanted, self._bounds.min_bps))

    def _update(self) -> int | None:
        wanted = self._within_bounds()
        bounds = {self._bounds.min_bps, self._bounds.max_bps}
        small = abs(wanted - self._target_bps) < STEP * self._target_bps
        if wanted == self._target_bps or (small and wanted not in bounds):
            return None
        self._target_bps = wanted
        return wanted
