"""The six messages: the bytes of deployed clients, and everything that is not a message."""

from __future__ import annotations

import json
import math
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecall_pi.core.messages import (
    MAX_FAULT_CHARS,
    MAX_MESSAGE_BYTES,
    Answer,
    BadMessage,
    Candidate,
    Error,
    IceCandidate,
    Join,
    Leave,
    Offer,
    decode,
    encode,
)

ROOM = "3f0c6a52-9b1e-4c07-8d2f-5a7e61c0b9d4"
CANDIDATE = (
    "candidate:1633557910 1 udp 2122194687 192.0.2.10 50641 typ host "
    "generation 0 ufrag 5t/S network-id 1"
)

FRAMES = [
    ('{"type":"join","room":"%s","user":"Аня"}', Join(ROOM, "Аня")),
    ('{"type":"leave","room":"%s","user":"Аня"}', Leave(ROOM, "Аня")),
    (
        '{"type":"offer","room":"%s","from":"Аня","sdp":"v=0\\r\\n..."}',
        Offer(ROOM, "Аня", "v=0\r\n..."),
    ),
    (
        '{"type":"answer","room":"%s","from":"Борис","sdp":"v=0\\r\\n..."}',
        Answer(ROOM, "Борис", "v=0\r\n..."),
    ),
    (
        '{"type":"candidate","room":"%s","from":"Аня","candidate":{"candidate":"'
        + CANDIDATE
        + '","sdpMid":"0","sdpMLineIndex":0}}',
        Candidate(ROOM, "Аня", IceCandidate(CANDIDATE, "0", 0)),
    ),
    ('{"type":"error","message":"room is full","room":"%s"}', Error("room is full", ROOM)),
]


@pytest.mark.parametrize(("frame", "message"), FRAMES, ids=[type(m).__name__ for _, m in FRAMES])
def test_exact_bytes_both_ways(frame: str, message: Join):
    frame = frame.replace("%s", ROOM)
    assert decode(frame) == message
    assert encode(message) == frame


def test_fields_that_deployed_clients_add_are_ignored():
    for kind, expected in (("join", Join), ("leave", Leave)):
        frame = json.dumps({"type": kind, "room": ROOM, "user": "Аня", "from": "Аня", "x": [1]})
        assert decode(frame) == expected(ROOM, "Аня")


def test_deployed_servers_send_error_without_room():
    assert decode('{"type":"error","message":"Unable to join the room."}') == Error(
        "Unable to join the room."
    )
    assert encode(Error("no")) == '{"type":"error","message":"no"}'


def test_a_candidate_keeps_its_generation():
    """`usernameFragment` belongs to RTCIceCandidateInit: what a page sends, the other gets."""
    candidate = {"candidate": "", "sdpMid": "1", "sdpMLineIndex": 1, "usernameFragment": "5t/S"}
    frame = json.dumps({"type": "candidate", "room": ROOM, "from": "a", "candidate": candidate})
    assert json.loads(encode(decode(frame)))["candidate"] == candidate


def frame_of(**fields: object) -> str:
    """A join with some fields changed; None takes a field away."""
    message = {"type": "join", "room": ROOM, "user": "a"} | fields
    return json.dumps({key: value for key, value in message.items() if value is not None})


def offer_of(**fields: object) -> str:
    return frame_of(**({"type": "offer", "user": None, "from": "a", "sdp": "v=0\r\n"} | fields))


def candidate_of(candidate: object) -> str:
    return frame_of(**{"type": "candidate", "user": None, "from": "a", "candidate": candidate})


BAD = {
    "empty": "",
    "not JSON": "hello",
    "null": "null",
    "an array": "[]",
    "a number": "1e999",
    "NaN": frame_of(user=math.nan),
    "truncated": frame_of()[:-1],
    "two messages": frame_of() + frame_of(),
    "half a surrogate pair, escaped": frame_of(user="\ud800"),
    "half a surrogate pair, raw": frame_of().replace('"a"', '"\ud800"'),
    "an abyss of brackets": "[" * 60_000,
    "an abyss in an unknown field": '{"type":"join","x":' + "[" * 30_000 + "]" * 30_000 + "}",
    "too long": frame_of(user="a", x="x" * MAX_MESSAGE_BYTES),
    "too long in bytes only": frame_of().replace('"a"', '"' + "я" * (MAX_MESSAGE_BYTES // 2) + '"'),
    "no type": frame_of(type=None),
    "unknown type": frame_of(type="hello"),
    "type of a wrong type": frame_of(type=1),
    "no room": frame_of(room=None),
    "room of a wrong type": frame_of(room=1),
    "room that is no UUID": frame_of(room="kitchen"),
    "room with a newline behind": frame_of(room=ROOM + "\n"),
    "room with something before": frame_of(room="x" + ROOM),
    "no user": frame_of(user=None),
    "empty user": frame_of(user=""),
    "user too long": frame_of(user="a" * 129),
    "user of a wrong type": frame_of(user={"a": 1}),
    "offer without from": offer_of(**{"from": None}),
    "offer without sdp": offer_of(sdp=None),
    "offer with an SDP that is not SDP": offer_of(sdp="hello"),
    "offer with a description instead of its SDP": offer_of(sdp={"type": "offer", "sdp": "v=0"}),
    "candidate that is a string": candidate_of("candidate:1"),
    "candidate without a line": candidate_of({}),
    "candidate line too long": candidate_of({"candidate": "x" * 1025}),
    "huge sdpMLineIndex": candidate_of({"candidate": "x", "sdpMLineIndex": 10**400}),
    "negative sdpMLineIndex": candidate_of({"candidate": "x", "sdpMLineIndex": -1}),
    "sdpMid too long": candidate_of({"candidate": "x", "sdpMid": "0" * 257}),
}


@pytest.mark.parametrize("frame", BAD.values(), ids=BAD.keys())
def test_what_is_not_a_message_is_one_short_error(frame: str):
    with pytest.raises(BadMessage) as caught:
        decode(frame)
    assert 0 < len(str(caught.value)) <= MAX_FAULT_CHARS
    encode(Error(str(caught.value)))  # and can be sent back


def test_a_binary_frame_is_refused_whatever_it_holds():
    with pytest.raises(BadMessage, match="binary"):
        decode(frame_of().encode())


def test_the_fault_does_not_echo_a_long_frame():
    with pytest.raises(BadMessage) as caught:
        decode(frame_of(type="x" * 10_000))
    assert len(str(caught.value)) == MAX_FAULT_CHARS


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)


@settings(deadline=None)
@given(st.uuids(), names, names)
def test_every_text_survives_the_way(room: object, name: str, text: str):
    for message in (
        Join(str(room), name),
        Offer(str(room), name, f"v=0\r\n{text}"),
        Candidate(str(room), name, IceCandidate(text)),
    ):
        assert decode(encode(message)) == message


json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([{}])


@settings(deadline=None)
@given(json_values)
def test_no_json_value_raises_anything_else(value: object):
    for frame in (json.dumps(value), str(value), frame_of(user=value), frame_of(room=value)):
        with suppress(BadMessage):
            decode(frame)
