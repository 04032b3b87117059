"""Whether the other side still wants what is sent to it (RFC 7675).

aioice's own checks do without retransmission, as the RFC has it, and wait half a second for the
answer: where a packet takes longer there and back, or a fifth of them is lost, good calls end.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

from aioice import Connection
from aioice.stun import TransactionError

CHECK_S: Final = 5.0
"""Seconds between two checks, give or take a fifth (section 5.1)."""
RETRANSMISSIONS: Final = 9
"""With these a check takes up to 6.3 s, as repeats.py has it."""
FAILURES: Final = 3
"""Checks in a row, without a pause, that end the connection: in less than 30 s (section 5.1)."""


async def keep(connection: Connection) -> None:
    """Checks until there is no consent any more, and closes the connection then."""
    failures = 0
    while failures < FAILURES:
        if not failures:
            await asyncio.sleep(CHECK_S * random.uniform(0.8, 1.2))  # noqa: S311
        failures = 0 if await _is_given(connection) else failures + 1
    connection._query_consent_task = None  # it is this one, for which `close` would wait
    await connection.close()


async def _is_given(connection: Connection) -> bool:
    pair = connection._nominated[1]
    request = connection.build_request(pair, nominate=False)
    key = (connection.remote_password or "").encode()
    try:
        await pair.protocol.request(
            request, pair.remote_addr, integrity_key=key, retransmissions=RETRANSMISSIONS
        )
    except TransactionError:
        return False
    return True
