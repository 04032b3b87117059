"""Flags: every key of the configuration has one, and a value of it arrives as in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner

from homecall_pi.config.file import load
from homecall_pi.config.schema import Config
from homecall_pi.errors import OperatorError
from homecall_pi.flags import config_flags, overrides

from .doubles import KEY, ROOM

SAMPLES: dict[str, Any] = {
    "server": "wss://example.org/signal",
    "room": ROOM,
    "key": KEY,
    "verify": "require",
    "name": "Türklingel 🔔",
    "control": "/tmp/control.sock",
    "call.ring_s": 12.5,
    "call.connect_s": 1.0,
    "call.talk_s": 3.0,
    "panel.source": "gpio",
    "panel.button_pin": 5,
    "panel.button_pull": "down",
    "panel.debounce_s": 0.05,
    "panel.gap_s": 2.5,
    "panel.stuck_s": 60.0,
    "panel.led_pin": -1,
    "panel.relay_pin": 23,
    "panel.relay_active": "low",
    "panel.relay_s": 1.5,
    "panel.chime_pin": 24,
    "panel.chime_active": "low",
    "panel.chime_s": 1.0,
    "camera.source": "fake",
    "camera.file": "porch.mp4",
    "camera.width": 320,
    "camera.height": 240,
    "camera.fps": 15,
    "camera.bitrate_bps": 300_000,
    "camera.device": "/dev/video2",
    "camera.min_bitrate_bps": 200_000,
    "camera.max_bitrate_bps": 900_000,
    "camera.rotation": 180,
    "camera.hflip": True,
    "camera.vflip": True,
    "camera.night_fps": 10,
    "camera.warm_s": 2.5,
    "microphone.source": "fake",
    "microphone.file": "speech.ogg",
    "speaker.source": "fake",
    "speaker.file": "heard.wav",
    "microphone.device": "USB",
    "microphone.gain_db": 6.0,
    "microphone.mute": True,
    "microphone.echo_canceller": False,
    "speaker.device": "2",
    "speaker.gain_db": -6.5,
    "speaker.mute": True,
    "sounds.on": False,
    "sounds.gain_db": -3.0,
    "sounds.chime": "gong.wav",
    "sounds.ring_back": "ring.wav",
    "sounds.answered": "hello.wav",
    "sounds.declined": "no.wav",
    "sounds.no_answer": "nobody.wav",
    "sounds.offline": "offline.wav",
    "sounds.reconnecting": "wait.wav",
    "sounds.ended": "bye.wav",
    "ice.servers": [
        {"urls": ["turn:example.org"], "username": "me", "credential": None, "secret": "x"}
    ],
    "ice.policy": "relay",
    "serve.host": "192.0.2.1",
    "serve.port": 443,
    "serve.tls_cert": "cert.pem",
    "serve.tls_key": "key.pem",
    "serve.behind_proxy": True,
    "serve.origins": ["https://example.org"],
    "serve.rooms": ["3f0c6a52-9b1e-4c07-8d2f-5a7e61c0b9d4"],
    "log.format": "journal",
    "log.level": "debug",
}
"""One value for each key, none of them the default."""


def leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}".lstrip("."))
    else:
        yield path


def plain(config: Config) -> dict[str, Any]:
    """The configuration as JSON would have it."""
    return msgspec.json.decode(msgspec.json.encode(config))


def at(value: Any, key: str) -> Any:
    for part in key.split("."):
        value = value[part]
    return value


KEYS = sorted(leaves(plain(Config())))


@pytest.fixture
def parse() -> Callable[..., dict[str, Any]]:
    """A function of flags that returns the overrides that they make."""

    def parsed(*arguments: str, only: tuple[str, ...] = (), **choice: str) -> dict[str, Any]:
        @click.command()
        @config_flags(*only, **choice)
        def command(**flags: Any) -> None:
            found.update(overrides(flags))

        found: dict[str, Any] = {}
        result = CliRunner().invoke(command, arguments, catch_exceptions=False)
        if result.exit_code:
            raise click.UsageError(result.output)
        return found

    return parsed


def arguments(key: str, value: Any) -> list[str]:
    name = "--" + key.replace(".", "-").replace("_", "-")
    if isinstance(value, bool):
        return [name if value else name.replace("--", "--no-")]
    return [name, msgspec.json.encode(value).decode() if isinstance(value, list) else str(value)]


def test_there_is_a_sample_for_every_key():
    assert sorted(SAMPLES) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_every_key_can_be_given_as_a_flag(key: str, parse: Callable[..., dict[str, Any]]):
    given = parse(*arguments(key, SAMPLES[key]))
    config = plain(load(None, given))
    assert at(config, key) == SAMPLES[key] != at(plain(Config()), key)
    others = {other: at(config, other) for other in KEYS if other != key}
    assert others == {other: at(plain(Config()), other) for other in others}


def test_no_flag_overrides_nothing(parse: Callable[..., dict[str, Any]]):
    assert parse() == {}


def test_a_switch_can_be_turned_off_again(parse: Callable[..., dict[str, Any]]):
    given = parse("--no-serve-behind-proxy")
    assert given == {"serve": {"behind_proxy": False}}


def test_some_keys_and_sections_may_be_all(parse: Callable[..., dict[str, Any]]):
    given = parse("--name", "Gate", "--log-level", "debug", only=("name", "log"))
    assert given == {"name": "Gate", "log": {"level": "debug"}}
    with pytest.raises(click.UsageError, match="No such option"):
        parse("--camera-width", "320", only=("name", "log"))


def test_one_section_may_go_without_its_name(parse: Callable[..., dict[str, Any]]):
    given = parse("--port", "1", "--log-level", "debug", plain="serve")
    assert given == {"serve": {"port": 1}, "log": {"level": "debug"}}


def test_a_section_can_be_left_out(parse: Callable[..., dict[str, Any]]):
    with pytest.raises(click.UsageError, match="No such option"):
        parse("--serve-port", "1", without="serve")


@pytest.mark.parametrize(
    ("flag", "value", "key"),
    [
        ("--camera-width", "wide", "camera.width"),
        ("--camera-width", "", "camera.width"),
        ("--camera-width", "320.5", "camera.width"),
        ("--call-ring-s", "soon", "call.ring_s"),
        ("--camera-source", "webcam", "camera.source"),
        ("--ice-servers", "stun:example.org", "ice.servers"),
        ("--ice-servers", "[", "ice.servers"),
        ("--name", "\udcff", "name"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_the_key_and_a_cure(
    flag: str, value: str, key: str, parse: Callable[..., dict[str, Any]]
):
    with pytest.raises(OperatorError) as caught:
        parse(flag, value)
    assert str(caught.value).startswith(f"command line: {key}: ")
    assert str(caught.value).endswith("; see `homecall-pi config --help`")


def test_a_list_that_is_not_json_is_told_with_an_example(parse: Callable[..., dict[str, Any]]):
    with pytest.raises(OperatorError, match="is not JSON, such as '.+example.org.+': "):
        parse("--serve-origins", "https://example.org")


@pytest.mark.parametrize(
    ("flag", "default"),
    [
        ("--camera-width", "[1280]"),
        ("--camera-hflip", "[no]"),
        ("--panel-gap-s", "[1.0]"),
        ("--verify", "[prefer]"),
    ],
)
def test_a_flags_default_is_told(flag: str, default: str):
    @click.command()
    @config_flags()
    def command(**_: Any) -> None: ...

    (option,) = (option for option in command.params if flag in option.opts)
    assert option.get_help_record(click.Context(command))[1].endswith(default)


def test_every_flag_is_explained():
    @click.command()
    @config_flags()
    def command(**_: Any) -> None: ...

    assert [option.name for option in command.params if not option.help] == []
