"""Builds the door out of the parts that the configuration names."""

from __future__ import annotations

from pathlib import Path

from ..config import CameraConfig, Config, MicrophoneConfig, SpeakerConfig
from ..core.ports import Camera, Door, Microphone, Speaker
from . import null


def build(config: Config) -> Door:
    """The door. An adapter's library is imported only when the adapter is chosen.

    Raises:
        OperatorError: a file that the configuration names is of no use.
    """
    return Door(
        panel=null.NullPanel(),
        camera=_camera(config.camera),
        microphone=_microphone(config.microphone),
        speaker=_speaker(config.speaker),
    )


def _camera(config: CameraConfig) -> Camera:
    if config.source == "none":
        return null.NullCamera()
    from .fake import FakeCamera

    return FakeCamera(
        _path(config.file),
        width=config.width,
        height=config.height,
        fps=config.fps,
        bitrate_bps=config.bitrate_bps,
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


def _path(text: str) -> Path | None:
    return Path(text) if text else None
