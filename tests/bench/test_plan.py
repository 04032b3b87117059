"""The order of the soak's calls."""

from __future__ import annotations

from tests.bench.plan import WARM_CALLS, plan
from tests.bench.trend import STEADY_CALLS

GOOD, FAULTS, RENEWALS = {"a": 16, "b": 4, "c": 7, "d": 2}, tuple("0123456789"), ("x", "y", "z")


def test_programs_are_replaced_before_memory_counts_and_everything_else_goes_wrong_after_it():
    kinds = plan(300, GOOD, FAULTS, RENEWALS)
    assert len(kinds) == 300
    assert set(kinds[:WARM_CALLS]) <= set(GOOD)
    assert set(RENEWALS) <= set(kinds[:STEADY_CALLS])
    assert set(kinds[STEADY_CALLS:]) == {*GOOD, *FAULTS}
    assert kinds == plan(300, GOOD, FAULTS, RENEWALS)
