"""Hosts, by name or address."""

from __future__ import annotations

import pytest

from homecall_pi.core.hosts import is_loopback


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("::", False), ("0.0.0.0", False)],
)
def test_loopback(host: str, here: bool):
    assert is_loopback(host) is here
