"""H.264 as payloads of RTP packets (RFC 6184, packetization-mode 1)."""

from __future__ import annotations

from collections.abc import Iterator
from struct import pack

STAP_A, FU_A = 24, 28
"""Types of a payload with several NAL units (section 5.7.1) and with a part of one (5.8)."""
_START_CODE = b"\0\0\1"
_FORBIDDEN, _IMPORTANCE, _TYPE = 0x80, 0x60, 0x1F
"""The fields of a NAL unit's first byte: F, NRI, Type (section 1.3)."""
_FIRST, _LAST = 0x80, 0x40
"""Bits of the second byte of a part: S, E."""


def payloads(access_unit: bytes, room: int) -> list[bytes]:
    """The access unit (Annex B) as payloads of at most `room` bytes, in order."""
    made: list[bytes] = []
    small: list[bytes] = []
    size = 1
    for unit in nal_units(access_unit):
        if small and size + 2 + len(unit) > room:
            made.append(_together(small))
            small, size = [], 1
        if len(unit) > room:
            made.extend(_parts(unit, room))
        else:
            small.append(unit)
            size += 2 + len(unit)
    if small:
        made.append(_together(small))
    return made


def nal_units(access_unit: bytes) -> Iterator[bytes]:
    """The NAL units between the start codes. Zeros at an end belong to the start code after it."""
    for piece in access_unit.split(_START_CODE)[1:]:
        if unit := piece.rstrip(b"\0"):
            yield unit


def _together(units: list[bytes]) -> bytes:
    """One payload: a unit as it is, or several of them, each behind its size."""
    if len(units) == 1:
        return units[0]
    forbidden = max(unit[0] & _FORBIDDEN for unit in units)
    importance = max(unit[0] & _IMPORTANCE for unit in units)
    sized = (pack("!H", len(unit)) + unit for unit in units)
    return b"".join((bytes((forbidden | importance | STAP_A,)), *sized))


def _parts(unit: bytes, room: int) -> list[bytes]:
    """A unit in parts of about the same size. The unit's first byte goes into their headers."""
    indicator, kind = unit[0] & ~_TYPE | FU_A, unit[0] & _TYPE
    count = -(-(len(unit) - 1) // (room - 2))
    step = -(-(len(unit) - 1) // count)
    marks = [0] * count
    marks[0], marks[-1] = _FIRST, _LAST
    return [
        bytes((indicator, mark | kind)) + unit[at : at + step]
        for mark, at in zip(marks, range(1, len(unit), step), strict=True)
    ]
