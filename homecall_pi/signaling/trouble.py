"""Why the signaling server is not reached, or refuses, and what to do: one line for each fault.

The lines hold nothing that changes from attempt to attempt, such as addresses: each is told once.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
    SecurityError,
)

from ..core.messages import NOT_SERVED, ROOM_FULL, SERVER_FULL
from ..core.text import printable

EXPIRED, NOT_YET = 10, 9
OTHER_NAMES = (62, 64)
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED, …_CERT_NOT_YET_VALID; …_HOSTNAME_MISMATCH and
…_IP_ADDRESS_MISMATCH."""

TOO_OLD = ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL")
"""OpenSSL's reasons where the server refuses our versions of TLS, or chooses one below them."""
MAX_SAID_CHARS = 200
"""Of what a server says that is told."""

_LOGIN = "is there a login page in this network?"
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


def explain(error: Exception) -> str:
    """The fault that ended an attempt to connect, and its cure."""
    match error:
        case InvalidStatus():
            return _refusal(error.response.status_code, is_login_page(error))
        case InvalidURI() | SecurityError():
            return f"it is a web page that leads elsewhere: {_LOGIN} Else see `server`"
        case ConnectionClosed() | InvalidMessage():
            return _not_spoken(error)
        case InvalidHandshake():
            return f"what answers speaks no WebSocket ({type(error).__name__}); see `server`"
        case ssl.SSLCertVerificationError():
            return _distrust(error)
        case ssl.SSLError():
            return _without_tls(error)
        case socket.gaierror():
            return _unresolved(error)
        case TimeoutError():
            return "it does not answer; see that it is on, and that this network lets us through"
        case OSError():
            return _unreached(error)
    return f"{type(error).__name__}: {error}"


def refusal(said: str) -> str:
    """Why the server does not let the door into its room, by what it `said`, and the cure."""
    if said == NOT_SERVED:
        return (
            "the signaling server does not serve this door's room; "
            "add it to `rooms` in its [serve] section and restart it, or mend `room` here"
        )
    if said == ROOM_FULL:
        return (
            "two others are in this door's room; "
            "close the page that is one too many, or stop the other door"
        )
    if said == SERVER_FULL:
        return (
            "the signaling server has no place for another room; "
            "limit it to yours by `rooms` in its [serve] section"
        )
    return (
        f'the signaling server does not let the door into its room ("{said}"); '
        "see `room`, and the server's log"
    )


def quote(said: str, room: str) -> str:
    """What a server says, fit to be told: it may well name the room, which is a secret."""
    said = re.sub(re.escape(room), f"{room[:8]}…", said, flags=re.IGNORECASE)
    return printable(said[:MAX_SAID_CHARS])


def is_login_page(error: Exception) -> bool:
    """Whether a network that wants a login first (captive portal) may have answered.

    It sends a page of its own, leads to one, or says so (RFC 6585, section 6).
    """
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        return 200 <= status < 400 or status == 511
    return isinstance(error, InvalidURI | SecurityError)


def _refusal(status: int, login_page: bool) -> str:
    if login_page:
        return f"a web page answers (HTTP {status}): {_LOGIN} Else see the path in `server`"
    if status == 404:
        return "there is no signaling at that path (HTTP 404); see `server`"
    if status >= 500:
        return f"a proxy answers (HTTP {status}), and nothing behind it; see that the server runs"
    return f"it refuses (HTTP {status}); see its log, and that a proxy passes WebSockets on"


def _not_spoken(error: Exception) -> str:
    if isinstance(error, ConnectionClosed) or isinstance(error.__cause__, EOFError):
        return _hangs_up(error)
    return f"what answers is no web server: {_LOGIN} Else see host and port in `server`"


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == NOT_YET:
        return "its certificate is not valid yet: is this machine's clock right? See timedatectl"
    if error.verify_code == EXPIRED:
        return "its certificate has expired, or this machine's clock is wrong; renew it there"
    if error.verify_code in OTHER_NAMES:
        return f"its certificate has another name: {_LOGIN} Else see the host in `server`"
    return (
        f"nobody known vouches for its certificate ({error.verify_message}): {_LOGIN} "
        "If it is of your own making, trust it by the variable SSL_CERT_FILE"
    )


def _without_tls(error: ssl.SSLError) -> str:
    if error.reason in TOO_OLD:
        return "it speaks TLS older than 1.2 alone; renew its program, or the proxy before it"
    return f"what answers speaks no TLS ({error.reason}): {_LOGIN} Else see the port"


def _unresolved(error: socket.gaierror) -> str:
    if error.errno == socket.EAI_AGAIN:
        return "no name server tells its address; see that the router is there and has a way out"
    return f"its name is not known ({error.strerror}); see the host in `server`"


def _unreached(error: OSError) -> str:
    number = _number(error)
    if number == errno.ECONNREFUSED:
        return "nothing listens there (Connection refused); see that it runs, and its port"
    if number in _NO_WAY:
        return f"there is no way to it ({os.strerror(number)}); see this machine's network"
    if isinstance(error, ConnectionError):
        return _hangs_up(error)
    return os.strerror(number) if number else f"{type(error).__name__}: {error}"


def _hangs_up(error: Exception) -> str:
    return f"it hangs up ({type(error).__name__}); see its log, and whether it speaks TLS"


def _number(error: OSError) -> int:
    """Where several addresses were tried, the error has none, but the last of them in its text."""
    numbers = re.findall(r"\[Errno (\d+)\]", str(error))
    return error.errno or int(numbers[-1] if numbers else 0)
