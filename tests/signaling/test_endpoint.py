"""Where the server listens, and that each thing that can be wrong names its cure."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from homecall_pi.errors import HomeCallError, OperatorError
from homecall_pi.signaling.endpoint import Certificate, check_exposure, listen

WriteCertificate = Callable[..., tuple[Path, Path]]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1"])
def test_this_machine_alone_needs_neither_tls_nor_a_proxy(host: str):
    check_exposure(host, tls=False, behind_proxy=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "door"])
def test_the_world_needs_tls_or_a_proxy(host: str):
    check_exposure(host, tls=True, behind_proxy=False)
    check_exposure(host, tls=False, behind_proxy=True)
    with pytest.raises(OperatorError, match=r"without TLS.*tls_cert.*behind_proxy.*localhost"):
        check_exposure(host, tls=False, behind_proxy=False)


@pytest.mark.parametrize(
    ("host", "ipv4", "ipv6"), [("localhost", "127.0.0.1", "::1"), ("::", "0.0.0.0", "::")]
)
def test_some_hosts_are_an_address_of_each_kind_with_one_port(host: str, ipv4: str, ipv6: str):
    sockets = listen(host, 0)
    try:
        names = [listener.getsockname()[:2] for listener in sockets]
        assert {address for address, _ in names} <= {ipv4, ipv6}
        assert (ipv4, names[0][1]) == names[0]
        assert len({port for _, port in names}) == 1
    finally:
        for listener in sockets:
            listener.close()


def test_connections_keep_no_message_back_for_the_next():
    (listener,) = listen("127.0.0.1", 0)
    with listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_machine_without_ipv6_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch):
    create = socket.create_server

    def create_ipv4_only(
        address: tuple[str, int], *, family: socket.AddressFamily, backlog: int
    ) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(99, "Cannot assign requested address")
        return create(address, family=family, backlog=backlog)

    monkeypatch.setattr(socket, "create_server", create_ipv4_only)
    (listener,) = listen("localhost", 0)
    with listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_names_the_cure_and_leaves_no_socket_behind():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OperatorError, match=rf"{port} is already in use.*ss -ltnp"):
            listen("127.0.0.1", port)
        with pytest.raises(OperatorError, match="already in use"):
            listen("localhost", port)


def test_a_lack_of_files_is_nothing_for_a_person_to_mend(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(HomeCallError, match="Too many open files") as caught:
        listen("127.0.0.1", 8443)
    assert caught.value.exit_code == 1


def test_a_port_for_root_only(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(OperatorError, match="above 1023"):
        listen("127.0.0.1", 443)


def test_a_host_that_is_not_this_machine():
    with pytest.raises(OperatorError, match="an address of this machine"):
        listen("192.0.2.1", 0)


def test_a_good_pair_speaks_modern_tls_only(tmp_path: Path, write_certificate: WriteCertificate):
    cert, key = write_certificate(tmp_path)
    context = Certificate(str(cert), str(key)).context
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_certificate_and_key_in_one_file(tmp_path: Path, write_certificate: WriteCertificate):
    cert, key = write_certificate(tmp_path)
    cert.write_bytes(cert.read_bytes() + key.read_bytes())
    Certificate(str(cert), "")


def test_certificate_without_key_or_the_other_way_round(
    tmp_path: Path, write_certificate: WriteCertificate
):
    for file in write_certificate(tmp_path):
        with pytest.raises(OperatorError, match="does not hold both a certificate and its key"):
            Certificate(str(file), "")


def test_missing_files_are_named(tmp_path: Path, write_certificate: WriteCertificate):
    cert, key = write_certificate(tmp_path)
    for files, missing in (((cert, tmp_path / "no"), "no"), ((tmp_path / "nor", key), "nor")):
        with pytest.raises(OperatorError, match=rf"{tmp_path / missing}: No such file.*tls_cert"):
            Certificate(*map(str, files))


def test_a_file_that_may_not_be_read(tmp_path: Path, write_certificate: WriteCertificate):
    cert, _ = write_certificate(tmp_path)
    with pytest.raises(OperatorError, match=rf"{tmp_path}: Is a directory"):
        Certificate(str(cert), str(tmp_path))


def test_a_key_of_another_certificate(tmp_path: Path, write_certificate: WriteCertificate):
    cert, _ = write_certificate(tmp_path / "one")
    _, key = write_certificate(tmp_path / "two")
    with pytest.raises(OperatorError, match="does not belong to the certificate"):
        Certificate(str(cert), str(key))


def test_files_that_are_no_pem(tmp_path: Path, write_certificate: WriteCertificate):
    cert, key = write_certificate(tmp_path)
    cert.write_text("hello")
    with pytest.raises(OperatorError, match="must be PEM files"):
        Certificate(str(cert), str(key))


def test_a_key_with_a_passphrase_is_not_asked_for_on_the_terminal(
    tmp_path: Path, write_certificate: WriteCertificate
):
    cert, key = write_certificate(tmp_path, b"secret")
    with pytest.raises(OperatorError, match=r"encrypted.*without a passphrase"):
        Certificate(str(cert), str(key))


class TestRenewal:
    """A server runs for longer than a certificate lasts."""

    def test_unchanged_files_are_left_alone(
        self, tmp_path: Path, write_certificate: WriteCertificate
    ):
        cert, key = write_certificate(tmp_path)
        assert not Certificate(str(cert), str(key)).refresh()

    def test_new_files_are_taken_up_once(self, tmp_path: Path, write_certificate: WriteCertificate):
        cert, key = write_certificate(tmp_path)
        certificate = Certificate(str(cert), str(key))
        for new, old in zip(write_certificate(tmp_path / "new"), (cert, key), strict=True):
            os.replace(new, old)
        assert certificate.refresh()
        assert not certificate.refresh()

    def test_bad_files_are_reported_once_and_change_nothing(
        self, tmp_path: Path, write_certificate: WriteCertificate
    ):
        cert, key = write_certificate(tmp_path)
        certificate = Certificate(str(cert), str(key))
        key.unlink()
        with pytest.raises(OperatorError, match="No such file"):
            certificate.refresh()
        assert not certificate.refresh()
