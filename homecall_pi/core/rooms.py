"""The server's rooms: who sits in them, and the offers that stand until they are answered.

A room is a UUID with two seats. A seat belongs to a name. The same name joining by another
connection takes its own seat over, and the old connection is closed; a third name is refused.
A device finds a seat all the same where no other sits: of two pages in its room the later one gives
way. Else a page that waits for a seat would lock the door out of its own room while it restarts.

A participant's newest offer, with the candidates after it, *stands*: whoever joins later gets it,
in order. So a call reaches a page that opens late, and a page that is reloaded while it rings.
It stands until an answer is relayed, until its sender leaves or offers anew, or until it is too
old. Who leaves withdraws it. A page that wants to be is told: else it would go on ringing while its
answer is on the way, or comes to nothing. An offer outlives its sender's connection, which may come
back: an empty seat keeps it, but yields to a newcomer when the room is full. Nothing else is ever
held: an answer or a candidate without a standing offer, for somebody who is not there, is of no use
to anybody.

Who fills the server with rooms or offers harms nobody else: a room that holds but the offer of
someone absent yields to a room with people in it, and the largest of all standing offers yields to
smaller ones.

Pure: connections are opaque keys, `now` is an argument, and what is to be done comes back as
actions. The caller performs them, in order, before it hands in the next message.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeAlias, TypeVar

from homecall_pi.core.messages import (
    NOT_SERVED,
    ROOM_FULL,
    SERVER_FULL,
    WITHDRAWN,
    Answer,
    Candidate,
    Error,
    Join,
    Leave,
    Offer,
    encode,
)

SEATS: Final = 2
MAX_ROOMS: Final = 1024
MAX_OFFER_AGE_S: Final = 120.0
"""A doorbell rings for a minute or so: whoever comes later has missed the call."""
MAX_CANDIDATES: Final = 128
MAX_OFFER_BYTES: Final = 128 * 1024
"""One standing offer with its candidates; twice what a single message may have."""
MAX_HELD_BYTES: Final = 32 * 1024 * 1024
"""All standing offers of all rooms."""

Connection = TypeVar("Connection", bound=Hashable)
FromClient: TypeAlias = Join | Leave | Offer | Answer | Candidate


@dataclass(frozen=True, slots=True)
class Send(Generic[Connection]):
    """Send this frame."""

    to: Connection
    frame: str


@dataclass(frozen=True, slots=True)
class Close(Generic[Connection]):
    """Close this connection: its participant has come back by a newer one."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Ignored:
    """The message was dropped without an answer, as the specification demands; here is why."""

    why: str


Action: TypeAlias = Send[Connection] | Close[Connection] | Ignored


@dataclass(slots=True)
class _StandingOffer(Generic[Connection]):
    frames: list[str]
    """The offer, then its candidates."""
    size: int
    """Bytes of all frames."""
    since: float
    seen_by: Connection | None = None
    """The connection that has got it, and must not get it twice."""

    def aged(self, now: float) -> bool:
        return now - self.since > MAX_OFFER_AGE_S


@dataclass(slots=True)
class _Seat(Generic[Connection]):
    name: str
    connection: Connection | None
    device: bool = False
    """Whether a door sits here, rather than a page."""
    withdrawals: bool = False
    """Whether it wants to know when who has called it leaves."""
    called: str = ""
    """The name of who has got its newest offer, answered or not."""
    offer: _StandingOffer[Connection] | None = None

    @property
    def in_use(self) -> bool:
        return self.connection is not None or self.offer is not None

    @property
    def since(self) -> float:
        """When its offer came."""
        return self.offer.since if self.offer else 0.0

    @property
    def held_bytes(self) -> int:
        """Bytes of its offer."""
        return self.offer.size if self.offer else 0


@dataclass(slots=True)
class _Room(Generic[Connection]):
    key: str
    seats: list[_Seat[Connection]] = field(default_factory=list)

    def seat_of(self, name: str) -> _Seat[Connection] | None:
        return next((seat for seat in self.seats if seat.name == name), None)

    def opposite(self, seat: _Seat[Connection]) -> _Seat[Connection] | None:
        return next((other for other in self.seats if other is not seat), None)


