"""Builds the door out of the parts that the configuration names."""

from __future__ import annotations

from pathlib import Path

from ..config.parts import CameraConfig, MicrophoneConfig, PanelConfig, SpeakerConfig
from ..config.schema import Config
from ..core.bitrate import Bounds
from ..core.ports import Camera, Door, Microphone, Panel, Speaker
from . import null


def build(config: Config) -> Door:
    """The door. An adapter's library is imported only when the adapter is chosen.

    Raises:
        OperatorError: a file that the configuration names is of no use.
    """
    microphone, speaker = _sound(config)
    panel, camera = _panel(config.panel), _camera(config.camera)
    return Door(
        panel=_with_sounds(panel, speaker, config),
        camera=camera,
        microphone=microphone,
        speaker=speaker,
        bitrate=Bounds(
            start_bps=config.camera.bitrate_bps,
            min_bps=config.camera.min_bitrate_bps,
            max_bps=config.camera.max_bitrate_bps,
        ),
        progress=tuple(part.progress for part in (panel, camera) if hasattr(part, "progress")),
    )


def _panel(config: PanelConfig) -> Panel:
    if config.source == "none":
        return null.NullPanel()
    from .gpio import GpioPanel

    return GpioPanel(config)


def _camera(config: CameraConfig) -> Camera:
    if config.source == "none":
        return null.NullCamera()
    if config.source == "picamera2":
        from . import picamera

        return picamera.build(config, picamera.load())
    if config.source == "v4l2":
        from . import v4l2

        return v4l2.build(config)
    from . import fake

    kind = {"width": config.width, "height": config.height, "fps": config.fps}
    if config.source == "test":
        return fake.TestPictureCamera(**kind, bitrate_bps=config.bitrate_bps)
    path = Path(config.file) if config.source == "file" else None
    return fake.FakeCamera(path, **kind, bitrate_bps=config.bitrate_bps)


def _sound(config: Config) -> tuple[Microphone, Speaker]:
    """Where both are by pyaudio, they are two ports of one card, for the echo's sake."""
    if "pyaudio" not in {config.microphone.source, config.speaker.source}:
        return _microphone(config.microphone), _speaker(config.speaker)
    from . import soundcard

    card = soundcard.build(config.microphone, config.speaker)
    own = config.microphone.source == "pyaudio", config.speaker.source == "pyaudio"
    return (
        card.microphone if own[0] else _microphone(config.microphone),
        card.speaker if own[1] else _speaker(config.speaker),
    )


def _microphone(config: MicrophoneConfig) -> Microphone:
    if config.source == "none":
        return null.NullMicrophone()
    from .fake import FakeMicrophone

    return FakeMicrophone(_path(config.file))


def _speaker(config: SpeakerConfig) -> Speaker:
    if config.source == "none":
        return null.NullSpeaker()
    from .fake import FakeSpeaker

    return FakeSpeaker(_path(config.file))


def _with_sounds(panel: Panel, speaker: Speaker, config: Config) -> Panel:
    if config.speaker.source == "none" or not config.sounds.on:
        return panel
    from . import sounds

    return sounds.build(panel, speaker, config.sounds)


def _path(text: str) -> Path | None:
    return Path(text) if text else None
