"""Where a call is, and all that is known of it."""

from __future__ import annotations

import enum

import msgspec

from .seal import Verdict


class State(enum.Enum):
    """Where the call is."""

    OFFLINE = "offline"
    IDLE = "idle"
    OFFERING = "offering"
    RINGING = "ringing"
    CONNECTING = "connecting"
    TALKING = "talking"
    RECONNECTING = "reconnecting"


class Reason(enum.Enum):
    """Why a call ended."""

    HUNG_UP = "hung-up"
    DECLINED = "declined"
    NO_ANSWER = "no-answer"
    OFFLINE = "offline"
    PAGE_GONE = "page-gone"
    TOO_LONG = "too-long"
    FAILED = "failed"
    STOPPED = "stopped"


class Limits(msgspec.Struct, frozen=True):
    """The deadlines of a call, in seconds."""

    ring_s: float = 45.0
    connect_s: float = 15.0
    talk_s: float = 600.0


class Call(msgspec.Struct, frozen=True):
    """All that is known at one moment. A new value takes its place at each event."""

    state: State = State.OFFLINE
    line: bool = False
    """Whether the server is reached, and lets the door into its room."""
    refusal: str = ""
    """Why the server that is reached does not let it in, and what to do about it."""
    replaces_offers: bool = False
    number: int = 0
    """Counts the calls; of the present or the last one."""
    peer: int = 0
    """Counts the connections; of the present or the last one."""
    offers: int = 0
    """Connections that the present call has tried."""
    offer: str | None = None
    """The offer in force."""
    standing: bool = False
    """Whether an offer was sent that nobody has answered, so that the server may hold it."""
    preview: bool = False
    """Whether the page in force tells over the control channel when a person answers."""
    verdict: Verdict = Verdict.KEYLESS
    """On the latest answer that was accepted in the present call."""
    refused: bool = False
    """Whether an answer to an offer of the present call was refused."""
    give_up_at: float = 0.0
    """When ringing, or reconnecting, has lasted long enough."""
    talk_until: float = 0.0
    deadline: float | None = None

    @property
    def verified(self) -> bool:
        """Whether the call is with somebody who has proven to have the link's key.

        Once it is, it stays so until its end: nobody else may take it up.
        """
        return self.verdict is Verdict.VERIFIED
