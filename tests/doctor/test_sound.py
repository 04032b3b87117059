"""What is found of microphone and loudspeaker, on sound cards without hardware."""

from __future__ import annotations

import math
import os
from array import array
from pathlib import Path

import pytest

from homecall_pi.config.parts import MicrophoneConfig, SoundsConfig, SpeakerConfig
from homecall_pi.control import Status
from homecall_pi.core.ports import BLOCK_SAMPLES, SAMPLE_RATE
from homecall_pi.doctor import sound
from homecall_pi.doctor.finding import Finding
from homecall_pi.hardware.fake_pyaudio import Card, Machine

MICROPHONE = MicrophoneConfig(source="pyaudio")
SPEAKER = SpeakerConfig(source="pyaudio")
IN_CALL = Status("talking", "up", 4, 4, None, 120, 0, -100.0, 5)


@pytest.fixture
def card() -> Card:
    return Card("USB Speakerphone")


@pytest.fixture
def machine(card: Card) -> Machine:
    return Machine(card)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "LISTEN_CHUNKS", 5)
    monkeypatch.setattr(sound, "SETTLE_CHUNKS", 1)


def tone(peak: float, count: int = SAMPLE_RATE) -> bytes:
    """A sine of 1 kHz, `peak` being a part of full scale."""
    step = 2 * math.pi * 1000 / SAMPLE_RATE
    return array("h", [int(32767 * peak * math.sin(step * n)) for n in range(count)]).tobytes()


def speaker(machine: Machine, config: SpeakerConfig = SPEAKER, **how: bool) -> Finding:
    play = how.get("play", False)
    return sound.speaker(config, SoundsConfig(), None, [], play=play, load=lambda: machine)


def test_a_microphone_that_hears_tells_how_loud_it_is(machine: Machine, card: Card):
    card.said.extend([tone(0.1, BLOCK_SAMPLES)] * 20)
    found = sound.microphone(MICROPHONE, None, [], lambda: machine)
    assert found == Finding("ok", "hears -23 dBFS")
    assert machine.instances == 0


def test_a_silent_microphone_fails(machine: Machine):
    found = sound.microphone(MICROPHONE, None, [], lambda: machine)
    assert (found.status, "nothing but zeros" in found.found) == ("fail", True)
    assert "alsamixer" in found.cure


@pytest.mark.parametrize(
    ("peak", "status", "words"),
    [
        (0.0001, "warn", "next to nothing"),
        (0.5, "ok", "hears -9 dBFS"),
        (1.0, "warn", "overdriven"),
    ],
)
def test_how_loud_it_is_says_what_is_wrong(peak: float, status: str, words: str):
    found = sound.level(tone(peak))
    assert (found.status, words in found.found) == (status, True)


def test_a_microphone_that_is_not_there_is_named_with_those_that_are(machine: Machine):
    found = sound.microphone(
        MicrophoneConfig(source="pyaudio", device="Wohnzimmer"), None, [], lambda: machine
    )
    assert found.status == "fail"
    assert "the microphone is not there as 'Wohnzimmer'" in found.found
    assert "USB Speakerphone" in found.found
    assert "`device` in [microphone]" in found.cure


def test_a_card_that_another_program_has_cannot_be_opened(machine: Machine, card: Card):
    card.busy = True
    assert "cannot be opened" in sound.microphone(MICROPHONE, None, [], lambda: machine).found
    assert "cannot be opened" in speaker(machine).found


def test_a_machine_without_a_card_has_neither():
    machine = Machine()
    heard = sound.microphone(MICROPHONE, None, [], lambda: machine)
    assert (heard.status, "no default input device" in heard.found) == ("fail", True)
    spoken = speaker(machine)
    assert (spoken.status, "no default output device" in spoken.found) == ("fail", True)


def test_without_the_library_there_is_no_sound():
    def load() -> None:
        raise ImportError("No module named 'pyaudio'")

    found = sound.microphone(MICROPHONE, None, [], load)
    assert (found.status, "No module named 'pyaudio'" in found.found) == ("fail", True)


def test_a_loudspeaker_is_opened_and_plays_nothing(machine: Machine, card: Card):
    found = speaker(machine)
    assert (found.status, "--play" in found.found) == ("ok", True)
    assert card.opened == 1
    assert not card.played


def test_with_play_the_chime_is_heard(
    machine: Machine, card: Card, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sound, "synthesise", lambda _: tone(0.2, 10 * BLOCK_SAMPLES))
    found = speaker(machine, play=True)
    assert (found.status, "played the chime" in found.found) == ("ok", True)
    # Silence comes before it, and wherever a machine under load lets the card run dry.
    assert b"".join(filter(any, card.played)) == tone(0.2, 10 * BLOCK_SAMPLES)


def test_the_card_of_a_call_is_left_alone(machine: Machine, card: Card):
    heard = sound.microphone(MICROPHONE, IN_CALL, [], lambda: machine)
    spoken = sound.speaker(SPEAKER, SoundsConfig(), IN_CALL, [], play=True, load=lambda: machine)
    assert heard == spoken == Finding("ok", "in use by call 4")
    assert card.opened == 0


def test_a_card_that_this_user_may_not_use_is_not_tried(
    machine: Machine, card: Card, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may do everything
    found = sound.microphone(MICROPHONE, None, [Path("/dev/snd/pcm")], lambda: machine)
    assert (found.status, found.cure) == ("warn", "sudo homecall-pi doctor")
    assert card.opened == 0


def test_what_is_silent_because_it_was_told_so_is_named(machine: Machine):
    muted = MicrophoneConfig(source="pyaudio", mute=True)
    assert "mute = true" in sound.microphone(muted, None, [], lambda: machine).found
    assert "mute = true" in speaker(machine, SpeakerConfig(source="pyaudio", mute=True)).found
    assert "hears nothing" in sound.microphone(MicrophoneConfig(), None, []).found
    assert "hears nothing" in speaker(machine, SpeakerConfig()).found
    fake = MicrophoneConfig(source="fake")
    assert sound.microphone(fake, None, []).status == "warn"
    assert speaker(machine, SpeakerConfig(source="fake")).status == "warn"


def test_a_sound_that_cannot_be_played_would_end_the_daemon(machine: Machine, tmp_path: Path):
    sounds = SoundsConfig(chime=str(tmp_path / "gong.wav"))
    found = sound.speaker(SPEAKER, sounds, None, [], play=False, load=lambda: machine)
    assert (found.status, "gong.wav" in found.found) == ("fail", True)
    assert "take the key out" in found.cure
