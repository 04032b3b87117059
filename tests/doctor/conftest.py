"""Fixtures of the doctor's tests: certificates, good and bad."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from homecall_pi.signaling.server import SignalingServer

MakeCertificate = Callable[..., Path]


@asynccontextmanager
async def serving(cert: Path | None = None, rooms: Sequence[str] = ()) -> AsyncIterator[str]:
    """Our own signaling server, with TLS if there is a certificate; its address."""
    server = SignalingServer(port=0, tls_cert=str(cert or ""), rooms=rooms)
    await server.start()
    try:
        yield f"{'wss' if cert else 'ws'}://localhost:{server.port}/signal"
    finally:
        await server.stop()


@pytest.fixture
def make_certificate(tmp_path: Path) -> MakeCertificate:
    """A function of a host and the days from now between which its certificate is good.

    It returns a PEM file with certificate and key, which vouches for itself.
    """

    def make(host: str = "localhost", since: float = -1, until: float = 90) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now + timedelta(days=since))
            .not_valid_after(now + timedelta(days=until))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        file = tmp_path / f"{host}{since}{until}.pem"
        file.write_bytes(
            certificate.public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return file

    return make
