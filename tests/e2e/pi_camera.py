"""The program, with a Raspberry Pi's camera: plugged in while the file $CAMERA is there."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np  # noqa: F401 - now, not when the fake takes its first picture

from homecall_pi.cli import main
from homecall_pi.hardware import picamera
from homecall_pi.hardware.fake_picamera2 import Machine

machine = Machine()


def follow(plug: Path) -> None:
    """Plugs it in and out, for ever."""
    while True:
        machine.connected = plug.exists()
        time.sleep(0.02)


if __name__ == "__main__":
    threading.Thread(target=follow, args=[Path(os.environ["CAMERA"])], daemon=True).start()
    picamera.load = machine.library
    main()
