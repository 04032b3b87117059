"""The signaling server: WebSockets at `/signal` in front of `core.rooms`, and the family's page.

It trusts nobody. Whatever one client sends, sends too fast, or does not read, costs that client
its own connection, and the others in the room notice nothing. Of each kind of fault the log gets
one line for a connection, never with names, descriptions or a whole room: who knows a room's id
can open the door's camera.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from http import HTTPStatus
from importlib.resources.abc import Traversable
from socket import socket
from typing import Any, Final, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.protocol import State

from homecall_pi.core.messages import MAX_MESSAGE_BYTES, BadMessage, Error, Join, decode, encode
from homecall_pi.core.rooms import Action, Close, FromClient, Ignored, Rooms, Send
from homecall_pi.errors import HomeCallError
from homecall_pi.signaling.endpoint import BACKLOG, Certificate, check_exposure, listen
from homecall_pi.signaling.line import MAX_OUTBOX_BYTES, Line
from homecall_pi.signaling.lines import Entrance, Lines
from homecall_pi.signaling.pages import SIGNAL_PATH, Pages, plain_text
from homecall_pi.signaling.promises import HEADER, REPLACED, REPLACES_OFFERS

log = logging.getLogger(__name__)

wire_log = logging.getLogger(f"{__name__}.wire")
wire_log.setLevel(logging.WARNING)  # below, websockets writes out requests and frames, secrets too


MAX_INBOX_FRAMES: Final = 8
MAX_MALFORMED: Final = 5
FETCH_TIMEOUT_S: Final = 20.0
"""For a handshake, and for fetching a file of the page over a slow line."""
CLOSE_TIMEOUT_S: Final = 3.0
"""For a WebSocket's closing handshake; a vanished client keeps its seat for so much longer."""
MAX_IDLE_S: Final = 120.0
"""For joining a room. A person may have to type a name first."""
STOP_GRACE_S: Final = 1.0
HOUSEKEEPING_S: Final = 30.0


