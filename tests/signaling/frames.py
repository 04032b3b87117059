"""Messages, frames and requests as bytes, as those write them who take no library's word for it."""

from __future__ import annotations

import json

ROOM = "3f0c6a52-9b1e-4c07-8d2f-5a7e61c0b9d4"
OTHER_ROOM = "00000000-0000-4000-8000-000000000000"
DOOR, ANNA = "door", "Аня"
LINE = "candidate:1 1 udp 2122194687 192.0.2.10 50641 typ host"


def dumps(**fields: object) -> str:
    """The bytes that a browser's JSON.stringify makes."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def join(user: str, room: str = ROOM) -> str:
    return dumps(type="join", room=room, user=user)


def leave(user: str, room: str = ROOM) -> str:
    return dumps(type="leave", room=room, user=user)


def offer(sender: str, text: str = "", room: str = ROOM) -> str:
    return dumps(type="offer", room=room, **{"from": sender}, sdp=f"v=0\r\n{text}")


def answer(sender: str) -> str:
    return dumps(type="answer", room=ROOM, **{"from": sender}, sdp="v=0\r\n")


def candidate(sender: str, index: int = 0, room: str = ROOM) -> str:
    ice = {"candidate": LINE, "sdpMid": str(index), "sdpMLineIndex": index}
    return dumps(type="candidate", room=room, **{"from": sender}, candidate=ice)


def error(message: str, room: str | None = ROOM) -> str:
    return dumps(type="error", message=message, **({"room": room} if room else {}))


def masked(text: str) -> bytes:
    """A client's text frame with a length of 16 bits, masked with zeros (RFC 6455, 5.2)."""
    payload = text.encode()
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


PING = b"\x89\xfd" + bytes(4) + bytes(125)
"""A client's ping with the longest payload; the pong is nearly as long."""


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: door", *fields, "", ""]).encode()


def upgrade(path: str = "/signal", *fields: str) -> bytes:
    """A WebSocket handshake (RFC 6455, 1.3)."""
    return get(
        path,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *fields,
    )
