"""The one loop of the device: events in at one door, actions out at another. It decides nothing."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from . import notify
from .core import actions as do
from .core import call as table
from .core import events
from .core.actions import Action
from .core.events import AnswerReceived, Event, OfferReady
from .core.messages import Join, Leave, Offer
from .core.ports import Panel
from .core.seal import Guard
from .core.state import Call, Limits, Reason
from .core.story import Note, Story
from .log import current_call
from .signaling.client import Line
from .webrtc.peers import Peers

log = logging.getLogger(__name__)

MAX_WAITING = 256
"""Events that wait to be handled, which the loop does as soon as it can. Of more than that, those
are dropped that server and page can bring about by a word: it is a flood."""
_SAID = (
    events.AnswerReceived
    | events.CandidateReceived
    | events.Accepted
    | events.Declined
    | events.HungUp
    | events.ReleaseWanted
    | events.JoinRefused
)


class Doorbell:
    """Feeds every event to the call's table and performs the actions that come out of it."""

    def __init__(self, guard: Guard, name: str, limits: Limits) -> None:
        self.call = Call()
        self.last_reason: Reason | None = None
        self.joined = asyncio.Event()
        """Set once the room was joined."""
        self._guard = guard
        self._join = Join(guard.room, name)
        self._limits = limits
        self._story = Story()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._stopped = asyncio.Event()

    def connect(self, line: Line, peers: Peers, panel: Panel) -> None:
        """Tells where actions go; the three in turn send their events to `post`."""
        self._line, self._peers, self._panel = line, peers, panel

    def post(self, event: Event) -> None:
        """Takes an event. The loop's thread."""
        if self._events.qsize() < MAX_WAITING or not isinstance(event, _SAID):
            self._events.put_nowait(event)

    @property
    def status(self) -> str:
        """The state in words."""
        return self._story.status(self.call)

    async def settle(self) -> None:
        """Returns when all events so far are handled."""
        await self._events.join()

    async def stop(self) -> None:
        """Ends the call that there may be, and returns when all is said."""
        self.post(events.Stop())
        await self._stopped.wait()

    async def run(self) -> None:
        """Handles events until `stop`."""
        while not self._stopped.is_set():
            try:
                async with asyncio.timeout_at(self.call.deadline):
                    event = await self._events.get()
            except TimeoutError:
                self._handle(events.DeadlinePassed())
                continue
            self._handle(event)
            self._events.task_done()
            if isinstance(event, events.Stop):
                self._stopped.set()

    def _handle(self, event: Event) -> None:
        now = asyncio.get_running_loop().time()
        before = self.call
        event = self._guarded(event)
        self.call, actions = table.step(before, event, now, self._limits)
        log.debug("%s: %s -> %s", type(event).__name__, before.state.value, self.call.state.value)
        current_call.number = None if self.call.deadline is None else self.call.number
        for note in self._story.tell(event, before, self.call, actions, now):
            self._tell(note)
        for action in actions:
            self._perform(action)
        self._tell_status(before)

    def _guarded(self, event: Event) -> Event:
        """Offers get their seal, and answers their verdict, before the table sees them."""
        match event:
            case OfferReady(sdp=sdp):
                return msgspec.structs.replace(event, sdp=self._guard.seal(sdp))
            case AnswerReceived(sdp=sdp) if self.call.offer is not None:
                verdict = self._guard.judge(self.call.offer, sdp)
                return msgspec.structs.replace(event, verdict=verdict)
        return event

    def _perform(self, action: Action) -> None:
        match action:
            case do.ReleaseDoor():
                self._panel.release_door()
            case do.Show():
                self._panel.show(action)
                self.last_reason = action.reason or self.last_reason
            case do.OpenPeer() | do.AcceptAnswer() | do.AddCandidate() | do.ClosePeer():
                self._perform_on_peers(action)
            case _:
                self._perform_on_line(action)

    def _perform_on_peers(self, action: Action) -> None:
        match action:
            case do.OpenPeer(peer=peer, again=again):
                self._peers.open(peer, again=again)
            case do.AcceptAnswer(peer=peer, sdp=sdp, verified=verified):
                self._peers.accept(peer, sdp, verified=verified)
            case do.AddCandidate(peer=peer, candidate=candidate):
                self._peers.add_candidate(peer, candidate)
            case do.ClosePeer(reason=reason):
                self._peers.close(reason)

    def _perform_on_line(self, action: Action) -> None:
        match action:
            case do.Join():
                self._line.send(self._join)
                self.joined.set()
            case do.Leave():
                self._line.send(Leave(self._join.room, self._join.user))
            case do.SendOffer(sdp=sdp):
                self._line.send(Offer(self._join.room, self._join.user, sdp))
            case do.Sweep():
                self._line.sweep()
            case do.CheckLine():
                self._line.check()

    def _tell(self, note: Note) -> None:
        number = self.call.number
        fields: dict[str, object] = {"EVENT": note.event, "CALL_ID": number}
        if note.duration_s is not None:
            fields["DURATION_MS"] = round(note.duration_s * 1000)
        if note.reason is not None:
            fields["REASON"] = note.reason.value
        if note.page is not None:
            fields["PAGE"] = note.page
        level = logging.WARNING if note.trouble else logging.INFO
        log.log(level, "call %d: %s", number, note.text, extra=fields)

    def _tell_status(self, before: Call) -> None:
        after = self.call
        if (after.state, after.line, after.refusal) != (before.state, before.line, before.refusal):
            notify.send(f"STATUS={self.status}")
