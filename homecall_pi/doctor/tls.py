"""What is wrong with a certificate, and what to do."""

from __future__ import annotations

import ssl

from ..signaling.trouble import EXPIRED, NOT_YET, OTHER_NAMES, TOO_OLD
from .finding import Finding, fail

RENEW = "renew it on the server, for instance: sudo certbot renew"


def explain(error: ssl.SSLError, host: str) -> Finding:
    """The fault that kept a connection to `host` from being made."""
    if error.reason in TOO_OLD:
        return fail(
            f"{host} speaks TLS older than 1.2 alone",
            "renew its program, or allow TLS 1.2 and 1.3 in the proxy before it",
        )
    if not isinstance(error, ssl.SSLCertVerificationError):
        return lacking(host, error.reason or "unknown fault")
    if error.verify_code == EXPIRED:
        return fail(f"the certificate of {host} has expired", f"{RENEW}; or this clock is wrong")
    if error.verify_code == NOT_YET:
        return fail(
            f"the certificate of {host} is not valid yet",
            "most likely this machine's clock is wrong: sudo timedatectl set-ntp true",
        )
    if error.verify_code in OTHER_NAMES:
        return fail(
            f"the certificate is not for {host}",
            "if this network wants a login first, log in by a browser; else name the server as its "
            "certificate does, or have one made for that name",
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
