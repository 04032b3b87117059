"""The virtual card by itself: `python -m tests.bench.card SECONDS`, for `scripts/bench ear`.

Plays a chirp each second by PyAudio and listens. Prints when it handed the chirps over, and what it
heard: the time of each chunk, and its samples in hexadecimal.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from homecall_pi.core.ports import CHUNK_SAMPLES
from homecall_pi.hardware import portaudio
from tests.bench.listening import CHIRPS, to_bytes


def main(seconds: float) -> None:
    """A chunk in, a chunk out."""
    devices = portaudio.Devices(portaudio.load())
    microphone, speaker = devices.microphone(""), devices.speaker("")
    sound = to_bytes(np.pad(CHIRPS["family"], (0, 48_000 - len(CHIRPS["family"]))))
    size = 2 * CHUNK_SAMPLES
    played, heard = [], []
    for count in range(int(50 * seconds)):
        speaker.write(sound[count % 50 * size :][:size])
        if count % 50 == 0:
            played.append(time.time())
        came = microphone.read(speaker.flush).hex()
        heard.append((time.time(), came))
    devices.close()
    json.dump({"played": played, "heard": heard}, sys.stdout)


if __name__ == "__main__":
    main(float(sys.argv[1]))
