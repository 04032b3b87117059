"""What the daemon and the sound card's program say to each other.

The line between them is a socket (AF_UNIX, SOCK_SEQPACKET); each packet is one message.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

MAX_MESSAGE_BYTES = 65_536


class Half(msgspec.Struct, frozen=True):
    """How the microphone, or the loudspeaker, is set."""

    device: str = ""
    """Its index, or a part of its name; empty: PortAudio's default."""
    gain_db: float = 0.0
    mute: bool = False


class Halves(msgspec.Struct, frozen=True):
    """What of the card is used; None: not this half."""

    microphone: Half | None
    speaker: Half | None
    cancel_echo: bool = True

    @property
    def used(self) -> list[str]:
        """The names of what is used."""
        halves = {"microphone": self.microphone, "speaker": self.speaker}
        return [name for name, half in halves.items() if half is not None]


class _Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    pass


class Hear(_Message, frozen=True):
    """To the program: the microphone is wanted, or not."""

    on: bool


class Speak(_Message, frozen=True):
    """To the program: the voice begins or ends; what waits of it is dropped."""

    on: bool


class Voice(_Message, frozen=True):
    """To the program: whole blocks of the voice."""

    sound: bytes


class Sound(_Message, frozen=True):
    """To the program: a sound of the door's own. With the packet comes a file of its samples."""

    once_bytes: int
    """Bytes of the file that are played once; the rest is played over and over."""


class Moved(_Message, frozen=True):
    """From the program, each 20 ms while the card is wanted: a chunk was moved, or its time passed.

    These are also its heartbeat.
    """

    done: int
    """Blocks of the voice that were played or dropped, in all."""
    heard: bytes
    """What the microphone heard; empty: nothing that anybody wants."""


class Health(_Message, frozen=True):
    """From the program, whenever it knows: what is wrong with which half."""

    faults: dict[str, str]


class Idle(_Message, frozen=True):
    """From the program: the card is closed, and nothing follows until it is wanted."""


ToProgram: TypeAlias = Hear | Speak | Voice | Sound
FromProgram: TypeAlias = Moved | Health | Idle


encode = msgspec.msgpack.Encoder().encode
decode_to_program = msgspec.msgpack.Decoder(ToProgram).decode
decode_from_program = msgspec.msgpack.Decoder(FromProgram).decode
