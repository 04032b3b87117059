"""The one loop of the device: events in at one door, actions out at another. It decides nothing."""

from __future__ import annotations

import asyncio
import logging

from .core import call as table
from .core.call import Action, Call, Event, Limits, Reason, State
from .core.messages import Join, Leave, Offer
from .core.ports import Panel
from .signaling.client import Line
from .webrtc.peers import Peers

log = logging.getLogger(__name__)


class Doorbell:
    """Feeds every event to the call's table and performs the actions that come out of it."""

    def __init__(self, room: str, name: str, limits: Limits) -> None:
        self.call = Call()
        self.last_reason: Reason | None = None
        self._join = Join(room, name)
        self._limits = limits
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._stopped = asyncio.Event()

    def connect(self, line: Line, peers: Peers, panel: Panel) -> None:
        """Tells where actions go; the three in turn send their events to `post`."""
        self._line, self._peers, self._panel = line, peers, panel

    def post(self, event: Event) -> None:
        """Takes an event. The loop's thread."""
        self._events.put_nowait(event)

    async def settle(self) -> None:
        """Returns when all events so far are handled."""
        await self._events.join()

    async def stop(self) -> None:
        """Ends the call that there may be, and returns when all is said."""
        self.post(table.Stop())
        await self._stopped.wait()

    async def run(self) -> None:
        """Handles events until `stop`."""
        while not self._stopped.is_set():
            try:
                async with asyncio.timeout_at(self.call.deadline):
                    event = await self._events.get()
            except TimeoutError:
                self._handle(table.DeadlinePassed())
                continue
            self._handle(event)
            self._events.task_done()
            if isinstance(event, table.Stop):
                self._stopped.set()

    def _handle(self, event: Event) -> None:
        now = asyncio.get_running_loop().time()
        before = self.call
        self.call, actions = table.step(before, event, now, self._limits)
        log.debug("%s: %s -> %s", type(event).__name__, before.state.value, self.call.state.value)
        for action in actions:
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case table.Join():
                self._line.send(self._join)
            case table.Leave():
                self._line.send(Leave(self._join.room, self._join.user))
            case table.SendOffer(sdp=sdp):
                self._line.send(Offer(self._join.room, self._join.user, sdp))
            case table.Sweep():
                self._line.sweep()
            case table.OpenPeer(peer=peer):
                self._peers.open(peer)
            case table.AcceptAnswer(peer=peer, sdp=sdp):
                self._peers.accept(peer, sdp)
            case table.AddCandidate(peer=peer, candidate=candidate):
                self._peers.add_candidate(peer, candidate)
            case table.ClosePeer(reason=reason):
                self._peers.close(reason)
            case table.Show():
                self._show(action)

    def _show(self, show: table.Show) -> None:
        self._panel.show(show)
        if show.reason is not None:
            self.last_reason = show.reason
            log.info("call %d: ended, %s", self.call.number, show.reason.value)
        elif show.state not in {State.IDLE, State.OFFLINE}:
            log.info("call %d: %s", self.call.number, show.state.value)
