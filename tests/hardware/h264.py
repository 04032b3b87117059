"""What tests ask of H.264."""

from __future__ import annotations

import asyncio

import av

from homecall_pi.core.ports import AccessUnit
from homecall_pi.hardware.annexb import IDR, PPS, SPS, units

from ..conftest import PATIENCE_S

Film = asyncio.Queue[AccessUnit]
"""What a camera delivers."""


async def take(film: Film, count: int = 1) -> list[AccessUnit]:
    """The next access units."""
    async with asyncio.timeout(PATIENCE_S):
        return [await film.get() for _ in range(count)]


async def next_key_frame(film: Film) -> int:
    """How many access units it takes until a key frame comes."""
    for count in range(1, 1000):
        if (await take(film))[0].key_frame:
            return count
    raise AssertionError("no key frame")


def is_whole_key_frame(unit: AccessUnit) -> bool:
    """Whether a decoder can begin here, in constrained baseline."""
    found = dict(units(unit.data))
    sps = found.get(SPS, b"")
    return unit.key_frame and {SPS, PPS, IDR} <= found.keys() and sps[4] == 66 and sps[5] & 0x40 > 0


def decode(*access_units: AccessUnit) -> list[av.VideoFrame]:
    """The pictures."""
    decoder = av.CodecContext.create("h264", "r")
    frames = [frame for unit in access_units for frame in decoder.decode(av.Packet(unit.data))]
    return [*frames, *decoder.decode(None)]
