"""Where the server listens: addresses, port and TLS, with a cure for each thing that can be wrong.

Browsers give camera and microphone only to pages that came over https or from the machine itself
(W3C Secure Contexts), so without TLS, here or in a proxy, there is nothing to serve to a family.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import Final, NoReturn

from homecall_pi.core.hosts import is_loopback
from homecall_pi.errors import HomeCallError, OperatorError, may_pass

BACKLOG: Final = 1024
"""Connections that may wait to be accepted."""
_BOTH: Final = {"localhost": ("127.0.0.1", "::1"), "::": ("0.0.0.0", "::")}  # noqa: S104
"""Hosts that are more than one address: of IPv4, and of IPv6."""
BUFFER_BYTES: Final = 64 * 1024
"""What the kernel keeps for a connection each way, instead of megabytes: for a slow reader, where
the server counts what is beyond; and of what a flood sends."""


def check_exposure(host: str, *, tls: bool, behind_proxy: bool) -> None:
    """Refuses to speak in the clear to other machines.

    Raises:
        OperatorError: neither TLS, nor a proxy that does it, nor a loopback host.
    """
    if not (tls or behind_proxy or is_loopback(host)):
        raise OperatorError(
            f"The server would listen on {host} without TLS, and browsers give "
            "no microphone to such a page. Set tls_cert and tls_key to a certificate "
            "and its key; or set behind_proxy if a reverse proxy does the TLS; or set host to "
            "localhost to try it on this machine only."
        )


def listen(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on all addresses of the host, all with the same port.

    Port 0 takes a free one. "localhost" is 127.0.0.1 and, where there is IPv6, ::1 as well, for
    browsers try both; "::" is every address of the machine, those of IPv4 as well.

    Raises:
        OperatorError: the port is taken or not permitted, or the host is not this machine.
        HomeCallError: memory or files are used up.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(host):
            listener = _bind(family, address, port)
            if listener is not None:
                sockets.append(listener)
                port = listener.getsockname()[1]
    except OSError as error:
        for listener in sockets:
            listener.close()
        kind = HomeCallError if may_pass(error) else OperatorError
        raise kind(_cure(error, host, port)) from error
    if not sockets:
        raise OperatorError(_cure(OSError(errno.EADDRNOTAVAIL, "no such address"), host, port))
    return sockets


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    pair = _BOTH.get(host)
    if pair is not None:
        return list(zip((socket.AF_INET, socket.AF_INET6), pair, strict=True))
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, str(address[0])) for family, *_, address in found))


def _bind(family: socket.AddressFamily, address: str, port: int) -> socket.socket | None:
    """None where the machine has no such address: many have no IPv6."""
    try:
        listener = socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        raise
    # Connections inherit all of this.
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        listener.setsockopt(socket.SOL_SOCKET, buffer, BUFFER_BYTES)
    # Else the second of two messages waits 40 ms for the first one to be acknowledged (RFC 9293,
    # section 3.7.4). uvloop sees to it by itself; asyncio does not for sockets that it is given.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _cure(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is already in use. Stop the other program "
            f"(`ss -ltnp 'sport = :{port}'` shows it) or set another port."
        )
    if error.errno == errno.EACCES:
        return (
            f"Port {port} may not be opened by an ordinary user. Set a port above 1023, or give "
            "the service AmbientCapabilities=CAP_NET_BIND_SERVICE."
        )
    return (
        f"Cannot listen on {host}, port {port}: {error.strerror}. "
        "Set host to localhost or to an address of this machine (`ip address` shows them)."
    )


class Certificate:
    """The server's certificate: an SSL context that follows renewals of its files.

    Args:
        cert: path of the PEM file with the chain.
        key: path of the PEM file with the private key; empty if it is in the same file.

    Raises:
        OperatorError: a file is missing, unreadable, not PEM, or the two do not belong together.
    """

    def __init__(self, cert: str, key: str) -> None:
        self._cert, self._key = cert, key or cert
        self._seen = self._versions()
        self._current = self.context = _server_context(self._cert, self._key)
        self.context.sni_callback = self._use_current

    def refresh(self) -> bool:
        """Takes up changed files for connections to come; True when it did so. Reads files.

        Raises:
            OperatorError: the new files are no good; the former certificate stays in use.
        """
        versions = self._versions()
        if versions == self._seen:
            return False
        self._seen = versions
        self._current = _server_context(self._cert, self._key)
        return True

    def _use_current(self, handshake: ssl.SSLObject, _name: str, _first: ssl.SSLContext) -> None:
        # OpenSSL calls this for each handshake, also when the client names no host.
        handshake.context = self._current

    def _versions(self) -> list[tuple[int, int]]:
        return [_version(path) for path in (self._cert, self._key)]


def _version(path: str) -> tuple[int, int]:
    """What changes when the file is replaced."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


def _check_readable(path: str) -> None:
    try:
        open(path, "rb").close()
    except OSError as error:
        kind = HomeCallError if may_pass(error) else OperatorError
        raise kind(
            f"Cannot read the certificate file {path}: {error.strerror}. Check the path in "
            "tls_cert and tls_key, and that the service's user may read it."
        ) from error


def _server_context(cert: str, key: str) -> ssl.SSLContext:
    for path in (cert, key):
        _check_readable(path)  # OpenSSL's own errors do not say which file
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=lambda: _refuse_passphrase(key))
    except ssl.SSLError as error:
        raise OperatorError(_tls_cure(error, cert, key)) from error
    return context


def _refuse_passphrase(key: str) -> NoReturn:
    """Instead of OpenSSL's asking for it on the terminal, which a service has not."""
    raise OperatorError(
        f"The key {key} is encrypted. Store it without a passphrase, readable by the service's "
        f"user only: `openssl pkey -in {key} -out NEW`."
    )


def _tls_cure(error: ssl.SSLError, cert: str, key: str) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return (
            f"The key {key} does not belong to the certificate {cert}. Set tls_cert and tls_key "
            "to a pair that was issued together."
        )
    reason = f" ({error.reason})" if error.reason else ""
    if cert == key:
        return (
            f"{cert} does not hold both a certificate and its key{reason}. "
            "Set tls_cert to the file of the certificate chain, and tls_key to that of the key."
        )
    return (
        f"{cert} with {key} is no certificate with its key{reason}. "
        "Both must be PEM files: tls_cert the certificate chain, tls_key the private key."
    )
