"""The server under attack, by crowds of hostile clients: the family goes on being served."""

from __future__ import annotations

import pytest

from tests.bench import siege
from tests.bench.limits import Limits

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

ATTACK_S = 2.0


@pytest.mark.parametrize(
    "title",
    [
        "1,000 idle WebSockets, 40 addresses",
        "1,000 slow-loris, 40 addresses",
        "200 joins/s",
    ],
)
async def test_an_attack_costs_the_family_nothing(title: str) -> None:
    limits = Limits()
    await siege.suffer(title, ATTACK_S, limits, limited=True)
    assert limits.troubles == []
