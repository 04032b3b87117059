"""Time-limited credentials. That coturn takes them is seen in tests/webrtc/test_ice.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecall_pi.core.turn import LIFETIME_S, STEP_S, credentials

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("name", "username", "password"),
    [  # printf %s USERNAME | openssl dgst -sha1 -hmac 'the roof' -binary | base64
        ("door", "1700046000:door", "gqZSd8/uU1J40IFfbYfXzgPRSls="),
        ("", "1700046000", "uZYEfhcgqfk4C+zHd/egmoQvQ0c="),
    ],
)
def test_a_known_pair(name: str, username: str, password: str):
    assert credentials("the roof", name, NOW) == (username, password)


@given(now=st.floats(0, 4e9))
def test_they_are_good_for_long_enough_and_no_longer(now: float):
    expiry = int(credentials("the roof", "", now)[0])
    assert LIFETIME_S <= expiry - now <= LIFETIME_S + STEP_S


def test_they_change_once_an_hour():
    pairs = {credentials("the roof", "door", NOW + minute * 60) for minute in range(60)}
    assert len(pairs) == 2
