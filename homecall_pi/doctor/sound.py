"""Microphone and loudspeaker: listens for a second, and plays a tone if that is wanted."""

from __future__ import annotations

import contextlib
import math
import os
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..config.parts import MicrophoneConfig, SoundsConfig, SpeakerConfig
from ..config.schema import Config
from ..control import Status
from ..core.ports import CHUNK_SAMPLES, SAMPLE_RATE
from ..core.samples import LOUDEST, amplify
from ..core.tones import Tone, synthesise
from ..errors import HardwareError, OperatorError
from ..hardware import door
from ..hardware.portaudio import POLL_S, Devices, Input, Output, load
from .finding import Finding, fail, ok, warn

LISTEN_CHUNKS = 50
SETTLE_CHUNKS = 15
"""Chunks at the start that do not count: many cards click when they start."""
QUIET_DBFS = -75.0
"""A room at night is louder than that through any microphone."""

Load = Callable[[], Any]

_LEVELS = "set its level and see that capture is on: alsamixer, F4"


def microphone(
    config: MicrophoneConfig, status: Status | None, devices: list[Path], load: Load = load
) -> Finding:
    """Whether the microphone hears; `status` is that of the daemon, if one runs."""
    if config.source == "none":
        return warn("there is none: the family hears nothing", "set source in [microphone]")
    if config.mute:
        return warn("mute = true: the family hears nothing", "take mute out of [microphone]")
    if config.source == "fake":
        return warn('source = "fake" plays a recording', "set source in [microphone]")
    if held := _held(status, devices):
        return held
    try:
        with _open(load) as cards:
            return level(_listen(cards.microphone(config.device)))
    except HardwareError as error:
        return fail(f"the microphone {error}", _cure("microphone"))


def _held(status: Status | None, devices: list[Path]) -> Finding | None:
    """Why the card is not to be touched, if so."""
    if status is not None and status.call_id is not None:
        return ok(f"in use by call {status.call_id}")
    if locked := [path for path in devices if not os.access(path, os.R_OK | os.W_OK)]:
        return warn(f"this user may not use {locked[0]}", "sudo homecall-pi doctor")
    return None


def _cure(part: str) -> str:
    return f"see that it is plugged in and free (docs/sound.md), or set `device` in [{part}]"


@contextlib.contextmanager
def _open(load: Load) -> Iterator[Devices]:
    try:
        devices = Devices(load())
    except (ImportError, OSError) as error:
        raise HardwareError(f"cannot be used ({error})") from None
    try:
        yield devices
    finally:
        devices.close()


def _listen(source: Input) -> bytes:
    """A second of what is heard, once the microphone is on."""
    while not source.started:
        time.sleep(POLL_S)
    chunks = [source.read() for _ in range(SETTLE_CHUNKS + LISTEN_CHUNKS)]
    return b"".join(chunks[SETTLE_CHUNKS:])


def level(samples: bytes) -> Finding:
    """How loud signed 16-bit samples are, and what that says of the microphone."""
    values = array("h", samples)
    peak = max(map(abs, values))
    if peak == 0:
        return fail("nothing but zeros comes: it is muted, or a wire is off", _LEVELS)
    loudness = math.sqrt(sum(value * value for value in values) / len(values))
    dbfs = 20 * math.log10(loudness / LOUDEST)
    found = f"hears {dbfs:.0f} dBFS"
    if dbfs < QUIET_DBFS:
        return warn(f"{found}, next to nothing", _LEVELS)
    if peak >= LOUDEST:
        return warn(f"{found}, overdriven", "make it softer: alsamixer, F4")
    return ok(found)


def speaker(
    config: SpeakerConfig,
    sounds: SoundsConfig,
    status: Status | None,
    devices: list[Path],
    *,
    play: bool,
    load: Load = load,
) -> Finding:
    """Whether the loudspeaker can be had; with `play`, the chime is heard from it."""
    if config.source == "none":
        return warn("there is none: the visitor hears nothing", "set source in [speaker]")
    try:
        door.build(Config(speaker=SpeakerConfig(source="fake"), sounds=sounds))
    except OperatorError as error:
        return fail(f"[sounds]: {error}", "name a file that is there, or take the key out")
    if config.mute:
        return warn("mute = true: the visitor hears nothing", "take mute out of [speaker]")
    if config.source == "fake":
        return warn('source = "fake" plays to nobody', "set source in [speaker]")
    if held := _held(status, devices):
        return held
    try:
        with _open(load) as cards:
            sink = cards.speaker(config.device)
            if play:
                _play(sink, amplify(synthesise(Tone.CHIME), config.gain_db + sounds.gain_db))
    except HardwareError as error:
        return fail(f"the loudspeaker {error}", _cure("speaker"))
    if play:
        return ok("played the chime: if you did not hear it, alsamixer")
    return ok("it opens; to hear it: homecall-pi doctor --play")


def _play(sink: Output, sound: bytes) -> None:
    size = 2 * CHUNK_SAMPLES
    silence = bytes(2 * SAMPLE_RATE // 4)  # else the end would be lost on closing
    sound += silence
    for start in range(0, len(sound) - size + 1, size):
        sink.wait()
        sink.write(sound[start : start + size])