class SignalingServer:
    """One server on one port: `/signal`, the page, `/config.json` and `/healthz`.

    Args:
        host: where to listen; "localhost" is 127.0.0.1 and ::1, "::" is every address.
        port: TCP port; 0 takes a free one.
        tls_cert: path of the PEM file with the certificate chain; empty for no TLS.
        tls_key: path of the PEM file with its key; empty if it is in the same file.
        behind_proxy: a reverse proxy does the TLS, so speaking in the clear is in order; and it
            names the client's address as the last in the header X-Forwarded-For.
        origins: pages from elsewhere that may connect, such as "https://door.example.org".
        rooms: the only rooms that are served; empty for whichever is joined.
        page_config: makes the RTCConfiguration of the page, at each of its requests.
        web: the folder of the page; None for the one in this package.
        ping_interval_s: seconds between pings.
        ping_timeout_s: seconds that a client has to answer one before it is dropped.
    """

    def __init__(
        self,
        *,
        host: str = "localhost",
        port: int = 8443,
        tls_cert: str = "",
        tls_key: str = "",
        behind_proxy: bool = False,
        origins: Sequence[str] = (),
        rooms: Collection[str] = (),
        page_config: Callable[[], Mapping[str, object]] = dict,
        web: Traversable | None = None,
        ping_interval_s: float = 10.0,
        ping_timeout_s: float = 10.0,
    ) -> None:
        self._host, self._port = host, port
        self._tls_cert, self._tls_key = tls_cert or tls_key, tls_key
        self._behind_proxy = behind_proxy
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._page_config, self._web = page_config, web
        self._pages: Pages
        self._ping_interval_s, self._ping_timeout_s = ping_interval_s, ping_timeout_s
        self._certificate: Certificate | None = None
        self._rooms = Rooms[Line](rooms)
        self._lines: Lines
        self._missed_addresses = False
        self._servers: list[Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port in use."""
        return self._port

    async def start(self) -> None:
        """Listens.

        Raises:
            OperatorError: no TLS where there must be, a faulty certificate, or a port in use.
        """
        check_exposure(self._host, tls=bool(self._tls_cert), behind_proxy=self._behind_proxy)
        if self._tls_cert:
            self._certificate = await asyncio.to_thread(Certificate, self._tls_cert, self._tls_key)
        self._pages = await asyncio.to_thread(
            Pages, self._page_config, self._web, tls=bool(self._tls_cert)
        )
        self._lines = Lines(self._flooded, self._oversized)
        for listener in await asyncio.to_thread(listen, self._host, self._port):
            self._port = listener.getsockname()[1]
            self._servers.append(await self._serve(listener))
        self.housekeeping = self._spawn(self._keep_house(), "housekeeping")
        scheme = "https" if self._certificate else "http"
        started = "started: serving %s on %s, port %d"
        log.info(started, scheme, self._host, self._port, extra={"EVENT": "started"})

    async def stop(self) -> None:
        """Stops listening and closes all connections with 1001, within about a second."""
        for task in self._tasks:
            task.cancel()
        for server in self._servers:
            server.close()
        closing = [asyncio.create_task(server.wait_closed()) for server in self._servers]
        self._servers.clear()
        if closing:
            _, late = await asyncio.wait(closing, timeout=STOP_GRACE_S)
            for line in self._lines:
                line.cut()
            if late:
                await asyncio.wait(late, timeout=STOP_GRACE_S)

    async def _serve(self, listener: socket) -> Server:
        return await serve(
            self._attend,
            sock=listener,
            backlog=BACKLOG,
            process_request=self._answer,
            process_response=_promise,
            server_header=None,
            create_connection=cast(type[ServerConnection], self._enter),
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            max_queue=MAX_INBOX_FRAMES,
            write_limit=MAX_OUTBOX_BYTES,
            open_timeout=FETCH_TIMEOUT_S,
            close_timeout=FETCH_TIMEOUT_S,
            ping_interval=self._ping_interval_s,
            ping_timeout=self._ping_timeout_s,
            logger=wire_log,
        )

    def _enter(self, *args: Any, **options: Any) -> Entrance:
        """What a new connection meets first; the arguments are the line's."""
        line = Line(*args, lines=self._lines, **options)
        tls = self._certificate.context if self._certificate else None
        return Entrance(line, self._lines, tls=tls, behind_proxy=self._behind_proxy)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            now = asyncio.get_running_loop().time()
            self._rooms.expire(now)
            self._send_away(now)
            if self._certificate is not None:
                await self._refresh(self._certificate)

    def _send_away(self, now: float) -> None:
        for line in self._lines:
            if line.state is State.OPEN and not line.joined and now - line.since > MAX_IDLE_S:
                line.complain("has joined no room")
                self._dismiss(line, CloseCode.POLICY_VIOLATION, "joined no room")

    async def _refresh(self, certificate: Certificate) -> None:
        try:
            if await asyncio.to_thread(certificate.refresh):
                log.info("took up the renewed certificate %s", self._tls_cert)
        except HomeCallError as error:
            log.error("%s The former certificate stays in use.", error)

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """An HTTP response; None where a WebSocket may be opened."""
        if self._behind_proxy and not self._has_room_for(cast(Line, connection), request):
            return plain_text(HTTPStatus.TOO_MANY_REQUESTS, "Too many connections.\n")
        if "websocket" not in ",".join(request.headers.get_all("Upgrade")).lower():
            return self._pages.answer(request)
        if request.path.partition("?")[0] != SIGNAL_PATH:
            return plain_text(HTTPStatus.NOT_FOUND, f"The WebSocket is at {SIGNAL_PATH}.\n")
        if not self._admits(request):
            cast(Line, connection).complain("a page of a foreign origin, see `origins`")
            return plain_text(
                HTTPStatus.FORBIDDEN,
                "Pages of this origin may not connect. Add it to `origins`, or let the reverse "
                "proxy pass on the Host header.\n",
            )
        return None

    def _has_room_for(self, line: Line, request: Request) -> bool:
        """Whether the address that the proxy names may have one more connection."""
        # What stands before the last comma came with the request: anybody can write it.
        address = ",".join(request.headers.get_all("X-Forwarded-For")).rpartition(",")[2].strip()
        try:
            admitted = line.comes_from(address)
        except ValueError:
            if not self._missed_addresses:
                self._missed_addresses = True
                log.warning(
                    "a request came without its client's address, so limits by address do not "
                    "apply to it. Let the proxy add the address to X-Forwarded-For."
                )
            return True
        line.peer = address
        return admitted

    def _admits(self, request: Request) -> bool:
        """Whether the page that asks is ours. Without an origin it is no page (RFC 6455, 10.2)."""
        origin = ",".join(request.headers.get_all("Origin")).lower()
        host = ",".join(request.headers.get_all("Host")).lower()
        if not origin or origin in self._origins:
            return True
        # A page that came without encryption is none of a server that has nothing but.
        is_encrypted = origin.startswith("https:") or not self._tls_cert
        return is_encrypted and _is_same_host(origin, host)

    async def _attend(self, connection: ServerConnection) -> None:
        """One client, from its handshake to its end."""
        line = cast(Line, connection)
        line.close_timeout = CLOSE_TIMEOUT_S
        try:
            while True:
                frame = await line.recv()
                if not line.dismissed:  # else it is read only to get at its close frame
                    self._take(line, frame)
        except ConnectionClosed:
            pass
        finally:
            self._rooms.lost(line)

    def _flooded(self, line: Line) -> None:
        if not line.dismissed:
            self._object(line, "too many messages")
            self._dismiss(line, CloseCode.POLICY_VIOLATION, "too many messages")

    def _oversized(self, line: Line) -> None:
        if not line.dismissed:
            self._object(line, "message too large")

    def _take(self, line: Line, frame: str | bytes) -> None:
        try:
            message = _from_client(frame)
        except BadMessage as fault:
            line.malformed += 1
            self._object(line, "malformed message", str(fault))
            if line.malformed >= MAX_MALFORMED:
                self._dismiss(line, CloseCode.POLICY_VIOLATION, "too many malformed messages")
            return
        if isinstance(message, Join):
            if not line.may_join():
                self._flooded(line)
                return
            line.joined = line.joined or self._rooms.serves(message.room)
        # Browsers always name the origin of a page that opens a WebSocket (RFC 6455, 10.2).
        device = line.request is not None and "Origin" not in line.request.headers
        now = line.loop.time()
        self._perform(line, self._rooms.receive(line, message, now, device=device))

    def _dismiss(self, line: Line, code: int, reason: str) -> None:
        """Hears no more of a client, and closes its connection without waiting for it."""
        line.dismissed = True
        self._rooms.lost(line)
        self._spawn(line.close(code, reason), "farewell")

    def _object(self, line: Line, fault: str, detail: str = "") -> None:
        room = self._rooms.room_of(line)
        line.complain(fault, room)
        line.push(encode(Error(detail or fault, room)))

    def _perform(self, line: Line, actions: Sequence[Action[Line]]) -> None:
        for action in actions:
            match action:
                case Send(to, frame):
                    to.push(frame)
                case Close(replaced):
                    self._dismiss(replaced, REPLACED, "joined by a newer connection")
                case Ignored(why):
                    line.complain(why, self._rooms.room_of(line))


def _promise(_: ServerConnection, __: Request, response: Response) -> None:
    """Tells a device in the handshake what it may rely on here."""
    response.headers[HEADER] = REPLACES_OFFERS


def _from_client(frame: str | bytes) -> FromClient:
    message = decode(frame)
    if isinstance(message, Error):
        raise BadMessage("malformed message: errors come from the server only")
    return message


def _is_same_host(origin: str, host: str) -> bool:
    """Whether the page came from the host that it now connects to, default ports aside."""
    scheme, _, authority = origin.partition("://")
    default = {"http": ":80", "https": ":443"}.get(scheme)
    if not default or not authority:
        return False
    return authority.removesuffix(default) == host.removesuffix(default)
