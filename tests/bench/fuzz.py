"""Coverage-guided fuzzing by Atheris: `python -m tests.bench.fuzz TARGET [libFuzzer's options]`.

A target takes bytes from the fuzzer and raises if something is wrong. It runs until it does, or
until `-max_total_time` is over.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import atheris

with atheris.instrument_imports(include=["homecall_pi", "websockets"]):
    from homecall_pi.core import call as table
    from homecall_pi.core import events, messages, rooms, sdp, seal
    from homecall_pi.core.actions import AcceptAnswer
    from homecall_pi.core.messages import BadMessage, Error, Join
    from homecall_pi.core.state import Call, Limits
    from homecall_pi.signaling import client
    from homecall_pi.signaling.server import SignalingServer

from tests.signaling.frames import (
    ANNA,
    DOOR,
    OTHER_ROOM,
    ROOM,
    answer,
    candidate,
    error,
    join,
    leave,
    masked,
    offer,
    upgrade,
)

logging.disable(logging.ERROR)

Target = Callable[[bytes], None]

SEEDS = (
    *(join(name, room) for name in (DOOR, ANNA) for room in (ROOM, OTHER_ROOM)),
    *(text(DOOR) for text in (leave, offer, answer, candidate)),
    error("room is full"),
)
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 97\r\na=mid:1\r\n"
)
KEY = bytes(range(seal.KEY_BYTES))
WORDS = (
    *("type", "room", "from", "user", "sdp", "candidate", "sdpMid", "message"),
    *("join", "leave", "offer", "answer", "error", ROOM, OTHER_ROOM, DOOR, ANNA),
    *(r"v=0\\r\\n", "m=audio", "a=mid:0", seal.ATTRIBUTE, sdp.CONTROL_ATTRIBUTE, r"\\ud800"),
)


def decode_and_route(data: bytes) -> None:
    """Frames of four connections, through the codec and the rooms."""
    provider = atheris.FuzzedDataProvider(data)
    served = rooms.Rooms[int]()
    now = 0.0
    while provider.remaining_bytes():
        now += provider.ConsumeIntInRange(0, 50)
        who = provider.ConsumeIntInRange(0, 3)
        message = decode(text_from(provider))
        if message is None:
            served.lost(who)
        elif not isinstance(message, Error):
            for action in served.receive(who, message, now, device=who == 0):
                if isinstance(action, rooms.Send):
                    messages.decode(action.frame)
    for who in range(4):
        served.lost(who)
    served.expire(math.inf)
    assert len(served) == served.held_bytes == 0


def decode(text: str) -> messages.Message | None:
    """The message, which survives being sent on; None if it is none, and the reason can be sent."""
    try:
        message = messages.decode(text)
    except BadMessage as fault:
        messages.decode(messages.encode(Error(str(fault))))
        return None
    assert messages.decode(messages.encode(message)) == message
    return message


def text_from(provider: Any) -> str:
    """One of the seeds, maybe with something else in a place; or just anything."""
    size = provider.ConsumeIntInRange(0, 400)
    if provider.ConsumeBool():
        return str(provider.ConsumeUnicode(size))
    fields = json.loads(SEEDS[provider.ConsumeIntInRange(0, len(SEEDS) - 1)])
    if provider.ConsumeBool():
        key = sorted(fields)[provider.ConsumeIntInRange(0, len(fields) - 1)]
        fields[key] = provider.ConsumeUnicodeNoSurrogates(size)
    return json.dumps(fields)


def descriptions(data: bytes) -> None:
    """What the door asks of an answer. Nobody makes a seal without the key."""
    provider = atheris.FuzzedDataProvider(data)
    number = provider.ConsumeIntInRange(0, 1295)
    text = provider.ConsumeUnicodeNoSurrogates(provider.ConsumeIntInRange(0, 2000))
    tagged = sdp.tag_offer(OFFER, number)
    sdp.mids(text)
    sdp.has_control(text)
    sdp.answers(tagged, text)
    sdp.answers(text, tagged)
    forged = sdp.mark_control(tagged[: provider.ConsumeIntInRange(0, len(tagged))] + text)
    for role in ("offer", "answer"):
        assert seal.check(KEY, role, ROOM, forged, tagged) is not seal.Proof.VALID
        sealed = seal.seal(KEY, role, ROOM, text, tagged)
        assert seal.check(KEY, role, ROOM, sealed, tagged) is seal.Proof.VALID
        at = provider.ConsumeIntInRange(0, len(sealed))
        changed = sealed[:at] + provider.ConsumeUnicodeNoSurrogates(3) + sealed[at + 1 :]
        if changed != sealed:
            assert seal.check(KEY, role, ROOM, changed, tagged) is not seal.Proof.VALID


class Ringing:
    """A door that rings, and believes nothing without a seal: all events through its table."""

    def __init__(self) -> None:
        self.guard = seal.Guard(ROOM, KEY, required=True)
        self.line = client.Line("", Join(ROOM, DOOR), self.take)
        self.call = Call()
        self.now = 0.0
        for event in (events.LineUp(replaces_offers=True), events.Pressed()):
            self.take(event)
        self.take(events.OfferReady(self.call.number, self.guard.seal(sdp.tag_offer(OFFER, 7))))

    def take(self, event: events.Event) -> None:
        if isinstance(event, events.AnswerReceived) and self.call.offer is not None:
            verdict = self.guard.judge(self.call.offer, event.sdp)
            event = events.AnswerReceived(event.sdp, event.sender, verdict)
        self.call, actions = table.step(self.call, event, self.now, Limits())
        assert not any(isinstance(action, AcceptAnswer) for action in actions)


def hostile_server() -> Target:
    """Takes frames of a server to a door that rings."""
    loop = asyncio.new_event_loop()
    return lambda data: loop.run_until_complete(ring_at_a_hostile_server(data))


async def ring_at_a_hostile_server(data: bytes) -> None:
    provider = atheris.FuzzedDataProvider(data)
    door = Ringing()
    while provider.remaining_bytes():
        door.now += provider.ConsumeIntInRange(0, 20)
        if provider.ConsumeIntInRange(0, 7) == 0:
            frame: str | bytes = provider.ConsumeBytes(50)
        else:
            frame = text_from(provider)
        door.line._receive(frame)


class Wire(asyncio.Transport):
    """A connection in memory; what the server writes is dropped."""

    def __init__(self, loop: asyncio.AbstractEventLoop, factory: Any, address: str) -> None:
        super().__init__({"peername": (address, 4711)})
        self.loop, self.closing = loop, False
        self.protocol = factory()
        self.protocol.connection_made(self)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def feed(self, data: bytes) -> None:
        if not self.closing:
            self.protocol.data_received(data)

    def abort(self) -> None:
        if not self.closing:
            self.closing = True
            self.loop.call_soon(self.protocol.connection_lost, None)

    close = abort

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: Any) -> None:
        assert not self.closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.abort()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Served:
    """A server whose clients are in memory."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self.fail)
        self.failures: list[object] = []
        self.count = 0
        self.server = SignalingServer(host="127.0.0.1", port=0, web=Path("/nonexistent"))
        listen = self.loop.create_server

        def keep_factory(factory: Any, *args: Any, **options: Any) -> Any:
            self.factory = factory
            return listen(factory, *args, **options)

        self.loop.create_server = keep_factory  # type: ignore[assignment]
        self.loop.run_until_complete(self.server.start())

    def fail(self, _: object, context: dict[str, object]) -> None:
        self.failures.append(context)

    def __call__(self, data: bytes) -> None:
        """Bytes and frames of up to four clients."""
        self.loop.run_until_complete(self.serve(data))
        assert not self.failures, self.failures
        assert len(self.server._lines) == len(self.server._rooms) == 0

    async def serve(self, data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)
        self.count += 1
        address = f"10.{self.count >> 16 & 255}.{self.count >> 8 & 255}.{self.count & 255}"
        wires = [Wire(self.loop, self.factory, address) for _ in range(4)]
        for wire in wires[1:]:
            wire.feed(upgrade())
        await settle()
        while provider.remaining_bytes():
            wires[provider.ConsumeIntInRange(0, 3)].feed(bytes_from(provider))
            await settle()
        for wire in wires:
            wire.abort()
        await settle()
        self.server._rooms.expire(math.inf)


async def settle() -> None:
    """Lets the server do what it has to."""
    for _ in range(4):
        await asyncio.sleep(0)


def bytes_from(provider: Any) -> bytes:
    """A message, a frame with some other head, or just anything."""
    kind = provider.ConsumeIntInRange(0, 3)
    if kind < 2:
        return masked(text_from(provider).encode(errors="replace").decode())
    raw = cast(bytes, provider.ConsumeBytes(provider.ConsumeIntInRange(0, 300)))
    return raw if kind == 2 else bytes(provider.ConsumeIntListInRange(2, 0, 255)) + raw


TARGETS: dict[str, Callable[[], Target]] = {
    "messages and rooms": lambda: decode_and_route,
    "server": Served,
    "descriptions and seals": lambda: descriptions,
    "door, server hostile": hostile_server,
}


def main(name: str, options: list[str]) -> None:
    """Fuzzes one target; libFuzzer ends the process."""
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder) / "words"
        words.write_text("".join(f'"{word}"\n' for word in WORDS if word.isascii()))
        target = TARGETS[name]()
        atheris.Setup(
            [sys.argv[0], f"-dict={words}", "-max_len=1000", "-timeout=10", *options], target
        )
        with suppress(SystemExit):
            atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
