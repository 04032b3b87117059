"""Logging: one line per record on stderr, which systemd's journal keeps."""

from __future__ import annotations

import logging
import sys

LIBRARIES = ("aiortc", "aioice", "asyncio", "libav", "websockets")
"""Their warnings matter; what they say below that names addresses, SDP and keys."""


def set_up(level: str) -> None:
    """Sends records of `level` (debug, info, warning or error) and above to stderr."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        force=True,
    )
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
