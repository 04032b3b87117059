"""A TURN server: Debian's coturn, as a household would run it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 10.0
SECRET = "the roof"
"""Shared with the door and the signaling server."""
USER, PASSWORD = "door", "the lawn"
"""Of a server without that."""

_CONFIGURATION = """\
listening-ip={host}
listening-port={port}
tls-listening-port={tls_port}
relay-ip={host}
relay-threads=1
realm=example.org
no-cli
no-dtls
simple-log
log-file=stdout
pidfile={folder}/pid
userdb={folder}/db
"""


class Coturn:
    """A server on `host`, in the network that `prefix` leads into.

    With a `certificate` and its key it listens for TLS too; with `time_limited`, it takes
    credentials made from SECRET instead of USER and PASSWORD.
    """

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        *,
        port: int = 3478,
        tls_port: int = 5349,
        prefix: tuple[str, ...] = (),
        certificate: tuple[Path, Path] | None = None,
        time_limited: bool = False,
    ) -> None:
        program = shutil.which("turnserver")
        assert program, "coturn is missing; scripts/test installs it"
        self.host, self.port, self.tls_port = host, port, tls_port
        self._folder, self._prefix, self._program = folder, prefix, program
        self._process: subprocess.Popen[bytes] | None = None
        lines = _CONFIGURATION.format(host=host, port=port, tls_port=tls_port, folder=folder)
        if time_limited:
            lines += f"use-auth-secret\nstatic-auth-secret={SECRET}\n"
        else:
            lines += f"lt-cred-mech\nuser={USER}:{PASSWORD}\n"
        lines += f"cert={certificate[0]}\npkey={certificate[1]}\n" if certificate else "no-tls\n"
        (folder / "turn.conf").write_text(lines)

    def start(self) -> None:
        """Returns when it listens."""
        with (self._folder / "turn.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, self._program, "-c", str(self._folder / "turn.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._listens():
            assert self._process.poll() is None, (self._folder / "turn.log").read_text()
            assert time.monotonic() < deadline, "coturn does not listen"
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends it at once, as a power cut would: no client is told."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Alive, and doing nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        command = [*self._prefix, "ss", "-Huln", "sport", "=", f":{self.port}"]
        return bool(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def free_port() -> int:
    """A port that is free for UDP and TCP just now."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
