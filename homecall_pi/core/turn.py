"""Time-limited names and passwords for a TURN server, made from a secret that it shares.

coturn calls it `use-auth-secret`; others call it the TURN REST API.
"""

from __future__ import annotations

import base64
import hmac

LIFETIME_S = 12 * 3600
"""Seconds that they are good for at least."""
STEP_S = 3600
"""Seconds for which they stay the same: those who ask often need not gather candidates anew."""


def credentials(secret: str, name: str, now: float) -> tuple[str, str]:
    """Username and password, good for 12 to 13 hours from `now`, in seconds since 1970.

    `name` tells users apart in the server's log; it may be empty
    (draft-uberti-behave-turn-rest-00, section 2.2).
    """
    expiry = (int(now) // STEP_S + 1) * STEP_S + LIFETIME_S
    username = f"{expiry}:{name}" if name else str(expiry)
    password = hmac.digest(secret.encode(), username.encode(), "sha1")
    return username, base64.b64encode(password).decode()
