"""Seals: proofs that an offer or answer comes from a holder of the link's key, and as it was sent.

A signaling server could put its own DTLS fingerprint into both descriptions and so sit in the
middle of a call. The family's link therefore carries a key in its fragment, which browsers send
nowhere, and whoever has it adds one line to the session level of what it sends:

    a=x-homecall-mac:<base64url of HMAC-SHA256(key, message), without padding>

    message = part("x-homecall-mac 1") part(role) part(room) part(offer) part(description)
    part(text) = length of the UTF-8 bytes, 32 bits, big-endian, and then the bytes

- role: "offer" or "answer", so that neither can be reflected as the other.
- room: the UUID in lower case.
- offer: empty in an offer; in an answer the whole offer as it arrived, with its seal, so that an
  answer to another offer is found however alike the two are.
- description: all of the SDP but that line. It holds the fingerprints and the ICE credentials
  (RFC 8122, RFC 8839), and since every byte counts, no two ways of reading an SDP can differ about
  what was sealed.

The line is the last one before the first media section, so there is one way only to seal a
description. `web/seal.js` is the same in JavaScript; `tests/vectors/seal.json` holds for both.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
from typing import Literal

import msgspec

ATTRIBUTE = "x-homecall-mac"
KEY_BYTES = 16

_LABEL = f"{ATTRIBUTE} 1"
_LINE = f"\r\na={ATTRIBUTE}:"
_MEDIA = "\r\nm="


class Proof(enum.Enum):
    """What the seal of a description is worth."""

    VALID = "valid"
    MISSING = "missing"
    WRONG = "wrong"


class Verdict(enum.Enum):
    """What becomes of an answer."""

    KEYLESS = "keyless"
    """The door has no key: an ordinary call."""
    UNVERIFIED = "unverified"
    """An ordinary call, of a page without the key or through a server that took the seal away."""
    VERIFIED = "verified"
    """Door and page are who they say, and nobody is between them."""
    REFUSED = "refused"
    """No call."""


class Guard(msgspec.Struct, frozen=True):
    """The door's side: seals its offers and judges the answers."""

    room: str
    """The room's UUID in lower case."""
    key: bytes = b""
    """KEY_BYTES bytes, or none: nothing is sealed, and every call is an ordinary one."""
    required: bool = False
    """Whether an answer without a seal is refused, too."""

    def seal(self, offer: str) -> str:
        """The offer as it is sent."""
        return seal(self.key, "offer", self.room, offer) if self.key else offer

    def judge(self, offer: str, answer: str) -> Verdict:
        """What becomes of `answer` to `offer`, both as they went over the line."""
        if not self.key:
            return Verdict.KEYLESS
        match check(self.key, "answer", self.room, answer, offer):
            case Proof.VALID:
                return Verdict.VERIFIED
            case Proof.MISSING if not self.required:
                return Verdict.UNVERIFIED
        return Verdict.REFUSED


Role = Literal["offer", "answer"]


def seal(key: bytes, role: Role, room: str, sdp: str, offer: str = "") -> str:
    """The description with its seal; an answer's holds for just this `offer`."""
    session, media, rest = sdp.partition(_MEDIA)
    return f"{session}{_LINE}{_mac(key, role, room, offer, sdp)}{media}{rest}"


def check(key: bytes, role: Role, room: str, sdp: str, offer: str = "") -> Proof:
    """Whether somebody with the key has sealed `sdp` in this role."""
    if ATTRIBUTE not in sdp:
        return Proof.MISSING
    session, media, rest = sdp.partition(_MEDIA)
    session, _, given = session.rpartition(_LINE)
    right = _mac(key, role, room, offer, f"{session}{media}{rest}")
    return Proof.VALID if hmac.compare_digest(given.encode(), right.encode()) else Proof.WRONG


def _mac(key: bytes, role: Role, room: str, offer: str, sdp: str) -> str:
    parts = (text.encode() for text in (_LABEL, role, room, offer, sdp))
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    digest = hmac.digest(key, message, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
