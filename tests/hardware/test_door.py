"""The door is built out of what the configuration names."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from homecall_pi.config.file import load
from homecall_pi.config.parts import MicrophoneConfig, PanelConfig, SoundsConfig, SpeakerConfig
from homecall_pi.config.schema import Config
from homecall_pi.core.actions import Show
from homecall_pi.core.state import State
from homecall_pi.errors import OperatorError
from homecall_pi.hardware import door
from homecall_pi.hardware.fake import FakeCamera, FakeMicrophone, FakeSpeaker
from homecall_pi.hardware.gpio import GpioPanel
from homecall_pi.hardware.null import NullPanel, NullSpeaker
from homecall_pi.hardware.soundcard import CardMicrophone, CardSpeaker
from homecall_pi.hardware.sounds import SoundingPanel


def test_without_pins_the_panel_is_none():
    panel = door.build(Config()).panel
    assert isinstance(panel, NullPanel)
    panel.show(Show(State.IDLE))
    panel.release_door()
    assert panel.door == "none"


def test_the_panel_at_the_pins():
    panel = door.build(Config(panel=PanelConfig(source="gpio"))).panel
    assert isinstance(panel, GpioPanel)
    assert panel.door == "none"


def test_parts_with_threads_that_could_hang_show_their_progress():
    assert door.build(Config()).progress == ()
    config = load(None, {"panel": {"source": "gpio"}, "camera": {"source": "v4l2"}})
    assert [part.name for part in door.build(config).progress] == ["panel", "camera"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"led_pin": 17}, "panel: GPIO 17 is given twice: each part needs its own pin"),
        ({"relay_pin": 23, "chime_pin": 23}, "GPIO 23 is given twice"),
        ({"led_pin": 28}, "panel.led_pin: "),
        ({"relay_s": 60}, "panel.relay_s: "),
        ({"relay_active": "up"}, "panel.relay_active: "),
    ],
)
def test_pins_and_pulses_that_cannot_be_are_refused(keys: dict[str, object], message: str):
    with pytest.raises(OperatorError) as caught:
        load(None, {"panel": keys})
    assert message.lower() in str(caught.value).lower()


def test_parts_that_are_not_wired_may_share_the_lack_of_a_pin():
    config = load(None, {"panel": {"button_pin": -1, "led_pin": -1}})
    assert config.panel.button_pin == config.panel.relay_pin == -1


CARD = MicrophoneConfig(source="pyaudio"), SpeakerConfig(source="pyaudio")
FAKE = MicrophoneConfig(source="fake"), SpeakerConfig(source="fake")


def test_microphone_and_loudspeaker_by_pyaudio_are_two_ports_of_one_card():
    built = door.build(Config(microphone=CARD[0], speaker=CARD[1]))
    assert isinstance(built.microphone, CardMicrophone)
    assert isinstance(built.speaker, CardSpeaker)
    assert built.microphone._card is built.speaker._card


def test_one_half_may_be_by_pyaudio_and_the_other_not():
    built = door.build(Config(microphone=CARD[0], speaker=FAKE[1]))
    assert isinstance(built.microphone, CardMicrophone)
    assert isinstance(built.speaker, FakeSpeaker)
    built = door.build(Config(microphone=FAKE[0], speaker=CARD[1]))
    assert isinstance(built.microphone, FakeMicrophone)
    assert isinstance(built.speaker, CardSpeaker)


@pytest.mark.parametrize(
    ("library", "cure"),
    [("pyaudio", "apt install python3-pyaudio"), ("pywebrtc_audio", "set echo_canceller = false")],
)
def test_a_library_that_the_card_lacks_is_told_with_the_cure(
    library: str, cure: str, monkeypatch: pytest.MonkeyPatch
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == library else find(name)
    )
    with pytest.raises(OperatorError, match=f"{library}, which is not installed: .*{cure}"):
        door.build(Config(microphone=CARD[0]))


def test_the_sound_card_alone_imports_neither_its_library_nor_numpy():
    """An idle door has no use for them, and no memory to spare."""
    code = (
        "import sys; from homecall_pi.config.file import load; "
        "from homecall_pi.hardware import door; "
        "door.build(load(None, {'microphone': {'source': 'pyaudio'}})); "
        "sys.exit(bool({'numpy', 'pyaudio'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_the_panel_shows_is_heard_where_there_is_a_loudspeaker():
    assert isinstance(door.build(Config(speaker=FAKE[1])).panel, SoundingPanel)
    assert isinstance(door.build(Config()).panel, NullPanel)
    silent = door.build(Config(speaker=FAKE[1], sounds=SoundsConfig(on=False)))
    assert isinstance(silent.panel, NullPanel)


async def test_a_door_without_a_loudspeaker_takes_sounds_all_the_same():
    speaker = door.build(Config()).speaker
    assert isinstance(speaker, NullSpeaker)
    speaker.sound(b"x")


def test_a_clip_is_a_camera(video: Path):
    camera = {"source": "file", "file": str(video)}
    assert isinstance(door.build(load(None, {"camera": camera})).camera, FakeCamera)
