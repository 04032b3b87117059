"""What to do: what the call's table answers.

All return at once; what comes of them comes back as events.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from .messages import IceCandidate
from .state import Reason, State


class Join(msgspec.Struct, frozen=True):
    """Register in the room. It is idempotent."""


class Leave(msgspec.Struct, frozen=True):
    """Free the slot in the room, and whatever the server holds of ours."""


class Sweep(msgspec.Struct, frozen=True):
    """Empty the server's queue of what was sent there for the other participant."""


class CheckLine(msgspec.Struct, frozen=True):
    """Find out whether the server still answers, and drop the line if it does not."""


class OpenPeer(msgspec.Struct, frozen=True):
    """Make a connection ready to be offered, and switch the camera and microphone on."""

    peer: int
    again: bool = False
    """The page has, or had, an earlier connection of the same call."""


class SendOffer(msgspec.Struct, frozen=True):
    """Send the offer to the room."""

    sdp: str


class AcceptAnswer(msgspec.Struct, frozen=True):
    """Connect."""

    peer: int
    sdp: str
    verified: bool = False
    """Whether the page may know of more than the call, and do it."""


class AddCandidate(msgspec.Struct, frozen=True):
    """Try one more address of the other side."""

    peer: int
    candidate: IceCandidate


class ClosePeer(msgspec.Struct, frozen=True):
    """End the connection, telling the page why; camera and microphone go off.

    Without a reason it is lost, and another follows at once: nothing is told, the parts stay on.
    """

    peer: int
    reason: Reason | None


class ReleaseDoor(msgspec.Struct, frozen=True):
    """Let the visitor in."""


class Show(msgspec.Struct, frozen=True):
    """Let the visitor know."""

    state: State
    reason: Reason | None = None
    """Why the call ended, when it just did."""


Action: TypeAlias = (
    Join
    | Leave
    | Sweep
    | CheckLine
    | OpenPeer
    | SendOffer
    | AcceptAnswer
    | AddCandidate
    | ClosePeer
    | ReleaseDoor
    | Show
)
