"""The sound card's program as a process."""

from __future__ import annotations

import signal
import socket
import subprocess

import pytest

from homecall_pi.hardware.sound_link import spawn
from homecall_pi.hardware.sound_messages import (
    MAX_MESSAGE_BYTES,
    Half,
    Halves,
    Idle,
    Speak,
    decode_from_program,
    encode,
)

from ..conftest import PATIENCE_S

pytestmark = pytest.mark.e2e


def test_it_outlives_a_service_that_is_told_to_end_until_the_daemon_closes_the_line():
    line, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with line:
        line.settimeout(4 * PATIENCE_S)
        with other:
            process = spawn(Halves(None, Half("no such card"), cancel_echo=False), other)
        assert isinstance(process, subprocess.Popen)
        line.send(encode(Speak(True)))
        assert line.recv(MAX_MESSAGE_BYTES)
        process.send_signal(signal.SIGTERM)
        line.send(encode(Speak(False)))
        while not isinstance(decode_from_program(line.recv(MAX_MESSAGE_BYTES)), Idle):
            pass
    assert process.wait(PATIENCE_S) == 0
