"""Clips for the doors without hardware, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from .clips import write_audio, write_video


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of the test picture, 320x240."""
    return write_video(tmp_path_factory.mktemp("clips") / "video.mp4")


@pytest.fixture(scope="session")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fifth of a second of a tone, stereo at 44.1 kHz."""
    return write_audio(tmp_path_factory.mktemp("clips") / "audio.wav", samples=8820)
