"""A panel that is also heard."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from homecall_pi.config.parts import SoundsConfig
from homecall_pi.core.actions import Show
from homecall_pi.core.state import Reason, State
from homecall_pi.core.tones import Tone
from homecall_pi.errors import OperatorError
from homecall_pi.hardware import clip, sounds
from homecall_pi.hardware.null import NullPanel, NullSpeaker
from homecall_pi.hardware.sounds import SoundingPanel

PRESS = Show(State.OFFERING)


class Panel(NullPanel):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def start(self, on_press) -> None:
        self.told.append(on_press)

    def show(self, show: Show) -> None:
        self.told.append(show)

    def release_door(self) -> None:
        self.told.append("release")

    @property
    def door(self) -> str:
        return "open"

    def stop(self) -> None:
        self.told.append("stop")


class Speaker(NullSpeaker):
    """Remembers what it plays."""

    def __init__(self) -> None:
        self.sounds: list[tuple[bytes, bytes]] = []

    def sound(self, once: bytes, then: bytes = b"") -> None:
        self.sounds.append((once, then))


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


def ready(panel: SoundingPanel, speaker: Speaker) -> SoundingPanel:
    """The panel, when its tones are made and nothing was played yet."""
    panel.start(lambda: None)
    for thread in threading.enumerate():
        if thread.name == "sounds":
            thread.join()
    speaker.sounds.clear()
    return panel


@pytest.fixture
def panel(speaker: Speaker, quick: None) -> SoundingPanel:
    return ready(sounds.build(Panel(), speaker, SoundsConfig()), speaker)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tones that are made at once: their names."""
    monkeypatch.setattr(sounds, "synthesise", lambda tone: tone.value.ljust(20).encode())


def made(tone: Tone) -> bytes:
    return tone.value.ljust(20).encode()


def test_a_call_is_heard_from_the_press_to_the_end(panel: SoundingPanel, speaker: Speaker):
    for show in (
        PRESS,
        Show(State.RINGING),
        Show(State.CONNECTING),
        Show(State.TALKING),
        Show(State.IDLE, Reason.HUNG_UP),
        Show(State.IDLE),
    ):
        panel.show(show)
    assert speaker.sounds == [
        (made(Tone.CHIME), made(Tone.RING_BACK)),
        (made(Tone.ANSWERED), b""),
        (made(Tone.ENDED), b""),
    ]


def test_a_call_that_is_lost_is_heard_to_reconnect_over_and_over(
    panel: SoundingPanel, speaker: Speaker
):
    for show in (Show(State.TALKING), Show(State.RECONNECTING), Show(State.TALKING)):
        panel.show(show)
    assert speaker.sounds == [
        (made(Tone.ANSWERED), b""),
        (b"", made(Tone.RECONNECTING)),
        (made(Tone.ANSWERED), b""),
    ]


def test_the_loudspeaker_makes_itself_ready_before_the_first_press(speaker: Speaker, quick: None):
    sounds.build(Panel(), speaker, SoundsConfig()).start(lambda: None)
    assert speaker.sounds == [(b"", b"")]


def test_a_press_before_the_tones_are_made_is_silent(speaker: Speaker):
    panel = SoundingPanel(Panel(), speaker, {})
    panel.show(PRESS)
    assert speaker.sounds == [(b"", b"")]


def test_the_panel_is_a_panel_still(speaker: Speaker, quick: None):
    inner = Panel()
    panel = sounds.build(inner, speaker, SoundsConfig())

    def on_press() -> None: ...

    panel.start(on_press)
    panel.show(PRESS)
    panel.release_door()
    panel.stop()
    assert inner.told == [on_press, PRESS, "release", "stop"]
    assert panel.door == "open"


def test_files_take_the_place_of_tones(speaker: Speaker, audio: Path, quick: None):
    panel = ready(sounds.build(Panel(), speaker, SoundsConfig(chime=str(audio))), speaker)
    panel.show(PRESS)
    ((once, then),) = speaker.sounds
    assert once == clip.samples(audio)
    assert then == made(Tone.RING_BACK)


def test_sounds_may_be_softer(speaker: Speaker, quick: None):
    panel = ready(sounds.build(Panel(), speaker, SoundsConfig(gain_db=-60)), speaker)
    panel.show(PRESS)
    assert max(map(abs, memoryview(speaker.sounds[0][0]).cast("h"))) < 32


def test_a_file_of_no_use_is_told_at_once_with_a_cure(speaker: Speaker, video: Path):
    with pytest.raises(OperatorError, match="give a clip with a audio track"):
        sounds.build(Panel(), speaker, SoundsConfig(ended=str(video)))
    with pytest.raises(OperatorError, match="give a readable clip"):
        sounds.build(Panel(), speaker, SoundsConfig(chime="/nonexistent.wav"))
