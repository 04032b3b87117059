"""Consent, asked of a page that answers as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from aioice import Candidate, Connection
from aioice.ice import CandidatePair
from aioice.stun import Message, TransactionTimeout
from aiortc import RTCConfiguration, RTCPeerConnection

from homecall_pi.webrtc import consent, hooks

ADDRESS = "192.0.2.1", 5000


class Line:
    """The way to the page; each answer is one to a check, with all its retransmissions."""

    local_candidate = Candidate("1", 1, "udp", 1, "192.0.2.2", 5001, "host")

    def __init__(self, answers: Iterator[bool]) -> None:
        self.answers = answers
        self.keys: set[bytes] = set()

    async def request(
        self, _: Message, address: tuple[str, int], *, integrity_key: bytes, retransmissions: int
    ) -> None:
        assert address == ADDRESS
        assert retransmissions
        self.keys.add(integrity_key)
        if not next(self.answers):
            raise TransactionTimeout


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consent, "CHECK_S", 0.0)


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    connection = Connection(ice_controlling=True)
    connection.remote_username, connection.remote_password = "page", "secret"
    yield connection
    await connection.close()


def over(connection: Connection, answers: str) -> Line:
    """The connection over a line with these answers: y or n for each check, and none after that."""
    line = Line(iter([each == "y" for each in answers]))
    candidate = Candidate("1", 1, "udp", 1, *ADDRESS, "host")
    connection._nominated[1] = CandidatePair(line, candidate)  # type: ignore[arg-type]
    return line


async def test_the_connection_is_closed_once_consent_is_missing_for_good(connection: Connection):
    line = over(connection, "yynnynynnn")
    await consent.keep(connection)
    assert next(line.answers, None) is None
    assert connection._closed
    assert line.keys == {b"secret"}


async def test_it_takes_the_place_of_aioice_s_own_checks(monkeypatch: pytest.MonkeyPatch):
    checked = asyncio.Event()

    async def keep(_: Connection) -> None:
        checked.set()

    monkeypatch.setattr(consent, "keep", keep)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("audio")
    hooks.keep_consent(pc)
    ice = pc.getTransceivers()[0].receiver.transport.transport._connection
    await ice.query_consent()
    assert checked.is_set()
    await pc.close()