class Rooms(Generic[Connection]):
    """All rooms of one server.

    Args:
        served: the rooms' UUIDs, in any spelling of theirs; empty for all rooms there can be.
    """

    def __init__(self, served: Collection[str] = ()) -> None:
        self._served = frozenset(room.lower() for room in served)
        self._rooms: dict[str, _Room[Connection]] = {}
        self._places: dict[Connection, tuple[_Room[Connection], _Seat[Connection]]] = {}
        self._held_bytes = 0

    def __len__(self) -> int:
        return len(self._rooms)

    @property
    def held_bytes(self) -> int:
        """Bytes of all standing offers."""
        return self._held_bytes

    def serves(self, room: str) -> bool:
        """Whether one may join this room."""
        return not self._served or room.lower() in self._served

    def room_of(self, connection: Connection) -> str | None:
        """The room that the connection has joined, in lower case."""
        place = self._places.get(connection)
        return place[0].key if place else None

    def receive(
        self, connection: Connection, message: FromClient, now: float, *, device: bool = False
    ) -> list[Action[Connection]]:
        """Takes one message of a connection; `now` in seconds of a monotonic clock.

        `device` tells that it comes from a door: no browser sent it.
        """
        if isinstance(message, Join):
            return self._join(connection, message, now, device)
        place = self._places.get(connection)
        if place is None:  # who was refused a seat leaves all the same
            return [] if isinstance(message, Leave) else [Ignored("message before join")]
        room, seat = place
        if message.room.lower() != room.key:
            return [Ignored("message for another room")]
        if (message.user if isinstance(message, Leave) else message.sender) != seat.name:
            return [Ignored("message in another name")]
        if isinstance(message, Leave):
            return self._leave(connection)
        return self._relay(room, seat, message, now)

    def lost(self, connection: Connection) -> None:
        """The connection is gone, without `leave`: its participant may come back."""
        place = self._places.pop(connection, None)
        if place is not None:
            room, seat = place
            seat.connection = None
            self._tidy(room)

    def expire(self, now: float) -> None:
        """Drops offers that are too old. To be called now and then, also when nothing happens."""
        for room in list(self._rooms.values()):
            for seat in room.seats:
                if seat.offer is not None and seat.offer.aged(now):
                    self._drop_offer(seat)
            self._tidy(room)

    def _join(
        self, connection: Connection, message: Join, now: float, device: bool
    ) -> list[Action[Connection]]:
        key, name = message.room.lower(), message.user
        place = self._places.get(connection)
        if place is not None and (place[0].key, place[1].name) == (key, name):
            return []
        refusal = self._refusal(connection, key, name)
        unseated = self._give_way(key, message.room) if refusal == ROOM_FULL and device else []
        if refusal is not None and not unseated:
            return [Send(connection, encode(Error(refusal, message.room)))]
        withdrawn = self._leave(connection)
        room = self._rooms.setdefault(key, _Room(key))
        seat = room.seat_of(name) or self._new_seat(room, name)
        replaced = seat.connection
        if replaced is not None:
            del self._places[replaced]
        seat.connection, seat.device = connection, device
        seat.withdrawals = message.withdrawals
        self._places[connection] = (room, seat)
        closing: list[Action[Connection]] = [] if replaced is None else [Close(replaced)]
        return unseated + withdrawn + closing + self._deliver(room, seat, now)

    def _give_way(self, key: str, spelling: str) -> list[Action[Connection]]:
        """Takes the seat of the page that came last, for a door, unless there is one already."""
        seats = self._rooms[key].seats
        page = seats[-1].connection
        if page is None or any(seat.device for seat in seats):
            return []
        withdrawn = self._leave(page)
        return [*withdrawn, Send(page, encode(Error(ROOM_FULL, spelling)))]

    def _refusal(self, connection: Connection, key: str, name: str) -> str | None:
        """Why one may not come in; for one who may, a room is given up if need be."""
        if not self.serves(key):
            return NOT_SERVED
        room = self._rooms.get(key)
        if room is None:
            return None if len(self._rooms) < MAX_ROOMS or self._drop_ghost() else SERVER_FULL
        others = [
            seat
            for seat in room.seats
            if seat.name != name and seat.connection not in (None, connection)
        ]
        return ROOM_FULL if len(others) >= SEATS else None

    def _drop_ghost(self) -> bool:
        """Gives up the longest-standing offer in a room where nobody is; False if there is none."""
        ghosts = [
            room
            for room in self._rooms.values()
            if all(seat.connection is None for seat in room.seats)
        ]
        if not ghosts:
            return False
        oldest = min(ghosts, key=lambda room: max(seat.since for seat in room.seats))
        for seat in oldest.seats:
            self._drop_offer(seat)
        self._tidy(oldest)
        return True

    def _new_seat(self, room: _Room[Connection], name: str) -> _Seat[Connection]:
        """A seat for a newcomer, if need be that of the absent one with the older offer."""
        if len(room.seats) >= SEATS:
            absent = [seat for seat in room.seats if seat.connection is None]
            oldest = min(absent, key=lambda seat: seat.since)
            self._drop_offer(oldest)
            room.seats.remove(oldest)
        seat = _Seat[Connection](name, None)
        room.seats.append(seat)
        return seat

    def _deliver(
        self, room: _Room[Connection], seat: _Seat[Connection], now: float
    ) -> list[Action[Connection]]:
        """The other participant's standing offer, for one who has just taken this seat."""
        other, to = room.opposite(seat), seat.connection
        if other is None or other.offer is None or to is None or other.offer.seen_by == to:
            return []
        if other.offer.aged(now):
            self._drop_offer(other)
            self._tidy(room)
            return []
        other.offer.seen_by, other.called = to, seat.name
        return [Send(to, frame) for frame in other.offer.frames]

    def _relay(
        self,
        room: _Room[Connection],
        seat: _Seat[Connection],
        message: Offer | Answer | Candidate,
        now: float,
    ) -> list[Action[Connection]]:
        frame = encode(message)
        other = room.opposite(seat)
        to = None if other is None else other.connection
        if isinstance(message, Offer):
            seat.called = "" if other is None or to is None else other.name
            stands = self._stand(seat, frame, to, now)
            if to is None and not stands and seat.connection is not None:
                return [Send(seat.connection, encode(Error(SERVER_FULL, message.room)))]
        elif isinstance(message, Candidate):
            self._append(seat, frame)
        elif to is not None:
            # An answer ends both offers: one cannot answer while an offer of one's own is
            # pending without having rolled it back (RFC 9429, "Rollback").
            for answered in room.seats:
                self._drop_offer(answered)
        return [] if to is None else [Send(to, frame)]

    def _stand(
        self, seat: _Seat[Connection], frame: str, seen_by: Connection | None, now: float
    ) -> bool:
        """The seat's new offer, in place of its former one; False when there is no room for it."""
        self._drop_offer(seat)
        size = len(frame.encode())
        if size > MAX_OFFER_BYTES or not self._make_way(size):
            return False
        seat.offer = _StandingOffer([frame], size, now, seen_by)
        self._held_bytes += size
        return True

    def _make_way(self, size: int) -> bool:
        """Drops the largest standing offers until so much more can be held; False if it cannot."""
        while self._held_bytes + size > MAX_HELD_BYTES:
            room, largest = max(self._standing(), key=lambda place: place[1].held_bytes)
            if largest.held_bytes <= size:
                return False
            self._drop_offer(largest)
            self._tidy(room)
        return True

    def _standing(self) -> Iterator[tuple[_Room[Connection], _Seat[Connection]]]:
        for room in self._rooms.values():
            for seat in room.seats:
                yield room, seat

    def _append(self, seat: _Seat[Connection], frame: str) -> None:
        """One more candidate of the standing offer. Beyond the limits it is only relayed."""
        offer, size = seat.offer, len(frame.encode())
        if (
            offer is not None
            and len(offer.frames) <= MAX_CANDIDATES
            and offer.size + size <= MAX_OFFER_BYTES
            and self._held_bytes + size <= MAX_HELD_BYTES
        ):
            offer.frames.append(frame)
            offer.size += size
            self._held_bytes += size

    def _drop_offer(self, seat: _Seat[Connection]) -> None:
        if seat.offer is not None:
            self._held_bytes -= seat.offer.size
            seat.offer = None

    def _leave(self, connection: Connection) -> list[Action[Connection]]:
        """Frees the seat, and tells whoever was called from it and wants to know."""
        place = self._places.get(connection)
        if place is None:
            return []
        room, seat = place
        other = room.opposite(seat)
        self._drop_offer(seat)
        self.lost(connection)
        to = None if other is None or other.name != seat.called else other.connection
        if other is None or to is None or not other.withdrawals:
            return []
        return [Send(to, encode(Error(WITHDRAWN, room.key)))]

    def _tidy(self, room: _Room[Connection]) -> None:
        """Nothing is left of a seat without a participant and an offer, nor of an empty room."""
        room.seats = [seat for seat in room.seats if seat.in_use]
        if not room.seats:
            self._rooms.pop(room.key, None)
