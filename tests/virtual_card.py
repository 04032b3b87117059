"""A sound card without hardware: a PulseAudio server of our own, to which ALSA's default leads.

What the door plays goes into the sink `loudspeaker`; what is played into the sink `visitor` is what
the door's microphone hears.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from pathlib import Path

PATIENCE_S = 10.0
_FORMAT = ("--rate=48000", "--channels=1", "--format=s16le")

_ASOUND = """
pcm_type.pulse { lib "libasound_module_pcm_pulse.so" }
ctl_type.pulse { lib "libasound_module_ctl_pulse.so" }
pcm.!default { type pulse }
ctl.!default { type pulse }
"""
_SERVER = """
load-module module-null-sink norewinds=1 sink_name=loudspeaker rate=48000 channels=1
load-module module-null-sink norewinds=1 sink_name=visitor rate=48000 channels=1
load-module module-remap-source master=visitor.monitor source_name=microphone
set-default-sink loudspeaker
set-default-source microphone
load-module module-native-protocol-unix socket={socket} auth-anonymous=1
"""
"""Who reaches it finds all of it: the socket comes last."""


class VirtualCard:
    """The card. `environment` leads a program's ALSA, and so PortAudio's default device, to it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self._folder = folder
        self._socket = folder / "native"
        self.environment = {
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
            "HOME": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_STATE_PATH": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
        }
        (folder / "asound.conf").write_text(_ASOUND)
        (folder / "server.pa").write_text(_SERVER.format(socket=self._socket))
        self._helpers: list[subprocess.Popen[bytes]] = []
        self._numbers = itertools.count()
        self._server: subprocess.Popen[bytes] | None = None

    def plug(self) -> None:
        """Starts it; it takes a moment to be there."""
        script = self._folder / "server.pa"
        options = ("--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--realtime=no")
        log = f"--log-target=file:{self._folder / 'log'}"
        self._server = self._run("pulseaudio", "-n", "-F", str(script), *options, log)
        deadline = time.monotonic() + PATIENCE_S
        while subprocess.run(["pactl", "info"], env=self._all(), capture_output=True).returncode:
            assert time.monotonic() < deadline, "PulseAudio did not start"
            time.sleep(0.05)

    def unplug(self) -> None:
        """Takes it away from under whoever uses it."""
        for process in (*self._helpers, self._server):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        self._helpers.clear()
        self._server = None
        self._socket.unlink(missing_ok=True)

    def say(self, sound: Path) -> subprocess.Popen[bytes]:
        """Plays a WAV file into the microphone."""
        player = self._run("paplay", "--device=visitor", str(sound))
        self._helpers.append(player)
        return player

    def record(self) -> Path:
        """Records from now on what the loudspeaker plays, as bare samples."""
        path = self._folder / f"played{next(self._numbers)}.raw"
        path.touch()
        recorder = ("parec", "--device=loudspeaker.monitor", "--latency-msec=20", *_FORMAT)
        self._helpers.append(self._run(*recorder, str(path)))
        return path

    def listen(self, sink: str) -> subprocess.Popen[bytes]:
        """What a sink plays, as soon as it can be had: bare samples on standard output."""
        recorder = ("parec", f"--device={sink}.monitor", "--latency-msec=10", *_FORMAT)
        listener = self._run(*recorder, output=subprocess.PIPE)
        self._helpers.append(listener)
        return listener

    def _all(self) -> dict[str, str]:
        return os.environ | self.environment

    def _run(self, *command: str, output: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=self._all(), stdout=output, stderr=subprocess.DEVNULL)
