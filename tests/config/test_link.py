"""Server, room and key, and the link of all three."""

from __future__ import annotations

import uuid

import pytest

from homecall_pi.config.link import family_link, link_key, new_key, require_room, require_server
from homecall_pi.config.schema import Config
from homecall_pi.errors import OperatorError

from ..doubles import KEY, ROOM


@pytest.mark.parametrize(
    "server",
    [
        "wss://example.org/signal",
        "wss://example.org:8443/signal",
        "wss://[2001:db8::1]/signal",
        "wss://192.0.2.1/deep/signal",
        "ws://localhost:8443/signal",
        "ws://127.0.0.1/signal",
        "ws://127.9.9.9/signal",
        "ws://[::1]:1/signal",
    ],
)
def test_servers_that_will_do(server: str):
    assert require_server(Config(server=server)) == server


@pytest.mark.parametrize(
    "server",
    [
        "example.org",
        "https://example.org/signal",
        "wss:///signal",
        "wss://example.org:99999/signal",
        "wss://example.org:0/signal",
        "wss://example.org:https/signal",
        "wss://[2001:db8::1/signal",
        "wss://me:secret@example.org/signal",
        "wss://example.org/signal#fragment",
    ],
)
def test_what_is_no_address_is_refused_with_the_form_of_one(server: str):
    with pytest.raises(
        OperatorError, match=r"^server: .* is no address; give wss://HOST/signal, or"
    ):
        require_server(Config(server=server))


def test_a_server_that_is_not_set_is_asked_for():
    with pytest.raises(OperatorError, match=r"^server: is not set; give --server wss://"):
        require_server(Config())


@pytest.mark.parametrize("server", ["wss://example.org:1", "wss://example.org:1/"])
def test_an_address_without_a_path_is_told_the_usual_one(server: str):
    with pytest.raises(OperatorError, match=r"lacks the path; give wss://example\.org:1/signal$"):
        require_server(Config(server=server))


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1", "localhost.example.org", "[::2]"])
def test_ws_is_for_this_machine_alone(host: str):
    with pytest.raises(OperatorError) as caught:
        require_server(Config(server=f"ws://{host}:1/signal"))
    assert str(caught.value).endswith(f"give wss://{host}:1/signal")


def test_a_room_is_brought_to_its_usual_form():
    assert require_room(Config(room=ROOM)) == ROOM
    assert require_room(Config(room=f"{{{ROOM.upper()}}}")) == ROOM


def test_a_room_that_is_not_set_is_asked_for_with_a_fresh_one():
    with pytest.raises(OperatorError, match="^room: is not set; give --room UUID") as caught:
        require_room(Config())
    uuid.UUID(str(caught.value).split()[-1])


def test_a_room_that_is_no_uuid_is_refused_and_not_repeated():
    with pytest.raises(OperatorError, match="^room: what is given is no UUID") as caught:
        require_room(Config(room=ROOM + "0"))
    assert ROOM not in str(caught.value)


@pytest.mark.parametrize(
    ("server", "link"),
    [
        ("wss://example.org/signal", "https://example.org/?room="),
        ("wss://example.org:8443/signal", "https://example.org:8443/?room="),
        ("ws://localhost:8443/signal", "http://localhost:8443/?room="),
        ("wss://[2001:db8::1]:1/signal", "https://[2001:db8::1]:1/?room="),
    ],
)
def test_the_family_link(server: str, link: str):
    assert family_link(Config(server=server, room=ROOM.upper())) == link + ROOM


def test_the_family_link_has_the_key_in_its_fragment():
    place = {"server": "wss://example.org/signal", "room": ROOM}
    assert family_link(Config(**place, key=KEY)) == f"https://example.org/?room={ROOM}#k={KEY}"
    assert family_link(Config(**place, key=KEY, verify="off")).endswith(ROOM)


def test_a_key_is_sixteen_bytes_and_new_each_time():
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(link_key(Config(key=key))) for key in keys} == {16}


def test_without_a_key_calls_are_not_verified():
    assert link_key(Config()) == b""
    assert link_key(Config(key=KEY, verify="off")) == b""


def test_a_key_that_is_required_has_to_be_there():
    with pytest.raises(OperatorError, match="^verify: .*new-key"):
        link_key(Config(verify="require"))


@pytest.mark.parametrize(
    "key",
    [
        KEY[:-1],
        KEY + "A",
        KEY + "==",
        KEY[:-1] + "B",  # two of its bits belong to no byte
        KEY[:-1] + "\n",
        KEY[:5] + "+" + KEY[6:],
        " " + KEY[1:],
        KEY[:-1] + "Ж",
    ],
)
def test_a_key_that_is_damaged_is_refused_and_not_repeated(key: str):
    with pytest.raises(OperatorError, match="^key: what is given is no key") as caught:
        link_key(Config(key=key))
    assert KEY[:5] not in str(caught.value)
