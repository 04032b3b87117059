"""Whether the server lets the door into its room, as far as that can be told.

No server acknowledges a `join`, and an `error` does not say what it is about. So a door that has
joined takes itself to be in the room until an error comes that must be the answer to its join. From
then on it joins again and again, since somebody may mend there what is wrong, and is in the room
when a join meets with silence. Joining once too often harms nothing, so neither does a doubt.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from typing import Final

from websockets.asyncio.client import ClientConnection

from ..core import backoff
from ..core.messages import NOT_SERVED, ROOM_FULL, Error, Join, Message, encode

ANSWER_S = 5.0
"""Seconds after a join in which an error is taken for its answer, if nothing was sent since."""
VERDICT_S = 0.5
"""Seconds that a server may take to refuse a join after it has answered the ping behind it."""
REFUSALS: Final = frozenset({NOT_SERVED, ROOM_FULL, "Unable to join the room."})
"""What servers, ours and others, say to a join alone."""


class Admission:
    """Follows the joins of `registration` and what the server says to them."""

    def __init__(self, registration: Join) -> None:
        self._registration = registration
        self._joined_at: float | None = None
        self._refusal = asyncio.Event()
        self.refused = False
        """Whether the server's latest word was a refusal, on this line or the one before."""

    def note(self, message: Message) -> None:
        """Takes note of what is about to be sent."""
        self._joined_at = _now() if isinstance(message, Join) else None

    def is_refusal(self, error: Error) -> bool:
        """Whether `error` is the answer to a join. If so, it is taken for it."""
        if error.room is not None and error.room.lower() != self._registration.room.lower():
            return False
        if error.message not in REFUSALS and not self._is_awaited():
            return False
        self.refused = True
        self._refusal.set()
        return True

    def _is_awaited(self) -> bool:
        return self._joined_at is not None and _now() - self._joined_at <= ANSWER_S

    async def regain(self, connection: ClientConnection) -> None:
        """Returns when a door that was refused is in the room. Until then it joins again and again.

        It does so at once if it was refused on an earlier line.
        """
        rests = backoff.rejoins(random.uniform)
        if self.refused:
            rests = itertools.chain((0.0,), rests)
        else:
            await self._refusal.wait()
        for rest_s in rests:
            await asyncio.sleep(rest_s)
            self._refusal.clear()
            self.note(self._registration)
            await connection.send(encode(self._registration))
            await (await connection.ping())
            if await self.is_silent():
                self.refused = False
                return

    async def is_silent(self) -> bool:
        """Whether no refusal comes for a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(VERDICT_S):
                await self._refusal.wait()
        return not self._refusal.is_set()


def _now() -> float:
    return asyncio.get_running_loop().time()
