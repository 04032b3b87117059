"""The connections of all calls, one at a time, and one gathered ahead so that a ring is at once.

Gathering takes a millisecond on a plain network, but seconds when a STUN or TURN server does not
answer, and a visitor should not wait for that.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aioice.ice import get_host_addresses
from aiortc import RTCIceServer

from ..core.call import Event, PeerFailed, Reason
from ..core.messages import IceCandidate
from ..core.ports import Door
from .peer import Peer
from .tracks import SILENT_DBFS

log = logging.getLogger(__name__)

LOOK_S = 5.0
"""Seconds between looks at the network's addresses and the spare's age."""
MAX_AGE_S = 110.0
"""Seconds that a gathered connection is good: a NAT may forget a mapping that is silent for two
minutes (RFC 4787, section 4.3)."""


class Peers:
    """Opens and closes the connections. All methods but `run` and `stop` return at once."""

    def __init__(
        self, door: Door, ice_servers: Sequence[RTCIceServer], emit: Callable[[Event], None]
    ) -> None:
        self._door = door
        self._ice_servers = ice_servers
        self._emit = emit
        self._serial = random.randrange(1296)  # noqa: S311 - so that a restart uses other tags
        self._current: Peer | None = None
        self._last: Peer | None = None
        self._number = 0
        self._spare: Peer | None = None
        self._kept = False
        self._gathered_at = 0.0
        self._gathered_on: set[str] = set()
        self._wanted = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keeps the spare fresh, for ever."""
        while True:
            if self._number == 0 and self._spare_is_stale():
                await self._renew()
            self._wanted.clear()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Closes everything, and waits for it."""
        if self._spare is not None:
            self._spawn(self._spare.close())
            self._spare = None
        if self._tasks:
            await asyncio.wait(self._tasks)

    def open(self, number: int, *, reuse: bool) -> None:
        """Offers the spare, or a new connection; `OfferReady` comes back."""
        self._number = number
        spare, self._spare = self._spare, None
        good = spare is not None and spare.usable and (reuse or not self._kept)
        if spare is not None and good and self._gathered_on == _addresses():
            self._begin(spare, number)
            return
        if spare is not None:
            self._spawn(spare.close())
        self._spawn(self._open_new(number))

    def accept(self, number: int, answer: str) -> None:
        """Connects to the page that answered."""
        if self._current is not None and number == self._number:
            self._current.accept(answer)

    def add_candidate(self, number: int, candidate: IceCandidate) -> None:
        """Tries one more address of the page."""
        if self._current is not None and number == self._number:
            self._current.add_candidate(candidate)

    def close(self, reason: Reason, *, keep: bool) -> None:
        """Ends the connection; with `keep`, its offer stays good for the next `open(reuse)`."""
        peer, self._current = self._current, None
        self._number = 0
        if peer is None:
            return
        if keep and peer.usable and self._spare is None:
            peer.rest()
            self._spare, self._kept = peer, True
        else:
            self._spawn(peer.close(reason))
        self._wanted.set()

    @property
    def frames_sent(self) -> int:
        """Pictures sent in the present call, or the last one."""
        return self._last.camera.frames_sent if self._last else 0

    @property
    def audio_samples(self) -> int:
        """Samples of sound received in the present call, or the last one."""
        return self._last.level.samples if self._last else 0

    @property
    def audio_dbfs(self) -> float:
        """Level of the last second of sound received in the present call, or the last one."""
        return self._last.level.dbfs if self._last else SILENT_DBFS

    def _begin(self, peer: Peer, number: int) -> None:
        self._current = self._last = peer
        peer.begin(number, self._emit)

    async def _open_new(self, number: int) -> None:
        peer = await self._gather()
        if number == self._number:
            self._begin(peer, number)
        else:
            await peer.close()

    async def _gather(self) -> Peer:
        peer = Peer(self._door, self._ice_servers)
        self._serial += 1
        await peer.gather(self._serial)
        return peer

    def _spare_is_stale(self) -> bool:
        if self._spare is None or self._gathered_on != _addresses():
            return True
        return asyncio.get_running_loop().time() - self._gathered_at > MAX_AGE_S

    async def _renew(self) -> None:
        addresses = _addresses()
        try:
            fresh = await self._gather()
        except OSError as error:
            log.warning("no connection can be prepared: %s; trying again", error)
            return
        old, self._spare = self._spare, fresh
        self._kept = False
        self._gathered_at = asyncio.get_running_loop().time()
        self._gathered_on = addresses
        if old is not None:
            await old.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guard(work, self._number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None], number: int) -> None:
        try:
            await work
        except Exception as error:
            log.warning("a connection broke: %r", error)
            log.debug("where it broke", exc_info=True)
            self._emit(PeerFailed(number))


def _addresses() -> set[str]:
    return set(get_host_addresses(use_ipv4=True, use_ipv6=True))
