"""How connections to the server are made."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from homecall_pi.signaling import dial
from homecall_pi.signaling.dial import FAILURES, Dialler

from ..authority import Authority
from ..doubles import Signal, idly
from ..portal import portal, security

UNSPEC, IPV4 = socket.AF_UNSPEC, socket.AF_INET


class Attempts:
    """Stands for `connect`: has the attempts end one after the other, and notes how they went."""

    def __init__(self, *ends: BaseException | None) -> None:
        self._ends = iter(ends)
        self.options: list[dict[str, Any]] = []

    async def __call__(self, _: str, **options: Any) -> None:
        self.options.append(options)
        end = next(self._ends)
        if end is not None:
            raise end

    @property
    def families(self) -> list[int]:
        return [options["family"] for options in self.options]


def no_address() -> socket.gaierror:
    return socket.gaierror(socket.EAI_NODATA, "No address associated with hostname")


async def connect(dialler: Dialler, monkeypatch: pytest.MonkeyPatch, *ends: Any) -> Attempts:
    """Makes attempts until all of them have ended."""
    attempts = Attempts(*ends)
    monkeypatch.setattr(dial, "connect", attempts)
    while len(attempts.options) < len(ends):
        try:
            await dialler.connect()
        except FAILURES:
            continue
    return attempts


async def test_ipv6_that_leads_nowhere_is_gone_round(monkeypatch: pytest.MonkeyPatch):
    ends = (TimeoutError(), None, None, TimeoutError(), None)
    attempts = await connect(Dialler("ws://localhost/signal", idly), monkeypatch, *ends)
    assert attempts.families == [UNSPEC, IPV4, IPV4, IPV4, UNSPEC]


async def test_where_there_is_no_ipv4_all_is_tried_again_at_once(monkeypatch: pytest.MonkeyPatch):
    ends = (TimeoutError(), no_address(), None, no_address(), OSError(), None)
    attempts = await connect(Dialler("ws://localhost/signal", idly), monkeypatch, *ends)
    assert attempts.families == [UNSPEC, IPV4, *[UNSPEC] * 4]


async def test_certificates_are_read_anew_only_when_one_was_not_trusted(
    monkeypatch: pytest.MonkeyPatch,
):
    ends = (None, OSError(), ssl.SSLCertVerificationError(), None)
    attempts = await connect(Dialler("wss://localhost/signal", idly), monkeypatch, *ends)
    contexts = [options["ssl"] for options in attempts.options]
    assert contexts[0] is contexts[1] is contexts[2] is not contexts[3]


async def test_without_tls_no_certificates_are_read(monkeypatch: pytest.MonkeyPatch):
    attempts = await connect(Dialler("ws://localhost/signal", idly), monkeypatch, None)
    assert "ssl" not in attempts.options[0]


async def test_a_certificate_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    for host, fault in (("localhost", "InvalidStatus"), ("other.example", "SSLCertVerification")):
        tls = security(*map(str, authority.issue(host)))
        async with portal("page", tls=tls) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(FAILURES) as raised:
                await Dialler(f"wss://localhost:{port}/signal", idly).connect()
            assert fault in type(raised.value).__name__


async def test_asks_for_no_compression_and_sends_no_pings_by_itself():
    signal = Signal()
    async with signal.running():
        connection = await Dialler(signal.url, idly).connect()
        visit = await signal.visit()
        assert "Sec-WebSocket-Extensions" not in visit.socket.request.headers
        assert connection.ping_interval is None
        await connection.close()
