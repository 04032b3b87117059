"""STUN and TURN servers: which of the configured ones answer, and which ones a connection uses.

aiortc asks one STUN and one TURN server per connection, and waits for those that do not answer. So
all of them are tried ahead of need, at once and in the background, and a connection is given just
the best that answered: a dead one costs no ring any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..config.ice import IceConfig
from ..tls import tls_context
from . import steady
from .routes import Address, Route, Turn, routes

log = logging.getLogger(__name__)

DEADLINE_S = 2.0
"""Seconds in which a server has to answer."""
HURRY_S = 0.5
"""Seconds that somebody who waits at the door, or in a call, is kept waiting for servers."""
KNOWN_S = 300.0
"""Seconds for which it is believed that those that answered still do."""
AGAIN_S, MAX_AGAIN_S = 5.0, 60.0
"""Seconds until servers that are missed are tried again: first; and at most, after each time twice
as long."""

DOUBT_S = 30.0
"""Seconds until all are tried again after one of them did not do its work."""

_TRANSPORTS = ("udp", "tcp", "tls")
"""In the order of preference: media is delayed by a stream that makes up for loss."""


@dataclass(frozen=True)
class Choice:
    """What a connection uses to find a way."""

    policy: str
    """"all", or "relay" for the TURN server alone."""
    stun: Address | None = None
    turn: Turn | None = None

    def missing_in(self, sdp: str) -> set[str]:
        """The schemes of those servers whose candidates the description lacks."""
        wanted = {"stun": (self.stun, " typ srflx"), "turn": (self.turn, " typ relay")}
        return {scheme for scheme, (server, kind) in wanted.items() if server and kind not in sdp}


class Servers:
    """Knows which servers answer.

    It is asked with the machine's addresses: when they change, so does the network, and all servers
    are tried anew.
    """

    def __init__(self, config: IceConfig, clock: Callable[[], float] = steady.uptime) -> None:
        self._policy = config.policy
        self._routes = sorted(routes(config), key=lambda route: _TRANSPORTS.index(route.transport))
        encrypted = any(route.transport == "tls" for route in self._routes)
        self._tls = tls_context() if encrypted else None
        self._clock = clock
        self._answering: dict[Route, Address] = {}
        self._enough = asyncio.Event()
        self._known_on: Collection[str] | None = None
        self._looking_on: Collection[str] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._due_at = 0.0
        self._again_s = AGAIN_S
        self._told: set[str] = set()

    def choice(self) -> Choice:
        """The best servers of those that are known to answer."""
        best: dict[str, Route] = {}
        for route in self._routes:
            if route in self._answering:
                best.setdefault(route.scheme, route)
        stun, turn = best.get("stun"), best.get("turn")
        return Choice(
            self._policy,
            self._answering[stun] if stun else None,
            turn.turn(self._answering[turn], self._tls) if turn else None,
        )

    def refresh(self, addresses: Collection[str]) -> None:
        """Tries the servers in the background, if that is due."""
        if self._routes and (addresses != self._known_on or self._clock() >= self._due_at):
            self._look_on(addresses)

    def judge(self, choice: Choice, sdp: str) -> None:
        """Doubts those of the choice whose candidates the description lacks.

        Where another one of that scheme answers, it takes the place. All are to be tried before
        long, since it may have been the network's fault.
        """
        missing = choice.missing_in(sdp)
        if not missing or choice != self.choice():
            return
        for scheme in missing:
            answering = [
                route
                for route in self._routes
                if route.scheme == scheme and route in self._answering
            ]
            if len(answering) > 1:
                del self._answering[answering[0]]
        self._due_at = min(self._due_at, self._clock() + DOUBT_S)

    def retry(self) -> None:
        """The network may be back: those that are missed are to be tried now."""
        if not self._has_enough():
            self._again_s, self._due_at = AGAIN_S, self._clock()

    async def settle(self, addresses: Collection[str]) -> None:
        """Returns when all have been tried on this network; at once if they were before."""
        if addresses != self._known_on:
            await asyncio.wait([self._look_on(addresses)])

    async def hurry(self, addresses: Collection[str], *, anew: bool) -> None:
        """Returns as soon as some on this network will do, or after HURRY_S.

        `anew` gives those that were missed another chance: a call has lost its way, so the network
        may have been gone for a while.
        """
        if addresses != self._known_on or (anew and not self._has_enough()):
            self._look_on(addresses)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HURRY_S):
                    await self._enough.wait()

    async def stop(self) -> None:
        """Tries no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    def _look_on(self, addresses: Collection[str]) -> asyncio.Task[None]:
        if self._looking is not None and not self._looking.done():
            if addresses == self._looking_on:
                return self._looking
            self._looking.cancel()
        if addresses != self._known_on:
            self._known_on = None
            self._answering.clear()
            self._again_s = AGAIN_S
        if not self._has_enough():
            self._enough.clear()
        self._looking_on = addresses
        self._looking = asyncio.get_running_loop().create_task(self._look(addresses))
        return self._looking

    async def _look(self, addresses: Collection[str]) -> None:
        if addresses:  # else there is no network, and nothing to learn
            await asyncio.gather(*map(self._try, self._routes))
        self._known_on = addresses
        if self._has_enough():
            self._again_s = AGAIN_S
            self._due_at = self._clock() + KNOWN_S
        else:
            self._due_at = self._clock() + self._again_s
            self._again_s = min(2 * self._again_s, MAX_AGAIN_S)
        self._enough.set()

    def _has_enough(self) -> bool:
        answering = {route.scheme for route in self._answering}
        return answering == {route.scheme for route in self._routes}

    async def _try(self, route: Route) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                self._answering[route] = (await route.reach(self._tls)).address
        except Exception as error:  # a server may answer whatever it likes
            self._answering.pop(route, None)
            self._tell_loss(route, route.reason(error))
        else:
            self._tell_return(route)
            if self._has_enough():
                self._enough.set()

    def _tell_loss(self, route: Route, reason: str) -> None:
        if route.url not in self._told:
            self._told.add(route.url)
            log.warning("%s is of no use: %s; doing without it", route.url, reason)

    def _tell_return(self, route: Route) -> None:
        if route.url in self._told:
            self._told.remove(route.url)
            log.info("%s answers again", route.url)
