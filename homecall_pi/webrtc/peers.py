"""The connections of all calls, one at a time, and one gathered ahead so that a ring is at once.

Gathering takes a millisecond on a plain network, but seconds when a STUN or TURN server does not
answer, and a visitor should not wait for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

from aioice.ice import get_host_addresses

from .. import memory
from ..core.events import Event, PeerFailed
from ..core.messages import IceCandidate
from ..core.ports import Door
from ..core.progress import Progress
from ..core.state import Reason
from . import repeats, steady
from .ice import DEADLINE_S, HURRY_S, Servers
from .peer import Peer
from .voice import SILENT_DBFS

log = logging.getLogger(__name__)

LOOK_S = 5.0
"""Seconds between looks at the network's addresses and the spare's age."""
MAX_AGE_S = 110.0
"""Seconds that a gathered connection is good: a NAT may forget a mapping that is silent for two
minutes (RFC 4787, section 4.3)."""

HANG_S = 180.0
"""Longer than aioice takes to give up releasing the port of a TURN server that is gone (63.5 s)."""
AGAIN_S = 30.0
"""Seconds until one that a server failed to help with is gathered anew."""
LINGER_S = 10.0
"""Seconds until a connection that was lost in a call is closed."""
STOP_S = 2.0
"""Seconds that farewells, and what is being gathered, may take at the end."""


class Peers:
    """Opens and closes the connections. All methods but `run` and `stop` return at once."""

    def __init__(self, door: Door, servers: Servers, emit: Callable[[Event], None]) -> None:
        steady.take_over()
        repeats.take_over()
        self._door = door
        self._servers = servers
        self._emit = emit
        self._serial = random.randrange(1296)  # noqa: S311 - so that a restart uses other tags
        """The call's: some pages take all its offers with one connection, whose media sections keep
        their tags."""
        self._current: Peer | None = None
        self._last: Peer | None = None
        self._frames_before = self._samples_before = 0
        """Counted by former connections of the call that the last one is of."""
        self._number = 0
        self._again = False
        self._lost: Peer | None = None
        self._lingering: set[Peer] = set()
        self._spare: Peer | None = None
        self._wanted = asyncio.Event()
        self._gathering = asyncio.Lock()
        self._stopping = False
        self._known_addresses: set[str] = set()
        self._failing = False
        """Whether the last spare could not be prepared."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.progress = Progress("preparation of connections", HANG_S)

    async def run(self) -> None:
        """Keeps a connection ready, for ever."""
        while True:
            self.progress.move(time.monotonic())
            self._wanted.clear()
            if self._number == 0 and not self._stopping:
                await self._prepare()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _prepare(self) -> None:
        self._servers.refresh(self._addresses())
        if self._lacks_ready():
            # Not cancelled with this task: half a gathering would leave sockets open.
            await asyncio.wait([self._spawn(self._renew())])

    def look(self) -> None:
        """Looks at the network's addresses now, and whether servers that were missed are back."""
        self._servers.retry()
        self._wanted.set()
        if self._current is not None:
            self._current.check_address(self._addresses())

    async def stop(self) -> None:
        """Closes everything, and waits for it."""
        self._stopping = True
        self._number = 0
        self._discard(self._current, self._spare, *self._lingering)
        self._current = self._spare = self._lost = None
        self._lingering.clear()
        await self._servers.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_S)

    def open(self, number: int, *, again: bool) -> None:
        """Offers a connection that is ready, or a new one; `OfferReady` comes back.

        It is `again` when the page may have another connection of the same call.
        """
        self._number, self._again = number, again
        if not again:
            self._serial += 1
        spare, self._spare = self._spare, None
        if spare is not None and not self._is_stale(spare):
            self._begin(spare, number)
        else:
            self._discard(spare)
            self._spawn(self._open_new(number), number)

    def accept(self, number: int, answer: str, *, verified: bool = False) -> None:
        """Connects to the page that answered."""
        if self._current is not None and number == self._number:
            self._current.accept(answer, verified=verified)

    def add_candidate(self, number: int, candidate: IceCandidate) -> None:
        """Tries one more address of the page."""
        if self._current is not None and number == self._number:
            self._current.add_candidate(candidate)

    def close(self, reason: Reason | None) -> None:
        """Ends the connection. Without a reason it is lost: the next one takes over its parts."""
        peer, self._current = self._current, None
        self._number = 0
        self._wanted.set()
        if reason is None:
            self._lose(peer)
            return
        # Now, not in the task below: the next one may switch the parts on before it.
        ended = [each for each in (peer, *self._lingering) if each is not None]
        self._lingering.clear()
        self._lost = None
        for each in ended:
            each.rest()
            self._spawn(self._close(each, reason))

    def _lose(self, peer: Peer | None) -> None:
        if peer is not None:
            peer.mute()
            self._lost = peer
            # A page might take the end of this connection for the end of the call.
            self._lingering.add(peer)
            asyncio.get_running_loop().call_later(LINGER_S, self._let_go, peer)

    def _let_go(self, peer: Peer) -> None:
        if peer in self._lingering:
            self._lingering.remove(peer)
            self._discard(peer)

    @property
    def frames_sent(self) -> int:
        """Pictures sent in the present call, or the last one."""
        return self._frames_before + (self._last.video.frames_sent if self._last else 0)

    @property
    def audio_samples(self) -> int:
        """Samples of sound received in the present call, or the last one."""
        return self._samples_before + (self._last.voice.samples if self._last else 0)

    @property
    def audio_dbfs(self) -> float:
        """Level of the last second of sound received in the present call, or the last one."""
        return self._last.voice.level.dbfs if self._last else SILENT_DBFS

    def _begin(self, peer: Peer, number: int) -> None:
        goes_on = self._last is not None and self._last.serial == peer.serial
        self._frames_before = self.frames_sent if goes_on else 0
        self._samples_before = self.audio_samples if goes_on else 0
        self._current = self._last = peer
        peer.begin(number, self._emit)
        lost, self._lost = self._lost, None
        if lost is not None:
            lost.yield_parts()

    async def _open_new(self, number: int) -> None:
        # One that is on its way already comes sooner than a new one, unless a server keeps it.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HURRY_S), self._gathering:
                pass
        peer, self._spare = self._spare, None
        if peer is None or peer.serial != self._serial:
            self._discard(peer)
            await self._servers.hurry(self._addresses(), anew=self._again)
            peer = await self._gather(HURRY_S)
            if peer.choice != self._servers.choice():  # another server has to do
                await peer.close()
                peer = await self._gather(HURRY_S)
        if number == self._number:
            self._begin(peer, number)
        else:
            await peer.close()

    async def _close(self, peer: Peer, reason: Reason) -> None:
        await peer.close(reason)
        if self._number == 0:
            memory.give_back()

    async def _gather(self, patience_s: float) -> Peer:
        """A connection that can be offered; servers are waited for no longer than `patience_s`."""
        addresses = self._addresses()
        peer = Peer(self._door, self._servers.choice(), patience_s)
        try:
            await peer.gather(self._next_serial())
        except BaseException:
            await peer.close()
            raise
        peer.gathered_on = addresses
        peer.gathered_at = steady.uptime()
        self._servers.judge(peer.choice, peer.offer)
        return peer

    def _next_serial(self) -> int:
        """Of the call that a connection which is gathered now is for."""
        goes_on = self._number != 0 or self._lost is not None
        return self._serial if goes_on else self._serial + 1

    def _lacks_ready(self) -> bool:
        spare = self._spare
        return spare is None or self._is_stale(spare) or self._can_better(spare)

    def _can_better(self, spare: Peer) -> bool:
        """Whether other servers answer than when it was gathered, or one of them did not help."""
        lacking = spare.choice.missing_in(spare.offer) and self._age_s(spare) > AGAIN_S
        return bool(lacking) or spare.choice != self._servers.choice()

    def _age_s(self, peer: Peer) -> float:
        return steady.uptime() - peer.gathered_at

    def _is_stale(self, peer: Peer) -> bool:
        is_for_another = peer.serial != self._next_serial()
        is_old = self._age_s(peer) > MAX_AGE_S
        return is_for_another or is_old or peer.gathered_on != self._addresses()

    async def _renew(self) -> None:
        await self._servers.settle(self._addresses())
        async with self._gathering:
            await self._renew_spare()

    async def _renew_spare(self) -> None:
        try:
            fresh = await self._gather(DEADLINE_S)
        except Exception as error:
            if not self._failing:
                log.warning("no connection can be prepared: %r; trying again", error)
            self._failing = True
            return
        self._failing = False
        if self._stopping:
            await fresh.close()
            return
        self._discard(self._spare)
        self._spare = fresh

    def _addresses(self) -> set[str]:
        """The machine's addresses; those from before where they cannot be had just now."""
        with contextlib.suppress(OSError):  # no file or memory for the question
            self._known_addresses = _addresses()
        return self._known_addresses

    def _discard(self, *peers: Peer | None) -> None:
        for peer in peers:
            if peer is not None:
                self._spawn(peer.close())

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
