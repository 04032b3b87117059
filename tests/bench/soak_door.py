"""The daemon on a board without hardware: `python -m tests.bench.soak_door FAULTS run …`.

Its camera is our adapter over a fake picamera2, its sound card the program of our own over a fake
PyAudio. FAULTS is a folder; the names of the files in there say what is wrong at the moment.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from homecall_pi.cli import main
from homecall_pi.core import call
from homecall_pi.hardware import door, fake_picamera2, fake_pyaudio, picamera, sound_process
from homecall_pi.hardware.sound_messages import Half, Halves
from homecall_pi.hardware.soundcard import SoundCard

CAMERA_UNPLUGGED, CARD_UNPLUGGED = "camera-unplugged", "card-unplugged"
SOUND = "sound"
"""In place of `run`: the sound card's program, which the daemon starts."""
DECIDE_S = 2.0
"""Seconds that a person has to answer."""
LOOK_S = 0.02


def obey(name: str, change: Callable[[bool], None]) -> None:
    """Has a thread call `change` whenever the fault of this name comes or goes."""

    def look() -> None:
        there = False
        while True:
            if (FAULTS / name).exists() != there:
                there = not there
                change(there)
            time.sleep(LOOK_S)

    threading.Thread(target=look, name="faults", daemon=True).start()


def run() -> None:
    """The daemon, with its camera and its sound card in place of those of the configuration."""
    board = fake_picamera2.Machine()
    obey(CAMERA_UNPLUGGED, lambda gone: setattr(board, "connected", not gone))
    door._camera = lambda config: picamera.build(config, board.library())
    door._sound = lambda _: ports(SoundCard(Halves(Half(), Half()), spawn=spawn))
    call.DECIDE_S = DECIDE_S
    main()


def ports(card: SoundCard) -> tuple[object, object]:
    """Microphone and loudspeaker."""
    return card.microphone, card.speaker


def spawn(halves: Halves, line: socket.socket) -> subprocess.Popen[bytes]:
    """Starts the sound card's program."""
    program = (sys.executable, "-m", __spec__.name, str(FAULTS), SOUND)
    return subprocess.Popen(
        [*program, msgspec.json.encode(halves).decode()], stdin=line.fileno(), process_group=0
    )


def run_sound(halves: str) -> None:
    """The sound card's program."""
    card = fake_pyaudio.Card("USB Audio")
    computer = fake_pyaudio.Machine(card)
    obey(CARD_UNPLUGGED, lambda gone: (computer.unplug if gone else computer.plug)(card))
    sys.modules["pyaudio"] = computer
    sound_process.main(halves)


if __name__ == "__main__":
    FAULTS = Path(sys.argv.pop(1))
    if sys.argv[1] == SOUND:
        run_sound(sys.argv[2])
    else:
        run()
