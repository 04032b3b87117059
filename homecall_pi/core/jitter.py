"""The jitter buffer of the family's voice: when to play which packet, pure and with time passed in.

Packets arrive unevenly, out of order, or not at all; the loudspeaker wants a frame every 20 ms. The
buffer holds back just as much as the network's jitter of the last seconds asks for, between
MIN_DELAY_S and MAX_DELAY_S:

- it **waits** at the start of talk until as much is there;
- a packet that is lost is **repaired** from the copy in its successor (RFC 6716, section 2.1.7) or
  **concealed** by the decoder, and its successor comes in time;
- when nothing is there at all it conceals without giving up what is under way: the delay grows by
  that frame, up to the maximum;
- when the network asks for more delay than there is, a concealed frame slips in;
- delay that is no longer asked for goes by **merging** two frames into the time of one.

It never stops for a lost packet, and a burst leaves no delay behind.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Generic, TypeAlias, TypeVar

import msgspec

FRAME_S = 0.02
"""Duration of a packet: Opus as every browser sends it."""
RTP_CLOCK_HZ = 48_000
MIN_DELAY_S = 0.02
MAX_DELAY_S = 0.12
MARGIN_S = 0.005
"""Held back on top of the measured jitter."""
HISTORY = 250
"""Packets over which jitter and loss are measured: 5 s."""
QUANTILE = 0.97
"""Part of the packets that shall come in time; the rest is concealed."""
LOSSY = 0.01
"""From this part of lost packets on, one more frame is held back, so that a lost packet's
successor, which repairs it, is there in time."""
EXCESS_S = 0.025
"""Delay above the target that is tolerated while it may still be jitter."""
SETTLED_FRAMES = 25
"""Frames played (0.5 s) over which the least excess is what can be given back."""
HURRY_S = 0.08
"""Delay above the target from which every frame played takes one more along."""
MAX_CONCEALED = 15
"""Frames in a row (0.3 s) that concealment can carry; after that, there is silence."""
MAX_PACKETS = 100
"""Packets held at most (2 s)."""


class Play(msgspec.Struct, frozen=True):
    """Decode this packet."""

    payload: bytes


class Repair(msgspec.Struct, frozen=True):
    """The packet is lost; decode the copy of it that its successor carries."""

    successor: bytes


class Conceal(msgspec.Struct, frozen=True):
    """Let the decoder invent a frame that goes on like the last ones."""


class Merge(msgspec.Struct, frozen=True):
    """Decode both packets and blend them into one frame."""

    payload: bytes
    next_payload: bytes


class Silence(msgspec.Struct, frozen=True):
    """There is nothing to play."""


Step: TypeAlias = Play | Repair | Conceal | Merge | Silence
_Number = TypeVar("_Number", int, float)


class _Latest(Generic[_Number]):
    """The latest HISTORY values in ascending order; sorting them each time costs ten times more."""

    def __init__(self) -> None:
        self.ascending: list[_Number] = []
        self._in_time: deque[_Number] = deque()

    def add(self, value: _Number) -> None:
        if len(self._in_time) == HISTORY:
            del self.ascending[bisect_left(self.ascending, self._in_time.popleft())]
        self._in_time.append(value)
        insort(self.ascending, value)

    def __contains__(self, value: _Number) -> bool:
        index = bisect_left(self.ascending, value)
        return index < len(self.ascending) and self.ascending[index] == value

    def clear(self) -> None:
        self.ascending.clear()
        self._in_time.clear()


class JitterBuffer:
    """Takes packets as they arrive and gives a step for every 20 ms of sound."""

    def __init__(self) -> None:
        self.target_s = MIN_DELAY_S
        """Delay that the network asks for at present."""
        self._packets: dict[int, bytes] = {}
        self._next: int | None = None
        """Extended sequence number of the frame to be played next; None before the start."""
        self._newest = 0
        self._transits: _Latest[float] = _Latest()
        self._timestamp: tuple[int, float] | None = None
        self._arrived: _Latest[int] = _Latest()
        self._excesses: deque[float] = deque(maxlen=SETTLED_FRAMES)
        self._concealed = 0
        """Frames concealed in a row."""
        self._borrowed = 0
        """Of these, frames that took the place of no packet: they made the delay grow."""

    def put(self, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        """A packet arrived: its RTP sequence number (16 bit), timestamp (32 bit), and content."""
        number = self._extend(sequence)
        if abs(number - self._newest) > MAX_PACKETS:
            self._forget()  # the sender started anew, or was away
            number = self._extend(sequence)
        if number in self._arrived:
            return  # the network doubled it
        self._measure(number, timestamp, now)
        if self._next is not None and number < self._next:
            return  # too late: its place was filled
        if len(self._packets) >= MAX_PACKETS:
            self._restart()  # nobody has pulled for a while: what waits is old
        self._packets[number] = payload
        self._newest = max(self._newest, number)

    def pull(self) -> Step:
        """What to play for the next 20 ms."""
        if self._next is None and not self._start():
            return Silence()
        self._settle_debt()
        excess = self._held_s() - self.target_s
        self._excesses.append(excess)
        if self._should_merge(excess):
            return self._merge()
        if self._should_wait():
            self._excesses.clear()
            return Conceal()
        return self._play()

    def _start(self) -> bool:
        if not self._packets or self._span_s(min(self._packets)) < self.target_s:
            return False
        self._next = min(self._packets)
        self._excesses.clear()
        return True

    def _play(self) -> Step:
        number = self._next
        assert number is not None  # noqa: S101 - narrows the type
        payload = self._packets.pop(number, None)
        if payload is not None:
            self._advance()
            return Play(payload)
        if not self._packets:
            return self._run_dry()
        self._advance()
        successor = self._packets.get(number + 1)
        return Conceal() if successor is None else Repair(successor)

    def _run_dry(self) -> Step:
        self._concealed += 1
        if self._concealed > MAX_CONCEALED:
            self._restart()
            return Silence()
        self._borrowed += 1
        return Conceal()

    def _settle_debt(self) -> None:
        """Takes back what was concealed while nothing was there.

        What turns out lost needs no second frame, and delay beyond the maximum is given up.
        """
        while self._borrowed and self._packets:
            lost = self._next not in self._packets
            if not lost and self._held_s() <= MAX_DELAY_S:
                break
            self._packets.pop(self._next or 0, None)
            self._next = (self._next or 0) + 1
            self._borrowed -= 1
        if self._packets:
            self._borrowed = 0

    def _advance(self) -> None:
        assert self._next is not None  # noqa: S101 - narrows the type
        self._next += 1
        self._concealed = 0

    def _should_merge(self, excess_s: float) -> bool:
        if self._next not in self._packets or self._next + 1 not in self._packets:
            return False
        settled = len(self._excesses) == SETTLED_FRAMES and min(self._excesses) > EXCESS_S
        return settled or excess_s > HURRY_S

    def _should_wait(self) -> bool:
        """The network asks for more delay than there has been for a while."""
        return len(self._excesses) == SETTLED_FRAMES and max(self._excesses) < -FRAME_S / 4

    def _merge(self) -> Step:
        assert self._next is not None  # noqa: S101 - narrows the type
        pair = self._packets.pop(self._next), self._packets.pop(self._next + 1)
        self._next += 2
        self._concealed = 0
        self._excesses.clear()
        return Merge(*pair)

    def _restart(self) -> None:
        self._packets.clear()
        self._next = None
        self._concealed = self._borrowed = 0

    def _forget(self) -> None:
        self._restart()
        self._transits.clear()
        self._arrived.clear()
        self._timestamp = None

    def _held_s(self) -> float:
        return 0.0 if self._next is None else self._span_s(self._next)

    def _span_s(self, first: int) -> float:
        """Time from frame `first` to the end of the newest."""
        return max(0, self._newest - first + 1) * FRAME_S if self._packets else 0.0

    def _extend(self, sequence: int) -> int:
        """The sequence number with its wraparounds counted (RFC 3550, appendix A.1)."""
        if not self._arrived.ascending:
            self._newest = sequence
            return sequence
        step = (sequence - self._newest + 0x8000 & 0xFFFF) - 0x8000
        return self._newest + step

    def _measure(self, number: int, timestamp: int, now: float) -> None:
        """Jitter is how much later than the fastest of the last packets one came."""
        self._transits.add(now - self._sent_at(timestamp))
        self._arrived.add(number)
        waits = self._transits.ascending
        jitter = waits[int(QUANTILE * (len(waits) - 1))] - waits[0]
        repairing = FRAME_S if self._lossy() else 0.0
        self.target_s = min(MAX_DELAY_S, max(MIN_DELAY_S, jitter + MARGIN_S) + repairing)

    def _sent_at(self, timestamp: int) -> float:
        """The timestamp in seconds, its wraparounds counted."""
        last, seconds = self._timestamp or (timestamp, 0.0)
        step = (timestamp - last + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        self._timestamp = timestamp, seconds + step / RTP_CLOCK_HZ
        return self._timestamp[1]

    def _lossy(self) -> bool:
        numbers = self._arrived.ascending
        expected = numbers[-1] - numbers[0] + 1
        return 1 - len(numbers) / expected > LOSSY
