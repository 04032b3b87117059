"""The commands as a person types them: what they print, and the code that they exit with."""

from __future__ import annotations

import json
import sys
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from homecall_pi import __version__, app, cli, control, demo, log
from homecall_pi import serve as server
from homecall_pi.config.schema import Config
from homecall_pi.control import Status
from homecall_pi.errors import HardwareError, HomeCallError

from .doubles import ROOM
from .manager import Manager

LINK = f"https://example.org/?room={ROOM}"
WHERE = ("--server", "wss://example.org/signal", "--room", ROOM)


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def homecall(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs the command line. Logging stays as the tests have it."""
    monkeypatch.setattr(log, "set_up", lambda *_: None)
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["homecall-pi", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return Outcome(caught.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str]]:
    """A daemon that answers; the list is what it was asked."""
    asked: list[tuple[Path, str]] = []

    def ask(path: Path, command: str) -> Status:
        asked.append((path, command))
        return Status("ringing", "up", 7, 7, None, 0, 0, -100.0, 5)

    monkeypatch.setattr(control, "ask", ask)
    return asked


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """Keeps the programs from starting; the list is what they would have started with."""
    configs: list[Config] = []

    async def run(config: Config) -> None:
        configs.append(config)

    monkeypatch.setattr(app, "run", run)
    monkeypatch.setattr(server, "run", run)
    return configs


def test_help_and_version_are_no_errors(homecall: Run):
    assert homecall("--version") == (0, f"homecall-pi, version {__version__}\n", "")
    code, out, _ = homecall("-h")
    assert code == 0
    commands = ("run", "serve", "demo", "ring", "hangup", "release", "status", "link", "config")
    for command in commands:
        assert f"  {command} " in out


@pytest.mark.parametrize("command", ["run", "serve", "demo", "ring", "status", "link", "config"])
def test_each_command_explains_itself(homecall: Run, command: str):
    code, out, _ = homecall(command, "--help")
    assert code == 0
    assert "Usage: " in out


@pytest.mark.parametrize("arguments", [("dance",), ("ring", "--loud"), ("status", "now")])
def test_what_cannot_be_understood_exits_with_2(homecall: Run, arguments: tuple[str, ...]):
    code, _, err = homecall(*arguments)
    assert code == 2
    assert "Usage: " in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run",), "homecall-pi: server: is not set; give "),
        (("run", "--server", "wss://h/signal"), "homecall-pi: room: is not set; give "),
        (
            ("run", "--server", "ws://h/signal", "--room", ROOM),
            "homecall-pi: command line: server: ws:// is ",
        ),
        (("run", "--camera-width", "1"), "homecall-pi: command line: camera.width: "),
        (("run", "--config", "/nonexistent"), "homecall-pi: /nonexistent: cannot be read: "),
        (("run", *WHERE, "--camera-source=file", "--camera-file=/nonexistent"), "/nonexistent"),
        (("run", *WHERE, "--control", "/proc/control.sock"), "homecall-pi: the control socket "),
        (("serve", "--port", "-1"), "homecall-pi: command line: serve.port: "),
        (("serve", "--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"), "/nonexistent"),
        (("link",), "homecall-pi: server: is not set; give "),
        (("config", "--log-level", "loud"), "homecall-pi: command line: log.level: "),
    ],
)
def test_what_a_person_must_mend_is_one_line_and_exits_with_78(
    homecall: Run, arguments: tuple[str, ...], message: str
):
    code, out, err = homecall(*arguments)
    assert (code, out) == (78, "")
    assert not any(isinstance(each, threading.Timer) for each in threading.enumerate())
    assert message in err
    assert "Traceback" not in err
    assert err.startswith("homecall-pi: ")


def test_a_service_tells_its_manager_and_the_journal_what_a_person_must_mend(
    homecall: Run, manager: Manager, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.path)
    monkeypatch.setattr(log, "is_journal", lambda: True)
    code, _, err = homecall("run", "--camera-width", "1")
    assert code == 78
    assert err.startswith("<3>command line: camera.width: ")
    assert manager.next() == [f"STATUS={err.removeprefix('<3>').strip()}"]


@pytest.mark.parametrize("error", [HomeCallError, HardwareError])
def test_other_troubles_are_one_line_and_exit_with_1(
    homecall: Run, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
):
    def run(*_: Any) -> None:
        raise error("it is raining in")

    monkeypatch.setattr(demo, "run", run)
    assert homecall("demo") == (1, "", "homecall-pi: it is raining in\n")


@pytest.mark.parametrize("command", ["ring", "hangup", "release", "status"])
def test_without_a_daemon_the_error_says_how_to_start_one(
    homecall: Run, tmp_path: Path, command: str
):
    code, out, err = homecall(command, "--control", str(tmp_path / "none.sock"))
    assert (code, out) == (1, "")
    assert "none.sock" in err
    assert "homecall-pi run" in err


@pytest.mark.parametrize("command", ["ring", "hangup"])
def test_ring_and_hangup_print_the_state(
    homecall: Run, daemon: list[tuple[Path, str]], command: str
):
    assert homecall(command, "--control", "/x/y.sock") == (0, "ringing\n", "")
    assert daemon == [(Path("/x/y.sock"), command)]


@pytest.mark.parametrize(
    ("line", "refusal", "why"),
    [
        ("down", None, "the signaling server is not reached"),
        ("refused", "the room is full; close a page", "the room is full; close a page"),
    ],
)
def test_a_ring_without_a_line_says_why_nobody_hears_it(
    homecall: Run, monkeypatch: pytest.MonkeyPatch, line: Any, refusal: str | None, why: str
):
    answer = Status("ringing", line, 7, 7, None, 0, 0, -100.0, 5, refusal=refusal)
    monkeypatch.setattr(control, "ask", lambda *_: answer)
    told = f"there is no line to the family now: {why}\n"
    assert homecall("ring") == (0, "ringing\n", told)


@pytest.mark.parametrize(
    ("door", "outcome"),
    [
        ("open", (0, "released\n", "")),
        ("closed", (0, "released\n", "")),
        ("none", (1, "", "homecall-pi: there is no door release that works; see relay_pin in ")),
    ],
)
def test_release_says_whether_there_is_a_door_to_release(
    homecall: Run, monkeypatch: pytest.MonkeyPatch, door: Any, outcome: tuple[int, str, str]
):
    asked: list[str] = []

    def ask(_: Path, command: str) -> Status:
        asked.append(command)
        return Status("talking", "up", 7, 7, None, 0, 0, -100.0, 5, door)

    monkeypatch.setattr(control, "ask", ask)
    code, out, err = homecall("release")
    assert (code, out) == outcome[:2]
    assert err.startswith(outcome[2])
    assert asked == ["release"]


def test_the_daemon_is_looked_for_in_the_default_place(
    homecall: Run, daemon: list[tuple[Path, str]]
):
    homecall("status")
    assert daemon == [(control.default_path(), "status")]


def test_status_is_a_table_for_people(homecall: Run, daemon: list[tuple[Path, str]]):
    lines = [line.split() for line in homecall("status").out.splitlines()]
    assert lines[:5] == [
        ["state", "ringing"],
        ["line", "up"],
        ["call_id", "7"],
        ["calls", "7"],
        ["last_reason", "-"],
    ]
    assert ["frames_sent", "0"] in lines
    assert ["verified", "no"] in lines


def test_status_is_one_line_of_json_for_programs(homecall: Run, daemon: list[tuple[Path, str]]):
    out = homecall("status", "--json").out
    assert out.count("\n") == 1
    assert set(json.loads(out)) == set(Status.__struct_fields__)


def test_link_prints_the_link_and_its_qr_code(homecall: Run):
    code, out, _ = homecall("link", *WHERE)
    first, *picture = out.splitlines()
    assert (code, first) == (0, LINK)
    assert len(picture) > 15
    assert len({len(line) for line in picture if line}) == 1
    assert set("".join(picture)) <= set("█▀▄ ")


def test_a_new_key_in_the_file_is_in_the_link(homecall: Run, tmp_path: Path):
    code, out, _ = homecall("new-key")
    assert code == 0
    key = out.removesuffix("\n")
    file = tmp_path / "config.toml"
    file.write_text(f'key = "{key}"\n')
    out = homecall("link", "--config", str(file), *WHERE).out
    assert out.startswith(f"{LINK}#k={key}\n")


def test_link_reads_the_file(homecall: Run, tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text(f'server = "wss://example.org/signal"\nroom = "{ROOM}"\n')
    assert homecall("link", "--config", str(file)).out.startswith(LINK + "\n")


def test_config_prints_what_holds_as_a_file_that_says_the_same(homecall: Run, tmp_path: Path):
    turn = '{"urls": ["stun:a:1", "turn:b"], "username": "me", "credential": "x"}'
    ice = f'[{turn}, {{"urls": ["stun:c"]}}]'
    code, out, _ = homecall(
        "config", *WHERE, "--fake", "--name", 'A "quoted" ü', "--ice-servers", ice
    )
    assert code == 0
    printed = msgspec.convert(tomllib.loads(out), Config)
    assert printed.camera.source == printed.microphone.source == printed.speaker.source == "fake"
    assert [server.urls for server in printed.ice.servers] == [("stun:a:1", "turn:b"), ("stun:c",)]
    file = tmp_path / "config.toml"
    file.write_text(out)
    assert homecall("config", "--config", str(file)).out == out


def test_config_prints_the_defaults(homecall: Run):
    assert msgspec.convert(tomllib.loads(homecall("config").out), Config) == Config()


def test_run_starts_the_daemon_with_file_and_flags(
    homecall: Run, started: list[Config], tmp_path: Path
):
    file = tmp_path / "config.toml"
    file.write_text('name = "Gate"\n[camera]\nwidth = 640\n[panel]\nsource = "gpio"\n')
    homecall("run", "--config", str(file), *WHERE, "--fake", "--camera-width", "320")
    (config,) = started
    assert (config.name, config.room, config.camera.width) == ("Gate", ROOM, 320)
    assert config.panel.source == "none"
    assert config.camera.source == config.microphone.source == config.speaker.source == "fake"


@pytest.mark.parametrize(("command", "where"), [("run", WHERE), ("serve", ())])
@pytest.mark.parametrize("form", ["console", "journal"])
def test_where_the_log_goes_can_be_chosen(
    homecall: Run,
    started: list[Config],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    where: tuple[str, ...],
    form: str,
):
    chosen: list[tuple[str, ...]] = []
    monkeypatch.setattr(log, "set_up", lambda *choice: chosen.append(choice))
    homecall(command, *where, "--log-level", "warning", "--log-format", form)
    assert chosen == [("warning", form)]


def test_serve_starts_the_server_with_its_own_section(homecall: Run, started: list[Config]):
    homecall("serve", "--port", "1", "--behind-proxy", "--ice-servers", '[{"urls": ["stun:a"]}]')
    (config,) = started
    assert (config.serve.port, config.serve.behind_proxy) == (1, True)
    assert config.ice.servers[0].urls == ("stun:a",)


def test_demo_gets_its_choices(homecall: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    chosen: list[Any] = []
    monkeypatch.setattr(demo, "run", lambda *arguments: chosen.append(arguments))
    monkeypatch.chdir(tmp_path)
    seen, heard = (tmp_path / "a", tmp_path / "b")
    for clip in (seen, heard):
        clip.touch()
    homecall("demo")
    homecall("demo", "--port", "1", "--ring-every", "2.5", "--camera", "a", "--microphone", "b")
    assert chosen == [(8443, None, None, None), (1, 2.5, str(seen), str(heard))]


def test_demo_plays_no_clip_that_is_not_there(homecall: Run):
    code, _, told = homecall("demo", "--camera", "/nonexistent.mp4")
    assert code == 2
    assert "'--camera': File '/nonexistent.mp4' does not exist" in told


@pytest.mark.parametrize("port", ["0", "65536"])
def test_demo_takes_no_port_that_a_link_cannot_have(homecall: Run, port: str):
    code, _, told = homecall("demo", "--port", port)
    assert code == 2
    assert f"{port} is not in the range 1<=x<=65535" in told
