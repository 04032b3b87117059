"""What is wrong with a certificate, and what to do."""

from __future__ import annotations

import ssl

from .finding import Finding, fail

RENEW = "renew it on the server, for instance: sudo certbot renew"

_EXPIRED = {10}
_NOT_YET = {9}
_OTHER_NAME = {62, 64}
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL."""


def explain(error: ssl.SSLError, host: str) -> Finding:
    """The fault that kept a connection to `host` from being made."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return lacking(host, error.reason or "unknown fault")
    if error.verify_code in _EXPIRED:
        return fail(f"the certificate of {host} has expired", f"{RENEW}; or this clock is wrong")
    if error.verify_code in _NOT_YET:
        return fail(
            f"the certificate of {host} is not valid yet",
            "most likely this machine's clock is wrong: sudo timedatectl set-ntp true",
        )
    if error.verify_code in _OTHER_NAME:
        return fail(
            f"the certificate is not for {host}",
            "name the server as its certificate does, or have one made for that name",
        )
    return fail(
        f"nobody known vouches for the certificate of {host} ({error.verify_message})",
        "if you made it yourself: sudo cp IT /usr/local/share/ca-certificates/homecall-pi.crt; "
        "sudo update-ca-certificates; else give the server the whole chain (fullchain.pem)",
    )


def lacking(host: str, why: str) -> Finding:
    """The finding where no TLS is spoken."""
    return fail(
        f"{host} does not speak TLS on that port ({why})",
        "mend the port, or give the server a certificate: tls_cert and tls_key in [serve]",
    )
