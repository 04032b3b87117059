"""The sound card's program as a process."""

from __future__ import annotations

import signal
import socket
import subprocess

import msgspec

from homecall_pi.hardware.duplex import Half, Halves
from homecall_pi.hardware.sound_process import MAX_MESSAGE_BYTES, FromProgram, Idle, Speak
from homecall_pi.hardware.soundcard import spawn

from ..conftest import PATIENCE_S

encode = msgspec.msgpack.encode
decode = msgspec.msgpack.Decoder(FromProgram).decode


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
        while not isinstance(decode(line.recv(MAX_MESSAGE_BYTES)), Idle):
            pass
    assert process.wait(PATIENCE_S) == 0
