"""The door's microphone as a track: what is sent when, and what is dropped."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import av

from homecall_pi.core.ports import BLOCK_SAMPLES
from homecall_pi.webrtc.opus import VoiceDecoder
from homecall_pi.webrtc.tracks import MAX_BLOCKS_WAITING, MicrophoneTrack
from homecall_pi.webrtc.voice import Level

BLOCK = b"\x00\x40" * BLOCK_SAMPLES


def loudness(packet: av.Packet) -> float:
    """Of the packet's sound, in dB below full scale."""
    level = Level()
    level.add(VoiceDecoder().decode(bytes(packet)))
    return level.dbfs


async def test_sound_before_the_connection_stands_is_dropped_and_time_starts_at_nought():
    track = MicrophoneTrack()
    for _ in range(8):
        track.put(BLOCK)
    first = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    for _ in range(4):
        track.put(bytes(2 * BLOCK_SAMPLES))
    packets = [await first, await track.recv()]
    assert [packet.pts for packet in packets] == [0, 960]
    assert packets[0].time_base == Fraction(1, 48_000)
    assert loudness(packets[0]) < -90


async def test_of_sound_that_waits_too_long_the_oldest_is_dropped():
    track = MicrophoneTrack()
    first = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    for _ in range(3):
        track.put(BLOCK)
    for _ in range(MAX_BLOCKS_WAITING):
        track.put(bytes(2 * BLOCK_SAMPLES))
    assert loudness(await first) < -90


async def test_a_microphone_that_delivers_nothing_keeps_the_sender_waiting():
    waiting = asyncio.create_task(MicrophoneTrack().recv())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
