"""The sounds of the door: whatever its panel shows is heard from the loudspeaker, too."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from ..config.parts import SoundsConfig
from ..core.actions import Show
from ..core.ports import DoorRelease, Panel, Speaker
from ..core.samples import amplify
from ..core.state import State
from ..core.tones import Tone, cue, synthesise
from . import clip


def build(panel: Panel, speaker: Speaker, config: SoundsConfig) -> SoundingPanel:
    """The panel, heard as the configuration wants it.

    Raises:
        OperatorError: a file that it names cannot be played.
    """
    named = {tone: getattr(config, tone.value) for tone in Tone}
    files = {tone: Path(name) for tone, name in named.items() if name}
    for tone, path in files.items():
        clip.check(path, "audio", f"sounds.{tone.value}")
    return SoundingPanel(panel, speaker, files, config.gain_db)


class SoundingPanel:
    """A panel that is also heard.

    `files` are played instead of the tones of our own, which are made in a thread at the start: on
    a small board that takes a second, and nobody presses sooner. They wait packed, in a third of
    the memory: much of them is silence.
    """

    def __init__(
        self, panel: Panel, speaker: Speaker, files: Mapping[Tone, Path], gain_db: float = 0.0
    ) -> None:
        self._panel = panel
        self._speaker = speaker
        self._gain_db = gain_db
        self._state = State.OFFLINE
        self._files = dict(files)
        self._packed: dict[Tone, bytes] = {}

    def start(self, on_press: Callable[[], None]) -> None:
        """Reports presses from now on."""
        threading.Thread(target=self._make, name="sounds", daemon=True).start()
        self._speaker.sound(b"")  # a sound card takes a moment to be ready for the first one
        self._panel.start(on_press)

    def _make(self) -> None:
        for tone in Tone:
            path = self._files.get(tone)
            samples = clip.samples(path) if path else synthesise(tone)
            self._packed[tone] = zlib.compress(amplify(samples, self._gain_db), level=1)

    def _samples(self, tone: Tone | None) -> bytes:
        """Nothing as long as the tone is not made."""
        packed = self._packed.get(tone) if tone else None
        return zlib.decompress(packed) if packed else b""

    def show(self, show: Show) -> None:
        """Lets the visitor see and hear the state of the call."""
        self._panel.show(show)
        change = cue(self._state, show)
        self._state = show.state
        if change is not None:
            self._speaker.sound(self._samples(change.once), self._samples(change.then))

    def release_door(self) -> None:
        """Lets the visitor in."""
        self._panel.release_door()

    @property
    def door(self) -> DoorRelease:
        """What the door release does."""
        return self._panel.door

    def stop(self) -> None:
        """Reports no more presses."""
        self._panel.stop()
