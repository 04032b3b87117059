"""What the door asks of every server that it reaches by TLS."""

from __future__ import annotations

import ssl


def tls_context() -> ssl.SSLContext:
    """Trusts what the machine trusts, or the file that SSL_CERT_FILE names.

    Making it keeps a small Pi busy for a moment, for it reads all these certificates.
    """
    context = ssl.create_default_context()
    # Older ones are broken (RFC 8996), whatever the system's OpenSSL may allow.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
