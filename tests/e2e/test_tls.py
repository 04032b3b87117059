"""A call over an encrypted line: the server with a certificate, the door that verifies it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.async_api import Browser

from .conftest import Household
from .household import ROOM, Door, Family, Program, free_port, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-made certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


def encrypted(household: Household, folder: Path) -> tuple[Program, Door, Path]:
    """A server with TLS and a door that calls it by wss://; neither is started."""
    cert, key = write_certificate(folder)
    port = str(free_port())
    tls = ("--tls-cert", str(cert), "--tls-key", str(key))
    server = Program(folder, "server", "serve", "--port", port, *tls)
    door = Door(folder, int(port), "--server", f"wss://localhost:{port}/signal")
    household.programs += [door, server]
    return server, door, cert


async def test_a_call_over_tls(household: Household, browser: Browser, tmp_path: Path) -> None:
    server, door, cert = encrypted(household, tmp_path)
    server.start()
    door.environment["SSL_CERT_FILE"] = str(cert)
    door.start()
    await door.ready()
    context = await browser.new_context(
        locale="en-US", permissions=["microphone"], ignore_https_errors=True
    )
    family = Family(await context.new_page())
    household.families.append(family)
    await family.open(f"https://localhost:{server.arguments[2]}/?room={ROOM}")
    await family.becomes("waiting")
    door.ring()
    await family.becomes("ringing")
    await family.sees_moving_pictures()
    await family.page.click("#answer")
    await door.becomes("talking")


async def test_a_door_refuses_a_server_that_it_cannot_verify(
    household: Household, tmp_path: Path
) -> None:
    server, door, _ = encrypted(household, tmp_path)
    server.start()
    door.start()
    why = "nobody known vouches for its certificate"
    await until("the door says why", lambda: why in door.output)
    assert door.status.line == "down"
