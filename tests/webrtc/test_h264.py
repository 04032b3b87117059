"""Access units as payloads, taken apart again by aiortc, another implementation of RFC 6184."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from aiortc.codecs.h264 import h264_depayload
from hypothesis import given

from homecall_pi.webrtc.h264 import FU_A, STAP_A, nal_units, payloads

ROOM = 100
SPS, PPS, IDR, SLICE = b"\x67\x42\xe0\x1f", b"\x68\xce\x3c\x80", b"\x65", b"\x41"
TYPE = 0x1F

bodies = st.binary(min_size=1, max_size=5 * ROOM).map(
    # As an encoder does: no start code within (section 7.4.1.1 of H.264), no zero at the end.
    lambda body: body.replace(b"\0\0", b"\0\3") + b"\x80"
)
units = st.builds(
    lambda head, body: bytes((head,)) + body,
    st.sampled_from([0x67, 0x68, 0x65, 0x41, 0x01, 0x06]),
    bodies,
)


def annex_b(*parts: bytes, code: bytes = b"\0\0\0\1") -> bytes:
    return b"".join(code + part for part in parts)


def together(made: list[bytes]) -> bytes:
    """The access unit that a receiver puts together."""
    return b"".join(map(h264_depayload, made))


@given(st.lists(units, min_size=1, max_size=8), st.integers(min_value=10, max_value=4 * ROOM))
def test_whatever_is_sent_comes_out_as_it_was_and_no_payload_is_too_big(
    parts: list[bytes], room: int
):
    made = payloads(annex_b(*parts), room)
    assert together(made) == annex_b(*parts)
    assert all(len(payload) <= room for payload in made)


@pytest.mark.parametrize("code", [b"\0\0\1", b"\0\0\0\1", b"\0\0\0\0\0\1"])
def test_start_codes_of_any_length_are_left_out(code: bytes):
    picture = annex_b(SPS, PPS, IDR + b"picture", code=code) + b"\0\0"
    assert list(nal_units(picture)) == [SPS, PPS, IDR + b"picture"]


@pytest.mark.parametrize("data", [b"", b"\0\0\1", b"\0\0\0\1\0\0", b"no start code"])
def test_what_is_no_access_unit_makes_no_payload(data: bytes):
    assert payloads(data, ROOM) == []


def test_a_unit_that_fits_is_a_payload_as_it_is():
    slice_ = SLICE + bytes([7]) * (ROOM - 1)
    assert payloads(annex_b(slice_), ROOM) == [slice_]


def test_parameter_sets_share_a_payload():
    first, *rest = payloads(annex_b(SPS, PPS, IDR + bytes([7]) * 3 * ROOM), ROOM)
    assert first[0] & TYPE == STAP_A
    assert h264_depayload(first) == annex_b(SPS, PPS)
    assert all(payload[0] & TYPE == FU_A for payload in rest)


def test_a_shared_payload_is_as_important_as_the_most_important_unit_in_it():
    (shared,) = payloads(annex_b(b"\x01disposable", b"\x41slice", b"\x21slice"), ROOM)
    assert shared[0] == 0x40 | STAP_A


def test_units_in_one_payload_are_no_more_than_fit():
    size = (ROOM - 1) // 2 - 2
    parts = [SLICE + bytes([7]) * (size - 1)] * 3
    assert [len(payload) for payload in payloads(annex_b(*parts), ROOM)] == [
        1 + 2 * (2 + size),
        size,
    ]


def test_a_big_unit_goes_in_parts_of_about_one_size():
    made = payloads(annex_b(IDR + bytes([7]) * 250), ROOM)
    assert [len(payload) for payload in made] == [86, 86, 84]
    assert {payload[0] for payload in made} == {0x60 | FU_A}
    assert [payload[1] for payload in made] == [0x80 | 5, 5, 0x40 | 5]


def test_a_unit_one_byte_too_big_goes_in_two_parts():
    made = payloads(annex_b(SLICE + bytes([7]) * ROOM), ROOM)
    assert [payload[1] & 0xC0 for payload in made] == [0x80, 0x40]
