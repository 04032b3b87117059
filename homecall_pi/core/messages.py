"""The six messages of the HomeCall signaling protocol: one JSON object per text frame.

| type      | way                | fields                    |
|-----------|--------------------|---------------------------|
| join      | client -> server   | room, user                |
| leave     | client -> server   | room, user                |
| offer     | client -> client   | room, from, sdp           |
| answer    | client -> client   | room, from, sdp           |
| candidate | client -> client   | room, from, candidate     |
| error     | server -> client   | message, room (optional)  |

Unknown fields are ignored: deployed web clients add `from` to `join` and `leave`.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

MAX_MESSAGE_BYTES = 64 * 1024
"""Largest frame accepted. A browser's SDP with many candidates stays under 20 kB."""

ROOM_FULL: Final = "room is full"
SERVER_FULL: Final = "server is full"
NOT_SERVED: Final = "room is not served here"
"""What our server says in an `error` to whom it does not let in."""

WITHDRAWN: Final = "the call was withdrawn"
"""And to whoever has been given an offer when its sender leaves, if it has asked for that."""

MAX_FAULT_CHARS = 200
"""The text of a `BadMessage` quotes the frame, so it is cut to this length."""

Room: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern="^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
        max_length=36,  # because `$` also matches before a newline at the end
        description="the room's UUID",
    ),
]
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Sdp: TypeAlias = Annotated[str, msgspec.Meta(pattern="^v=0\r?\n")]
CandidateLine: TypeAlias = Annotated[str, msgspec.Meta(max_length=1024)]
Token: TypeAlias = Annotated[str, msgspec.Meta(max_length=256)]
UnsignedShort: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class BadMessage(ValueError):
    """The frame is not one of the six messages. The text is fit to be sent back as `error`."""


class IceCandidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RTCIceCandidateInit dictionary, with the names that browsers use (W3C webrtc, 5.4)."""

    candidate: CandidateLine
    sdpMid: Token | None = None  # noqa: N815
    sdpMLineIndex: UnsignedShort | None = None  # noqa: N815
    usernameFragment: Token | None = None  # noqa: N815


class Join(msgspec.Struct, frozen=True, tag_field="type", tag="join", omit_defaults=True):
    """Registers a participant of the room."""

    room: Room
    user: Name
    withdrawals: bool = False
    """Ours: whether it wants an `error`, WITHDRAWN, when who has called it leaves."""


class Leave(msgspec.Struct, frozen=True, tag_field="type", tag="leave"):
    """Ends the participant's session and frees its slot."""

    room: Room
    user: Name


class Offer(msgspec.Struct, frozen=True, tag_field="type", tag="offer", rename={"sender": "from"}):
    """The initiator's SDP offer."""

    room: Room
    sender: Name
    sdp: Sdp


class Answer(
    msgspec.Struct, frozen=True, tag_field="type", tag="answer", rename={"sender": "from"}
):
    """The recipient's SDP answer."""

    room: Room
    sender: Name
    sdp: Sdp


class Candidate(
    msgspec.Struct, frozen=True, tag_field="type", tag="candidate", rename={"sender": "from"}
):
    """One ICE candidate of either side."""

    room: Room
    sender: Name
    candidate: IceCandidate


class Error(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="error"):
    """A signaling error. Deployed servers send it without `room`."""

    message: str
    room: str | None = None


Message: TypeAlias = Join | Leave | Offer | Answer | Candidate | Error

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_encoder = msgspec.json.Encoder()


def decode(frame: str | bytes) -> Message:
    """One frame as a message.

    Raises:
        BadMessage: not a text frame, too large, not JSON, of unknown type, or with a field that is
            missing or wrong. The text says which.
    """
    if isinstance(frame, bytes):
        raise BadMessage("binary frames are not part of the protocol: send JSON as text")
    try:
        raw = frame.encode()
        if len(raw) > MAX_MESSAGE_BYTES:
            raise BadMessage(f"message is larger than {MAX_MESSAGE_BYTES} bytes")
        return _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise BadMessage(f"malformed message: {error}"[:MAX_FAULT_CHARS]) from None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise BadMessage("malformed message: not a JSON object") from None


def encode(message: Message) -> str:
    """The message as the text of one frame."""
    return _encoder.encode(message).decode()
