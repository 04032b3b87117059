"""The jitter buffer on networks that are simulated packet by packet, without a clock."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from homecall_pi.core.jitter import (
    FRAME_S,
    MAX_CONCEALED,
    MAX_DELAY_S,
    MAX_PACKETS,
    MIN_DELAY_S,
    Conceal,
    JitterBuffer,
    Merge,
    Play,
    Repair,
    Silence,
    Step,
)

Rate = Callable[[float], float]
START = 65_500
"""The first sequence number: the wraparound comes within the first second."""


def never(_: float) -> float:
    return 0.0


class Network:
    """Sends a frame every 20 ms and lets the buffer play, also every 20 ms."""

    def __init__(
        self, seconds: float, *, loss: Rate = never, delay: Rate = never, drift: float = 0.0
    ) -> None:
        self.steps: list[tuple[float, Step]] = []
        self.delays: list[tuple[float, float]] = []
        """(time of playing, seconds from sending) of every frame that was played."""
        luck = random.Random(7)  # noqa: S311
        frames = int(seconds / FRAME_S)
        sent = [index * FRAME_S * (1 + drift) for index in range(frames)]
        arrivals = sorted(
            (at + delay(at) * luck.random(), index)
            for index, at in enumerate(sent)
            if luck.random() >= loss(at)
        )
        buffer = JitterBuffer()
        for tick in range(frames):
            now = tick * FRAME_S
            while arrivals and arrivals[0][0] <= now:
                at, index = arrivals.pop(0)
                number, stamp = START + index & 0xFFFF, index * 960 - 5000 & 0xFFFFFFFF
                buffer.put(number, stamp, index.to_bytes(4, "big"), at)
            step = buffer.pull()
            self.steps.append((now, step))
            if isinstance(step, Play | Merge):
                self.delays.append((now, now - sent[int.from_bytes(step.payload, "big")]))
        self.target_s = buffer.target_s

    def count(self, *kinds: type) -> int:
        return sum(isinstance(step, kinds) for _, step in self.steps)

    def delay(self, start: float, end: float) -> float:
        """Median seconds from sending to playing."""
        return statistics.median(delay for at, delay in self.delays if start <= at < end)

    def longest_gap(self) -> int:
        """Frames in a row, after the start, for which there was no packet nor a copy."""
        longest = run = 0
        for at, step in self.steps:
            run = run + 1 if isinstance(step, Conceal | Silence) and at > 1 else 0
            longest = max(longest, run)
        return longest


def test_a_good_network_costs_hardly_any_delay():
    network = Network(20)
    assert network.delay(1, 20) <= 2 * FRAME_S
    assert network.count(Conceal, Repair, Merge) <= 1


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.1])
def test_lost_packets_neither_stall_nor_add_up(loss: float):
    network = Network(60, loss=lambda _: loss)
    assert network.delay(50, 60) <= 3 * FRAME_S
    assert network.longest_gap() <= 3
    assert network.count(Silence) <= 2


def test_most_lost_packets_are_repaired_once_loss_is_noticed():
    network = Network(60, loss=lambda _: 0.05)
    assert network.count(Repair) > 8 * network.count(Conceal)


def test_at_five_percent_loss_no_gap_of_more_than_two_frames_is_heard():
    network = Network(60, loss=lambda _: 0.05)
    assert network.longest_gap() <= 2


def test_jitter_is_ridden_out_with_as_much_delay_as_it_needs():
    network = Network(30, delay=lambda _: 0.06)
    assert network.count(Conceal, Repair) <= 3
    assert network.delay(10, 30) <= 0.06 + 2 * FRAME_S


def test_delay_goes_again_after_a_burst_of_jitter():
    network = Network(40, delay=lambda at: 0.1 if at < 15 else 0.0)
    assert network.delay(5, 15) > 0.08
    assert network.delay(25, 40) <= 2 * FRAME_S


def test_delay_goes_again_after_a_burst_of_loss():
    network = Network(40, loss=lambda at: 0.1 if at < 10 else 0.0)
    assert network.delay(30, 40) <= 2 * FRAME_S


def test_a_stall_of_the_network_is_caught_up_with():
    network = Network(40, delay=lambda at: 0.4 if 10 < at < 10.3 else 0.0)
    assert network.longest_gap() <= 0.4 / FRAME_S
    assert network.delay(30, 40) <= 2 * FRAME_S


@pytest.mark.parametrize("drift", [1e-3, -1e-3])
def test_clocks_that_drift_apart_are_followed(drift: float):
    network = Network(200, drift=drift)
    assert network.delay(150, 200) <= 3 * FRAME_S
    assert network.count(Conceal, Merge) < 200 * 1e-3 / FRAME_S + 10


def test_delay_never_grows_beyond_what_a_conversation_bears():
    network = Network(30, delay=lambda _: 0.5)
    assert network.target_s <= MAX_DELAY_S
    assert network.delay(10, 30) <= 0.5 + 0.2


def packet(buffer: JitterBuffer, number: int, now: float = 0.0) -> None:
    buffer.put(number & 0xFFFF, number * 960 & 0xFFFFFFFF, str(number).encode(), now)


def test_a_lost_packet_is_repaired_from_its_successor():
    buffer = JitterBuffer()
    for number in (0, 2):
        packet(buffer, number, number * FRAME_S)
    assert [buffer.pull() for _ in range(3)] == [Play(b"0"), Repair(b"2"), Play(b"2")]


def test_packets_out_of_order_are_played_in_order():
    buffer = JitterBuffer()
    for number in (0, 2, 1, 3):
        packet(buffer, number, 0.0)
    played = [buffer.pull() for _ in range(4)]
    assert b"".join(step.payload for step in played if isinstance(step, Play | Merge))[:1] == b"0"
    assert not any(isinstance(step, Conceal | Repair) for step in played[:2])


def test_a_packet_that_comes_after_its_time_is_dropped():
    buffer = JitterBuffer()
    for number in (0, 2):
        packet(buffer, number)
    for _ in range(3):
        buffer.pull()
    packet(buffer, 1)
    assert isinstance(buffer.pull(), Conceal)


def test_when_nothing_comes_any_more_concealment_ends_in_silence():
    buffer = JitterBuffer()
    packet(buffer, 0)
    assert buffer.pull() == Play(b"0")
    rest = [buffer.pull() for _ in range(MAX_CONCEALED + 3)]
    assert rest == [Conceal()] * MAX_CONCEALED + [Silence()] * 3


@pytest.mark.parametrize("pause_s", [0.5, 2.0, 3.0])
def test_after_a_pause_of_the_loudspeaker_the_voice_comes_back(pause_s: float):
    buffer = JitterBuffer()
    frames = int(pause_s / FRAME_S)
    for number in range(frames):
        packet(buffer, number, number * FRAME_S)
    steps = []
    for number in range(frames, frames + 400):
        packet(buffer, number, number * FRAME_S)
        steps.append(buffer.pull())
    assert all(isinstance(step, Play) for step in steps[-100:])


@pytest.mark.parametrize("first", [1000, 65_400], ids=["", "after a wraparound"])
def test_a_pause_is_no_loss(first: int):
    buffer = JitterBuffer()
    for number in range(first, first + 400):
        packet(buffer, number, number * FRAME_S)
        buffer.pull()
    for _ in range(MAX_CONCEALED + 1):
        buffer.pull()
    for number in range(first + 400, first + 500):
        packet(buffer, number, number * FRAME_S)
        buffer.pull()
    assert buffer.target_s == MIN_DELAY_S


def test_a_sender_that_starts_anew_is_followed():
    buffer = JitterBuffer()
    packet(buffer, 30_000)
    buffer.pull()
    for number in range(5):
        packet(buffer, number, number * FRAME_S)
    assert isinstance(buffer.pull(), Play | Merge)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.floats(0, 1e6)),
        ),
        max_size=400,
    )
)
def test_whatever_arrives_the_buffer_stays_bounded_and_every_pull_gives_a_step(arrivals):
    buffer = JitterBuffer()
    for arrival in arrivals:
        if arrival is None:
            assert isinstance(buffer.pull(), Play | Repair | Conceal | Merge | Silence)
        else:
            buffer.put(arrival[0], arrival[1], b"x", arrival[2])
        assert len(buffer._packets) <= MAX_PACKETS
