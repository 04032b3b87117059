"""Arithmetic in the sound program's threads."""

from __future__ import annotations

import platform
import sys
from threading import Thread

import pytest

from homecall_pi.hardware.denormals import flush_denormals

pytestmark = pytest.mark.skipif(
    platform.machine() not in {"x86_64", "aarch64"}, reason="for the door's processors"
)
SMALLEST = sys.float_info.min


def test_a_thread_and_those_that_it_starts_know_no_denormals() -> None:
    halves = []

    def halve() -> None:
        halves.append(SMALLEST / 2)

    def flush_and_halve() -> None:
        flush_denormals()
        halve()
        within = Thread(target=halve)
        within.start()
        within.join()

    flushing = Thread(target=flush_and_halve)
    flushing.start()
    flushing.join()
    halve()
    assert halves[:2] == [0.0, 0.0]
    assert halves[2] > 0.0, "other threads are left as they were"
