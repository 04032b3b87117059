"""What happened: what the call's table is asked with.

Events with a `peer` belong to that connection; those of strangers are dropped.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from .messages import IceCandidate
from .seal import Verdict


class Pressed(msgspec.Struct, frozen=True):
    """The visitor pressed the button."""


class HangUp(msgspec.Struct, frozen=True):
    """Somebody at the door ends the call."""


class Stop(msgspec.Struct, frozen=True):
    """The daemon is about to end."""


class LineUp(msgspec.Struct, frozen=True):
    """The signaling server is reached, or lets the door in that it has refused."""

    replaces_offers: bool = False
    """Whether it promises that a newer offer replaces the one that it holds."""


class LineDown(msgspec.Struct, frozen=True):
    """The signaling server is lost."""


class JoinRefused(msgspec.Struct, frozen=True):
    """The signaling server is reached, but does not let the door into its room."""

    why: str
    """And what to do about it."""


class AnswerReceived(msgspec.Struct, frozen=True):
    """An SDP answer arrived, to whatever offer."""

    sdp: str
    sender: str = ""
    """The name that the page gave."""
    verdict: Verdict = Verdict.KEYLESS


class CandidateReceived(msgspec.Struct, frozen=True):
    """An ICE candidate arrived, for whatever connection."""

    candidate: IceCandidate


class OfferReady(msgspec.Struct, frozen=True):
    """The connection can be offered."""

    peer: int
    sdp: str


class Connected(msgspec.Struct, frozen=True):
    """Media flows."""

    peer: int


class Accepted(msgspec.Struct, frozen=True):
    """A person answered, and the page said so."""

    peer: int


class Declined(msgspec.Struct, frozen=True):
    """A person declined."""

    peer: int


class HungUp(msgspec.Struct, frozen=True):
    """The page ended the call, and said so."""

    peer: int


class ReleaseWanted(msgspec.Struct, frozen=True):
    """A person at the page wants to let the visitor in."""

    peer: int


class MediaLost(msgspec.Struct, frozen=True):
    """Nothing is heard of the other side any more."""

    peer: int


class MediaBack(msgspec.Struct, frozen=True):
    """The other side is heard again."""

    peer: int


class LineProven(msgspec.Struct, frozen=True):
    """The signaling server has just answered."""


class PeerClosed(msgspec.Struct, frozen=True):
    """The other side closed the connection or vanished."""

    peer: int


class PeerFailed(msgspec.Struct, frozen=True):
    """The connection could not be made, or broke."""

    peer: int


class DeadlinePassed(msgspec.Struct, frozen=True):
    """`Call.deadline` has come."""


Event: TypeAlias = (
    Pressed
    | HangUp
    | Stop
    | LineUp
    | LineDown
    | JoinRefused
    | AnswerReceived
    | CandidateReceived
    | OfferReady
    | Connected
    | Accepted
    | Declined
    | HungUp
    | ReleaseWanted
    | MediaLost
    | MediaBack
    | LineProven
    | PeerClosed
    | PeerFailed
    | DeadlinePassed
)
