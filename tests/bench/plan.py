"""Which calls happen, and in which order, for `scripts/bench soak`."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from tests.bench.trend import STEADY_CALLS

WARM_CALLS = 10
"""Good calls before the first look at tasks, threads and files."""
SEED = 1

Kind = TypeVar("Kind")


def plan(
    calls: int, good: Mapping[Kind, int], faults: Sequence[Kind], renewals: Sequence[Kind]
) -> list[Kind]:
    """Everything in turn, shuffled, but the same each time; of `good`, so many of each in a round.

    Programs are replaced (`renewals`) in the beginning only, before anything else, for each begins
    anew with its memory, and is to be as warm as the others when it counts.
    """
    dice = random.Random(SEED)  # noqa: S311
    well = list(Counter(good).elements())
    kinds = dice.sample(well, WARM_CALLS)
    early = [*renewals, *renewals]
    kinds += dice.sample(early, len(early))
    rest = [*faults, *dice.choices(well, k=STEADY_CALLS - len(kinds) - len(faults))]
    kinds += dice.sample(rest, len(rest))
    while len(kinds) < calls:
        turn = [*well, *faults]
        kinds += dice.sample(turn, len(turn))
    return kinds[:calls]
