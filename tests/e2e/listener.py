"""Somebody who stands at the door and listens to a sound card's loudspeaker."""

from __future__ import annotations

from array import array

from tests.virtual_card import VirtualCard

from .. import sound
from .household import until

WINDOW = sound.RATE // 10


def beeps_in(samples: array[int], pitch_hz: float) -> int:
    """How many windows have this pitch."""
    windows = (samples[start : start + WINDOW] for start in range(0, len(samples), WINDOW))
    return sum(
        sound.dbfs(window) > -40 and abs(sound.pitch(window) / pitch_hz - 1) < 0.03
        for window in windows
    )


class Listener:
    """Stands at the door from now on, and hears one pitch after the other."""

    def __init__(self, card: VirtualCard) -> None:
        self._recording = card.record()
        self._heard = 0

    async def hears(self, pitch_hz: float) -> None:
        """Waits until the loudspeaker plays this pitch."""
        await until(f"the loudspeaker plays {pitch_hz:g} Hz", lambda: self._looks_for(pitch_hz))

    def _looks_for(self, pitch_hz: float) -> bool:
        content = self._recording.read_bytes()
        samples = array("h", content[: len(content) // 2 * 2])
        for start in range(self._heard, len(samples) - WINDOW + 1, WINDOW):
            self._heard = start + WINDOW
            window = samples[start : self._heard]
            if beeps_in(window, pitch_hz):
                return True
        return False
