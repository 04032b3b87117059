"""The echo canceller: takes out of the microphone what the loudspeaker puts in.

It is WebRTC's (AEC3), with WebRTC's noise suppression behind it. No automatic gain comes after
them: it would lift the rest of the echo by some 15 dB whenever the visitor is silent.

The library brings numpy along (16 MB, 0.2 s of a fast processor), so both are imported with the
first canceller and not with this module.
"""

from __future__ import annotations

from ..core.ports import SAMPLE_RATE

NOISE_LEVEL = 2
"""Noise goes down by 18 dB, as in Chromium. One step more would begin to thin the voice."""


class EchoCanceller:
    """One for each call: what it learned of the room is out of date in the next one.

    Use it on one thread. WebRTC works on frames of 10 ms; blocks may hold any number of them.
    """

    def __init__(self) -> None:
        import numpy as np
        from pywebrtc_audio import AudioProcessor

        self._np = np
        self._processor = AudioProcessor(
            sample_rate=SAMPLE_RATE,
            echo_cancellation=True,
            noise_suppression=True,
            ns_level=NOISE_LEVEL,
        )

    def clean(self, heard: bytes, played: bytes) -> bytes:
        """The blocks that the microphone heard, without the echo of what the loudspeaker plays.

        `played` is as long, and is to be what was handed to the loudspeaker at the time at which
        `heard` came. How much later it is heard, the canceller finds out by itself; it must not be
        earlier.
        """
        samples = self._np.frombuffer(heard, self._np.int16)
        reference = self._np.frombuffer(played, self._np.int16)
        return self._processor.process(samples, reference).tobytes()
