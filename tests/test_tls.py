"""What the door asks of every server that it reaches by TLS."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from homecall_pi.tls import tls_context

from .authority import Authority
from .portal import old_tls


async def test_a_server_that_speaks_old_tls_alone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    cert, key = map(str, authority.issue("localhost"))
    async with old_tls(cert, key) as server:
        port = server.sockets[0].getsockname()[1]
        door, lax = tls_context(), tls_context()
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            lax.minimum_version = ssl.TLSVersion.TLSv1_1
        lax.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            await asyncio.open_connection("localhost", port, ssl=door)
        _, writer = await asyncio.open_connection("localhost", port, ssl=lax)
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.1"  # it was that alone
        writer.transport.abort()


def test_a_system_that_allows_old_tls_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    lax = ssl.create_default_context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        lax.minimum_version = ssl.TLSVersion.TLSv1_1
    monkeypatch.setattr(ssl, "create_default_context", lambda: lax)
    assert tls_context().minimum_version is ssl.TLSVersion.TLSv1_2
