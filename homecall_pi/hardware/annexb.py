"""The little that a door has to know of H.264 byte streams (ITU-T H.264, annex B)."""

from __future__ import annotations

from collections.abc import Iterator

IDR, SPS, PPS = 5, 7, 8
SLICES = {1, IDR}
_START = b"\0\0\1"


def units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The NAL units up to the first slice: type, and bytes from the start code on.

    The slice is what an access unit is about; its end is not looked for.
    """
    at = data.find(_START)
    while at >= 0 and at + 3 < len(data):
        kind = data[at + 3] & 0x1F
        if kind in SLICES:
            yield kind, data[at:]
            return
        end = data.find(_START, at + 3)
        unit = data[at:end] if end >= 0 else data[at:]
        # The zero in front of a start code of four bytes belongs to that, not to the unit.
        yield kind, unit.rstrip(b"\0")
        at = end


def is_key_frame(data: bytes) -> bool:
    """Whether the access unit can be decoded without those before it."""
    return any(kind == IDR for kind, _ in units(data))


def is_baseline(data: bytes) -> bool:
    """Whether the parameter sets in `data`, if there are any, are those of the baseline profile."""
    return all(unit[4:5] == b"\x42" for kind, unit in units(data) if kind == SPS)


class ParameterSets:
    """Sees to it that each key frame carries SPS and PPS: encoders send them at times only once."""

    def __init__(self) -> None:
        self._sets: dict[int, bytes] = {}

    def complete(self, data: bytes) -> bytes:
        """The key frame with its parameter sets."""
        own = {kind: b"\0" + unit for kind, unit in units(data) if kind in {SPS, PPS}}
        self._sets |= own
        missing = [self._sets[kind] for kind in (SPS, PPS) if kind in self._sets.keys() - own]
        return b"".join((*missing, data))
