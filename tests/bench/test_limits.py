"""What the benches hold against their figures."""

from __future__ import annotations

import math

import pytest

from tests.bench.limits import Limits


def test_a_figure_is_shown_beside_its_limit_and_may_be_as_great(
    capsys: pytest.CaptureFixture[str],
) -> None:
    limits = Limits()
    assert limits.at_most(3.0, "media", 3.0, digits=1) == "3.0 (3)"
    assert limits.verdict()
    assert capsys.readouterr().out == "all as wanted\n"


@pytest.mark.parametrize("figure", [3.01, math.inf, math.nan])
def test_what_is_worse_is_told_and_fails(capsys: pytest.CaptureFixture[str], figure: float) -> None:
    limits = Limits()
    assert limits.at_most(3.0, "media", figure, digits=1) == f"{figure:.1f} (3)"
    assert not limits.verdict()
    assert capsys.readouterr().out == f"media: {figure}, wanted at most 3\n"


def test_so_is_what_is_no_figure() -> None:
    limits = Limits()
    limits.require(True, "nobody was refused")
    limits.require(False, "somebody was refused")
    assert limits.troubles == ["somebody was refused"]
