"""The daemon's side of a relay, against programs that behave in every way."""

from __future__ import annotations

import queue

import pytest

from homecall_pi.hardware.relay import Relay

from ..conftest import PATIENCE_S


@pytest.fixture
def said() -> queue.SimpleQueue[str]:
    return queue.SimpleQueue()


def start(program: str, said: queue.SimpleQueue[str]) -> Relay:
    return Relay(["sh", "-c", program], said.put)


def test_what_the_program_says_is_told_in_order_and_its_end_last(said: queue.SimpleQueue[str]):
    start("echo ready; printf 'failed a b'", said)
    assert [said.get(timeout=PATIENCE_S) for _ in range(3)] == ["ready", "failed a b", "gone"]


def test_a_pulse_is_one_line(said: queue.SimpleQueue[str]):
    relay = start('while read -r line; do echo "on[$line]"; done', said)
    relay.pulse()
    assert said.get(timeout=PATIENCE_S) == "on[]"
    relay.pulse()
    assert said.get(timeout=PATIENCE_S) == "on[]"
    relay.close()
    assert said.get(timeout=PATIENCE_S) == "gone"


def test_close_ends_the_program(said: queue.SimpleQueue[str]):
    relay = start("cat", said)
    relay.close()
    assert said.get(timeout=PATIENCE_S) == "gone"
    relay.close()


def test_a_pulse_after_the_program_has_died_does_no_harm(said: queue.SimpleQueue[str]):
    relay = start("exit 3", said)
    assert said.get(timeout=PATIENCE_S) == "gone"
    relay.pulse()
    relay.close()
    relay.pulse()
