"""The daemon as a whole, in this process, against a scripted server."""

from __future__ import annotations

import asyncio
import logging
import queue
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from homecall_pi import app as app_module
from homecall_pi import control, network
from homecall_pi.app import App
from homecall_pi.config.ice import IceConfig, IceServer
from homecall_pi.config.link import link_key, new_key
from homecall_pi.config.schema import Config
from homecall_pi.control import Status
from homecall_pi.core import backoff, sdp, seal
from homecall_pi.core.state import State
from homecall_pi.doorbell import Doorbell
from homecall_pi.errors import HomeCallError, OperatorError
from homecall_pi.hardware.null import NullPanel
from homecall_pi.health import Health
from homecall_pi.signaling import admission, client
from homecall_pi.signaling.client import Line
from homecall_pi.webrtc.peers import Peers

from .conftest import PATIENCE_S
from .doubles import KEY, NAME, ROOM, Signal, Visit
from .manager import Manager
from .webrtc.doubles import Page

MakeConfig = Callable[..., Config]


OF_TIME = "c28e7b0c-eb70-11f1-9389-02fc00000001"
"""A UUID of version 1, as clocks and network cards make them."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)
    monkeypatch.setattr(backoff, "LEAST_S", 0.0)
    monkeypatch.setattr(client, "SILENCE_S", 0.01)


@pytest.fixture
async def signal() -> AsyncIterator[Signal]:
    signal = Signal()
    async with signal.running():
        yield signal


@pytest.fixture
def make_config(signal: Signal, tmp_path: Path) -> MakeConfig:
    """A function of further keys that returns a configuration for the scripted server."""

    def make(**keys: Any) -> Config:
        place = {"server": signal.url, "room": ROOM, "control": str(tmp_path / "control.sock")}
        return Config(**{**place, **keys})

    return make


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[App]:
    """The daemon, stopped in good order after the block."""
    app, stop = App(config), asyncio.Event()
    task = asyncio.create_task(app.run(stop))
    while not (task.done() or Path(config.control).exists()):
        await asyncio.sleep(0)
    try:
        yield app
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await task


async def asked(config: Config, command: control.Command) -> Status:
    return await asyncio.to_thread(control.ask, Path(config.control), command)


async def until(config: Config, state: State) -> Status:
    async with asyncio.timeout(PATIENCE_S):
        while (status := await asked(config, "status")).state != state.value:
            await asyncio.sleep(0.01)
    return status


async def test_the_daemon_joins_rings_and_leaves(signal: Signal, make_config: MakeConfig):
    config = make_config()
    async with running(config):
        visit = await signal.visit()
        await visit.heard("join")
        assert (await asked(config, "ring")).call_id == 1
        await visit.heard("join")
        offer = await visit.heard("offer")
        assert (offer["room"], offer["from"]) == (ROOM, NAME)
        assert len(sdp.mids(offer["sdp"])) == 3
        status = await asked(config, "hangup")
        assert (status.state, status.last_reason, status.call_id) == ("idle", "hung-up", None)
        await visit.heard("leave")
        await visit.heard("join")
    await visit.heard("leave")
    assert not Path(config.control).exists()


async def test_a_call_with_a_page(signal: Signal, make_config: MakeConfig):
    config, page = make_config(), Page()
    async with running(config):
        visit = await signal.visit()
        await visit.heard("join")
        offer = await ring(config, visit)
        await visit.say("answer", from_="Анна", sdp=await page.answer(offer))
        await until(config, State.TALKING)
        await page.connected()
        await page.close()
        status = await until(config, State.IDLE)
        assert (status.calls, status.last_reason) == (1, "page-gone")


async def test_where_the_key_is_required_a_page_without_it_gets_no_call(
    signal: Signal, make_config: MakeConfig
):
    config, page = make_config(key=KEY, verify="require"), Page()
    async with running(config):
        visit = await signal.visit()
        await visit.heard("join")
        offer = await ring(config, visit)
        answer = await page.answer(offer)
        await visit.say("answer", from_="Анна", sdp=answer)
        await visit.say("answer", from_="Анна", sdp=answer.replace("sha-256", "sha-1"))
        assert (await asked(config, "status")).state == "ringing"
        sealed = seal.seal(link_key(config), "answer", ROOM, answer, offer)
        await visit.say("answer", from_="Анна", sdp=sealed)
        assert (await until(config, State.TALKING)).verified
        await page.connected()
        assert not (await asked(config, "hangup")).verified
        await page.gone()


async def ring(config: Config, visit: Visit) -> str:
    await asked(config, "ring")
    await visit.heard("join")
    return (await visit.heard("offer"))["sdp"]


async def test_stopping_in_a_call_closes_it_and_leaves(signal: Signal, make_config: MakeConfig):
    config, page = make_config(), Page()
    async with running(config):
        visit = await signal.visit()
        await visit.heard("join")
        await visit.say("answer", from_="A", sdp=await page.answer(await ring(config, visit)))
        await until(config, State.TALKING)
        await page.connected()
    await visit.heard("leave")
    await page.gone()


@pytest.mark.parametrize(("room", "told"), [(ROOM, False), (OF_TIME, True)])
async def test_a_room_that_can_be_guessed_is_told(
    make_config: MakeConfig, caplog: pytest.LogCaptureFixture, room: str, told: bool
):
    async with running(make_config(room=room)):
        pass
    assert ("the room is no random UUID" in caplog.text) == told


async def test_the_button_rings(
    signal: Signal, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
):
    buttons: list[Callable[[], None]] = []
    monkeypatch.setattr(NullPanel, "start", lambda _, on_press: buttons.append(on_press))
    async with running(make_config()):
        visit = await signal.visit()
        await visit.heard("join")
        (press,) = buttons
        press()
        await visit.heard("join")
        await visit.heard("offer")


async def test_the_door_is_released_over_the_control_socket_alone(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
):
    released: list[None] = []
    monkeypatch.setattr(NullPanel, "release_door", lambda _: released.append(None))
    monkeypatch.setattr(NullPanel, "door", "open")
    config = make_config()
    async with running(config):
        assert (await asked(config, "ring")).door == "open"
        assert released == []
        assert (await asked(config, "release")).door == "open"
        assert released == [None]


async def test_status_without_a_server_says_that_the_line_is_down(make_config: MakeConfig):
    config = make_config(server="ws://127.0.0.1:1/signal")
    async with running(config):
        status = await until(config, State.OFFLINE)
        assert (status.line, status.call_id, status.calls) == ("down", None, 0)
        assert (status.frames_sent, status.audio_samples, status.audio_dbfs) == (0, 0, -100.0)


async def test_the_line_is_told_when_it_is_up(signal: Signal, make_config: MakeConfig):
    config = make_config()
    async with running(config):
        await (await signal.visit()).heard("join")
        assert (await until(config, State.IDLE)).line == "up"


@pytest.mark.parametrize("part", [Doorbell, Line, Peers, Health])
async def test_a_vital_task_that_dies_ends_the_daemon_with_its_error(
    part: type,
    make_config: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    async def die(_: object) -> None:
        raise RuntimeError("dead")

    monkeypatch.setattr(part, "run", die)
    config = make_config()
    reason = f"the {part.__name__.lower()} died: RuntimeError('dead'); the program ends"
    with pytest.raises(HomeCallError) as raised:
        await App(config).run(asyncio.Event())
    assert str(raised.value) == reason
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert record.getMessage() == reason
    assert record.exc_info is not None  # and where
    assert not Path(config.control).exists()


async def test_a_task_that_dies_in_a_group_is_told_by_its_own_error(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
):
    async def die(_: object) -> None:
        raise RuntimeError("dead")

    monkeypatch.setattr(network, "_watch_clocks", die)
    with pytest.raises(HomeCallError, match=r"the watch died: RuntimeError\('dead'\)"):
        await App(make_config()).run(asyncio.Event())


async def test_what_does_not_stop_in_time_does_not_keep_the_daemon_from_ending(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async def hang(_: object) -> None:
        await asyncio.Future()

    monkeypatch.setattr(app_module, "GOODBYE_S", 0.01)
    monkeypatch.setattr(Line, "flush", hang)
    async with running(make_config()):
        pass
    assert "not everything ended in good order" in caplog.text


async def test_a_second_daemon_is_refused_and_the_first_one_goes_on(make_config: MakeConfig):
    config = make_config()
    async with running(config):
        await until(config, State.IDLE)
        with pytest.raises(OperatorError, match="is running already"):
            await App(config).run(asyncio.Event())
        assert (await asked(config, "status")).line == "up"


@pytest.mark.parametrize(
    ("key", "value"), [("server", ""), ("room", ""), ("room", "kitchen"), ("key", "x")]
)
async def test_a_daemon_without_server_or_room_is_not_built(
    key: str, value: str, make_config: MakeConfig
):
    with pytest.raises(OperatorError, match=f"^{key}: "):
        App(make_config(**{key: value}))


async def test_ready_is_told_when_the_room_is_joined(
    signal: Signal, make_config: MakeConfig, manager: Manager, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(admission, "VERDICT_S", 0.05)
    async with running(make_config()):
        joined = "STATUS=Ready: waiting for a press"
        assert (await manager.until("READY=1"))[-3:] == [joined, "READY=1", joined]
        await (await signal.visit()).heard("join")
    assert (await manager.until("STATUS=Stopping"))[-2:] == ["STOPPING=1", "STATUS=Stopping"]


async def test_without_a_server_the_door_is_ready_after_a_while_and_says_so(
    make_config: MakeConfig,
    manager: Manager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr(app_module, "JOIN_S", 0.01)
    config = make_config(server="ws://127.0.0.1:1/signal")
    async with running(config):
        offline = "STATUS=Offline: the signaling server is not reached; trying again"
        assert (await manager.until(offline))[-2:] == ["READY=1", offline]
        assert (await asked(config, "status")).line == "down"
    assert "ready, but not joined" in caplog.text


async def test_a_door_that_is_refused_is_ready_says_so_and_is_let_in_later(
    signal: Signal, make_config: MakeConfig, manager: Manager, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backoff, "REFUSED_FIRST_S", 0.01)
    config = make_config()
    async with running(config):
        visit = await signal.visit()
        await visit.heard("join")
        await visit.say("error", message="room is not served here")
        told = await manager.until("READY=1")
        assert told[-1].startswith("STATUS=Offline: the signaling server does not serve this door")
        status = await asked(config, "status")
        assert (status.state, status.line) == ("offline", "refused")
        assert "add it to `rooms`" in (status.refusal or "")
        await visit.heard("join")
        status = await until(config, State.IDLE)
        assert (status.line, status.refusal) == ("up", None)


async def test_the_service_manager_is_told_each_state(
    signal: Signal, make_config: MakeConfig, manager: Manager
):
    config, page = make_config(), Page()
    async with running(config):
        visit = await signal.visit()
        await visit.heard("join")
        answer = await page.answer(await ring(config, visit))
        assert await manager.until("STATUS=Call 1: ringing")
        await visit.say("answer", from_="Анна\nMAINPID=1", sdp=answer)
        told = await manager.until(r"STATUS=Call 1: talking to Анна\nMAINPID=1")
        assert "STATUS=Call 1: connecting" in told
        await page.connected()
        await page.close()
        await manager.until("STATUS=Ready: waiting for a press")


async def test_the_watchdog_is_fed_with_the_progress_of_every_part(
    make_config: MakeConfig, manager: Manager, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WATCHDOG_USEC", "3000")
    async with running(make_config()) as app:
        await manager.until("WATCHDOG=1")
        assert app._health.look(0.0)
        assert not app._health.look(1e12)


def test_the_process_ends_whatever_keeps_it(monkeypatch: pytest.MonkeyPatch):
    codes: queue.SimpleQueue[int] = queue.SimpleQueue()
    monkeypatch.setattr(app_module, "EXIT_S", 0.0)
    monkeypatch.setattr(app_module.os, "_exit", codes.put)
    for code in (0, 1):
        app_module._end_soon(code)
        assert codes.get(timeout=PATIENCE_S) == code


SECRETS = (
    ROOM,
    "v=0",
    "m=audio",
    "candidate:",
    "ice-pwd",
    "fingerprint",
    "turn-user",
    "turn-password",
)


async def test_no_secret_is_told_in_a_whole_call_but_for_debugging(
    signal: Signal, make_config: MakeConfig, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    turn = IceServer(
        urls=("turn:127.0.0.1:1?transport=tcp",),
        username="turn-user",
        credential="turn-password",
    )
    key = new_key()
    config, page = make_config(ice=IceConfig(servers=(turn,)), key=key), Page()
    async with running(config):
        visit = await signal.visit()
        await visit.heard("join")
        offer = await ring(config, visit)
        await visit.say("error", message="room is full\x1b[2J")
        await visit.say("answer", from_="Анна", sdp=await page.answer(offer))
        await until(config, State.TALKING)
        await page.connected()
        await page.close()
        await until(config, State.IDLE)
    story = ["pressed", "offered", "answered by Анна", "media up", "because the page vanished"]
    assert re.search(".*".join(story), caplog.text, re.DOTALL)
    credentials = re.findall(r"a=(?:ice-ufrag|ice-pwd|fingerprint):(\S+)", offer)
    for secret in (*SECRETS, *credentials, key):
        assert secret not in caplog.text


async def test_a_daemon_that_could_never_connect_is_not_built(make_config: MakeConfig):
    with pytest.raises(OperatorError, match=r"^ice\.policy: "):
        App(make_config(ice=IceConfig(policy="relay")))
