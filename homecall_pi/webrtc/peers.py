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

from .. import memory
from ..core.call import Event, PeerFailed, Reason
from ..core.messages import IceCandidate
from ..core.ports import Door
from .peer import Peer
from .voice import SILENT_DBFS

log = logging.getLogger(__name__)

LOOK_S = 5.0
"""Seconds between looks at the network's addresses and the spare's age."""
MAX_AGE_S = 110.0
"""Seconds that a gathered connection is good: a NAT may forget a mapping that is silent for two
minutes (RFC 4787, section 4.3)."""

STOP_S = 1.0
"""Seconds that farewells, and what is being gathered, may take at the end."""


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
        self._wanted = asyncio.Event()
        self._gathering = asyncio.Lock()
        self._stopping = False
        self._told: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keeps a connection ready, for ever."""
        while True:
            if self._number == 0 and not self._stopping and self._lacks_ready():
                # Not cancelled with this task: half a gathering would leave sockets open.
                await asyncio.wait([self._spawn(self._renew())])
            self._wanted.clear()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Closes everything, and waits for it."""
        self._stopping = True
        self._number = 0
        self._discard(self._current, self._spare)
        self._current = self._spare = None
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_S)

    def open(self, number: int) -> None:
        """Offers a connection that is ready, or a new one; `OfferReady` comes back."""
        self._number = number
        spare, self._spare = self._spare, None
        if spare is not None and not self._is_stale(spare):
            self._begin(spare, number)
        else:
            self._discard(spare)
            self._spawn(self._open_new(number), number)

    def accept(self, number: int, answer: str) -> None:
        """Connects to the page that answered."""
        if self._current is not None and number == self._number:
            self._current.accept(answer)

    def add_candidate(self, number: int, candidate: IceCandidate) -> None:
        """Tries one more address of the page."""
        if self._current is not None and number == self._number:
            self._current.add_candidate(candidate)

    def close(self, reason: Reason) -> None:
        """Ends the connection."""
        peer, self._current = self._current, None
        self._number = 0
        self._wanted.set()
        if peer is None:
            return
        peer.rest()  # now, not in the task below: the next one may switch the parts on before it
        self._spawn(self._close(peer, reason))

    @property
    def frames_sent(self) -> int:
        """Pictures sent in the present call, or the last one."""
        return self._last.camera.frames_sent if self._last else 0

    @property
    def audio_samples(self) -> int:
        """Samples of sound received in the present call, or the last one."""
        return self._last.voice.level.samples if self._last else 0

    @property
    def audio_dbfs(self) -> float:
        """Level of the last second of sound received in the present call, or the last one."""
        return self._last.voice.level.dbfs if self._last else SILENT_DBFS

    def _begin(self, peer: Peer, number: int) -> None:
        self._current = self._last = peer
        peer.begin(number, self._emit)

    async def _open_new(self, number: int) -> None:
        async with self._gathering:  # one that is on its way already comes sooner than a new one
            spare, self._spare = self._spare, None
            peer = spare or await self._gather()
        if number == self._number:
            self._begin(peer, number)
        else:
            await peer.close()

    async def _close(self, peer: Peer, reason: Reason) -> None:
        await peer.close(reason)
        if self._number == 0:
            memory.give_back()

    async def _gather(self) -> Peer:
        """A connection that can be offered; without help from outside if that is of no use."""
        try:
            return await self._gather_with(self._ice_servers)
        except Exception as error:
            if not self._ice_servers:
                raise
            self._warn_once(f"the STUN and TURN servers are of no use: {error!r}; doing without")
            return await self._gather_with([])

    async def _gather_with(self, ice_servers: Sequence[RTCIceServer]) -> Peer:
        addresses = _addresses()
        peer = Peer(self._door, ice_servers)
        self._serial += 1
        try:
            await peer.gather(self._serial)
        except BaseException:
            await peer.close()
            raise
        peer.gathered_on = addresses
        peer.gathered_at = asyncio.get_running_loop().time()
        return peer

    def _lacks_ready(self) -> bool:
        return self._spare is None or self._is_stale(self._spare)

    def _is_stale(self, peer: Peer) -> bool:
        age_s = asyncio.get_running_loop().time() - peer.gathered_at
        return age_s > MAX_AGE_S or peer.gathered_on != _addresses()

    async def _renew(self) -> None:
        async with self._gathering:
            await self._renew_spare()

    async def _renew_spare(self) -> None:
        try:
            fresh = await self._gather()
        except Exception as error:
            self._warn_once(f"no connection can be prepared: {error!r}; trying again")
            return
        if self._stopping:
            await fresh.close()
            return
        self._discard(self._spare)
        self._spare = fresh

    def _discard(self, *peers: Peer | None) -> None:
        for peer in peers:
            if peer is not None:
                self._spawn(peer.close())

    def _warn_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            log.warning("%s", text)

    def _spawn(self, work: Coroutine[Any, Any, None], number: int = 0) -> asyncio.Task[None]:
        """Runs `work`; if it fails, so does connection `number`."""
        task = asyncio.get_running_loop().create_task(self._guard(work, number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, work: Coroutine[Any, Any, None], number: int) -> None:
        try:
            await work
        except Exception as error:
            log.warning("a connection broke: %r", error)
            log.debug("where it broke", exc_info=True)
            self._emit(PeerFailed(number))


def _addresses() -> set[str]:
    return set(get_host_addresses(use_ipv4=True, use_ipv6=True))
