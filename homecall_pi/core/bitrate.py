"""How many bits per second the camera's encoder should aim at, by what the page reports.

Two signals, each of which can only hold the other down: the page's estimate of what the network
carries (REMB), and the share of packets that it misses (see loss.py). The estimate alone keeps
growing even where a tenth of all packets is lost; loss alone says nothing of a queue that fills.

The rules for loss begin as those of Google's congestion control (draft-ietf-rmcat-gcc-02, section
6): with little the bitrate grows, with some it stays. Much loss may be a network that is too
narrow, or one that loses whatever is sent, as a poor Wi-Fi does. So the bitrate is cut to what came
through, and then either the loss is gone, or the cut is taken back, as it helped nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

HEADROOM: Final = 0.9
"""Share of the estimate for the encoder: the rest is for sound, headers and retransmission."""
MUCH_LOSS: Final = 0.10
LITTLE_LOSS: Final = 0.02
GROWTH_PER_S: Final = 0.08
CUT_S: Final = 1.5
"""Seconds until a cut is felt: by the encoder, the network's queue, and the report on it."""
TRUST_S: Final = 60.0
"""Seconds for which loss is taken for the network's own before it is tried again."""
STEP: Final = 0.05
"""Least change that is worth the encoder's trouble."""


class Bounds(msgspec.Struct, frozen=True):
    """Bits per second of video."""

    start_bps: int = 1_500_000
    """Before anything is reported."""
    min_bps: int = 250_000
    max_bps: int = 2_500_000


class _Cut(msgspec.Struct, frozen=True):
    """A reduction because of loss, from `bps` at the `share` of loss, at the time `at_s`."""

    bps: float
    share: float
    at_s: float


class Bitrate:
    """The target for one connection. `now` is any clock that does not jump, in seconds."""

    def __init__(self, bounds: Bounds, now: float) -> None:
        self._bounds = bounds
        self._estimate_bps = float(bounds.max_bps)
        self._by_loss_bps = float(bounds.start_bps)
        self._reported_s = now
        self._cut: _Cut | None = None
        """One that is not yet judged."""
        self._own_loss = 0.0
        """The share that is lost whatever is sent."""
        self._own_until_s = 0.0
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
        if now > self._own_until_s:
            self._own_loss = 0.0
        if self._cut is not None:
            self._judge(self._cut, share, now)
        elif share - self._own_loss > MUCH_LOSS:
            self._cut = _Cut(self._by_loss_bps, share, now)
            self._by_loss_bps = self._target_bps * (1 - share)
        elif share < LITTLE_LOSS:
            self._by_loss_bps *= (1 + GROWTH_PER_S) ** elapsed_s
        bounds = self._bounds
        self._by_loss_bps = min(max(self._by_loss_bps, bounds.min_bps), bounds.max_bps)
        return self._update()

    def _judge(self, cut: _Cut, share: float, now: float) -> None:
        """Takes the cut back if the loss has remained."""
        if now - cut.at_s < CUT_S:
            return
        self._cut = None
        if share > cut.share / 2:
            self._by_loss_bps = cut.bps
            self._own_loss, self._own_until_s = share, now + TRUST_S

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
