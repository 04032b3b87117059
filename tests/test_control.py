"""The control socket, over a real Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import re
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from homecall_pi import control
from homecall_pi.control import Command, ControlServer, Status, ask
from homecall_pi.errors import HomeCallError, OperatorError

from .conftest import PATIENCE_S

STATUS = Status("talking", "up", 2, 2, "hung-up", 10, 960, -20.5, 7)
LOGS = Path(__file__).parents[1] / "docs/logs.md"


class Daemon:
    """Answers, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Command] = []

    async def answer(self, command: Command) -> Status:
        self.asked.append(command)
        return STATUS


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.sock"


@asynccontextmanager
async def listening(path: Path, daemon: Daemon) -> AsyncIterator[ControlServer]:
    server = ControlServer(path, daemon.answer)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def asked(path: Path, command: Command) -> Status:
    """What a command in another process gets."""
    return await asyncio.to_thread(ask, path, command)


async def reply_to(path: Path, request: bytes) -> bytes:
    """What comes back on a connection that says `request` and no more."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request)
    writer.write_eof()
    async with asyncio.timeout(PATIENCE_S):
        reply = await reader.read()
    writer.close()
    await writer.wait_closed()
    return reply


async def test_a_command_reaches_the_daemon_and_its_status_comes_back(path: Path, daemon: Daemon):
    async with listening(path, daemon):
        for command in ("ring", "hangup", "release", "status"):
            assert await asked(path, command) == STATUS
    assert daemon.asked == ["ring", "hangup", "release", "status"]


async def test_request_and_reply_are_one_line_of_json_each(path: Path, daemon: Daemon):
    async with listening(path, daemon):
        reply = await reply_to(path, b'{"command": "status"}\n')
    assert reply.endswith(b"}\n")
    assert msgspec.json.decode(reply, type=Status) == STATUS


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\n",
        b"ring\n",
        b"\xff\xfe\x00\n",
        b'{"command": "explode"}\n',
        b'{"command": 3}\n',
        b"{}\n",
        b"[" * 4000 + b"\n",
        b"x" * 100_000,
    ],
    ids=lambda request: repr(request[:24]),
)
async def test_garbage_gets_no_reply_and_does_no_harm(
    path: Path, daemon: Daemon, request_: bytes, caplog: pytest.LogCaptureFixture
):
    async with listening(path, daemon):
        with contextlib.suppress(ConnectionError):  # closed before all of it was read
            assert await reply_to(path, request_) == b""
        assert daemon.asked == []
        assert await asked(path, "status") == STATUS
    assert caplog.records == []


async def test_a_client_that_says_nothing_is_dropped(
    path: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(control, "PATIENCE_S", 0.01)
    async with listening(path, daemon):
        reader, writer = await asyncio.open_unix_connection(path)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        writer.close()


async def test_of_too_many_connections_the_newest_are_closed(path: Path, daemon: Daemon):
    async with listening(path, daemon), contextlib.AsyncExitStack() as held:
        for _ in range(control.MAX_REQUESTS):
            _, writer = await asyncio.open_unix_connection(path)
            held.callback(writer.close)
        with pytest.raises(HomeCallError):
            await asked(path, "status")
        assert daemon.asked == []


async def test_a_client_that_is_gone_before_the_reply_does_no_harm(
    path: Path, daemon: Daemon, caplog: pytest.LogCaptureFixture
):
    async with listening(path, daemon):
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"command": "status"}\n')
        writer.transport.abort()
        assert await asked(path, "status") == STATUS
    assert caplog.records == []


async def test_the_socket_is_for_its_owner_and_group(path: Path, daemon: Daemon):
    async with listening(path, daemon):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_the_socket_is_gone_after_stop(path: Path, daemon: Daemon):
    async with listening(path, daemon):
        assert path.exists()
    assert not path.exists()


async def test_a_socket_left_by_a_killed_daemon_is_replaced(path: Path, daemon: Daemon):
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.exists()
    async with listening(path, daemon):
        assert await asked(path, "ring") == STATUS


async def test_a_second_daemon_is_refused_and_the_first_one_goes_on(path: Path, daemon: Daemon):
    async with listening(path, daemon):
        with pytest.raises(OperatorError, match=r"is running already .*--control PATH"):
            await ControlServer(path, Daemon().answer).start()
        assert await asked(path, "ring") == STATUS


async def test_a_file_that_is_no_socket_is_not_deleted(tmp_path: Path, daemon: Daemon):
    path = tmp_path / "precious.txt"
    path.write_text("dear diary")
    with pytest.raises(OperatorError, match=r"precious\.txt is no socket; give another place"):
        await ControlServer(path, daemon.answer).start()
    assert path.read_text() == "dear diary"


@pytest.mark.parametrize("place", ["/proc/nowhere/control.sock", "/tmp/" + "x" * 120])
async def test_a_place_that_cannot_be_used_is_told_with_a_cure(place: str, daemon: Daemon):
    with pytest.raises(OperatorError, match=r"cannot be made: .*--control PATH"):
        await ControlServer(Path(place), daemon.answer).start()


async def test_a_place_that_another_user_made_is_not_used(
    path: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
):
    path.parent.mkdir()
    if os.geteuid() == 0:
        os.chown(path.parent, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(OperatorError, match="belongs to another user; give another place"):
        await ControlServer(path, daemon.answer).start()
    assert not path.exists()


async def test_a_place_that_is_full_for_a_while_costs_the_commands_for_that_while(
    path: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(control, "RETRY_S", 0.01)
    full, tried = asyncio.Event(), asyncio.Event()
    full.set()
    real = asyncio.start_unix_server

    async def start_unix_server(*arguments: Any, **options: Any) -> asyncio.Server:
        if full.is_set():
            tried.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        return await real(*arguments, **options)

    monkeypatch.setattr(asyncio, "start_unix_server", start_unix_server)
    async with listening(path, daemon):
        for _ in range(3):
            tried.clear()
            async with asyncio.timeout(PATIENCE_S):
                await tried.wait()
        full.clear()
        async with asyncio.timeout(PATIENCE_S):
            while not path.exists():
                await asyncio.sleep(0.001)
        assert await asked(path, "ring") == STATUS
    lost, back = [record.message for record in caplog.records]
    assert "cannot be made: No space left on device; without it no command reaches the door" in lost
    assert back == "the control socket works"


async def test_a_place_that_stays_full_does_not_keep_the_daemon_from_ending(
    path: Path, daemon: Daemon
):

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        async with listening(path, daemon):
            pass


async def test_stop_without_start_is_harmless(path: Path, daemon: Daemon):
    await ControlServer(path, daemon.answer).stop()


async def test_stop_ends_requests_that_are_under_way(path: Path):
    begun = asyncio.Event()

    async def never(_: Command) -> Status:
        begun.set()
        return await asyncio.Future()

    server = ControlServer(path, never)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"command": "status"}\n')
    async with asyncio.timeout(PATIENCE_S):
        await begun.wait()
        await server.stop()
        assert await reader.read() == b""
    writer.close()


def test_without_a_daemon_the_error_names_the_place_and_the_cure(path: Path):
    with pytest.raises(HomeCallError, match=r"no daemon answers on .*control\.sock .*run"):
        ask(path, "status")


@pytest.mark.parametrize("reply", [b"", b"hello\n", b"{}\n", b'{"state":"idle"'])
async def test_a_daemon_that_answers_nonsense_is_no_daemon(tmp_path: Path, reply: bytes):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(reply)
        writer.close()

    path = tmp_path / "x.sock"
    async with await asyncio.start_unix_server(answer, path):
        with pytest.raises(HomeCallError, match="no daemon answers"):
            await asked(path, "status")


async def test_a_daemon_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(control, "PATIENCE_S", 0.01)
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(tmp_path / "x.sock"))
        hung.listen()
        with pytest.raises(HomeCallError, match="does not respond"):
            await asked(tmp_path / "x.sock", "status")


def test_the_default_place_is_the_services_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(control, "SERVICE_PATH", tmp_path / "control.sock")
    assert control.default_path() == tmp_path / "control.sock"


def test_the_default_place_is_the_users_own_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(control, "SERVICE_PATH", tmp_path / "no" / "control.sock")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert control.default_path() == tmp_path / "homecall-pi.sock"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert control.default_path().parent.name.startswith("homecall-pi-")


async def test_who_may_not_use_the_socket_is_told_who_may(
    path: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
):
    def refuse(_: socket.socket, __: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    async with listening(path, daemon):
        with monkeypatch.context() as context:  # root, as which tests may run, is never refused
            context.setattr(socket.socket, "connect", refuse)
            with pytest.raises(HomeCallError, match=r"root and the group .*use sudo.*usermod"):
                await asked(path, "status")


@pytest.mark.parametrize("mode", [0o700, 0o000])
def test_a_service_that_is_not_for_this_user_is_not_mistaken_for_none(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(control, "SERVICE_PATH", tmp_path / "run" / "control.sock")
    (tmp_path / "run").mkdir(mode)
    assert control.default_path() == tmp_path / "run" / "control.sock"


def test_every_field_of_the_status_is_explained():
    section = LOGS.read_text().partition("# Status for programs")[2].partition("\n#")[0]
    told = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(told) == sorted(Status.__struct_fields__)
