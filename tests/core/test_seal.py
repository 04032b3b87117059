"""Seals: the vectors that hold for the page, too, and that nothing can be changed unnoticed.

The seals in the vectors were made by `openssl dgst -sha256 -mac HMAC`, not by this program.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from homecall_pi.core import seal
from homecall_pi.core.seal import Guard, Proof, Verdict

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "seal.json").read_text(encoding="utf-8")
)
KEY = base64.urlsafe_b64decode(VECTORS["key"] + "==")
ROOM: str = VECTORS["room"]
OFFER: str = VECTORS["offer"]["sealed"]
ANSWER: str = VECTORS["answer"]["sealed"]

texts = st.text(st.characters(codec="utf-8"), max_size=40)
keys = st.binary(min_size=seal.KEY_BYTES, max_size=seal.KEY_BYTES)


def named(rows: list[dict[str, str]]) -> list[Any]:
    return [pytest.param(row["sdp"], row["proof"], id=row["what"]) for row in rows]


def test_descriptions_are_sealed_as_in_the_vectors():
    offer, answer = VECTORS["offer"]["sdp"], VECTORS["answer"]["sdp"]
    assert seal.seal(KEY, "offer", ROOM, offer) == OFFER
    assert seal.seal(KEY, "answer", ROOM, answer, OFFER) == ANSWER


@pytest.mark.parametrize(("sdp", "proof"), named(VECTORS["offers"]))
def test_offers_of_the_vectors(sdp: str, proof: str):
    assert seal.check(KEY, "offer", ROOM, sdp) is Proof(proof)


@pytest.mark.parametrize(("sdp", "proof"), named(VECTORS["answers"]))
def test_answers_of_the_vectors(sdp: str, proof: str):
    assert seal.check(KEY, "answer", ROOM, sdp, OFFER) is Proof(proof)


@given(sdp=texts, offer=texts, key=keys)
def test_whatever_is_sealed_is_found_valid(sdp: str, offer: str, key: bytes):
    sealed = seal.seal(key, "answer", ROOM, sdp, offer)
    assert seal.check(key, "answer", ROOM, sealed, offer) is Proof.VALID


@given(start=st.integers(0, len(ANSWER)), length=st.integers(0, 60), instead=st.just("") | texts)
def test_a_change_anywhere_is_found(start: int, length: int, instead: str):
    changed = ANSWER[:start] + instead + ANSWER[start + length :]
    proof = seal.check(KEY, "answer", ROOM, changed, OFFER)
    assert (proof is Proof.VALID) == (changed == ANSWER)


@given(data=st.data())
def test_lines_in_another_order_are_found(data: st.DataObject):
    lines = ANSWER.splitlines(keepends=True)
    moved = data.draw(st.integers(0, len(lines) - 1))
    line = lines.pop(moved)
    lines.insert(data.draw(st.integers(0, len(lines))), line)
    changed = "".join(lines)
    proof = seal.check(KEY, "answer", ROOM, changed, OFFER)
    assert (proof is Proof.VALID) == (changed == ANSWER)


@given(role=st.sampled_from(["offer", "answer"]), room=texts, offer=texts, key=keys)
def test_a_seal_holds_for_one_role_room_offer_and_key(
    role: seal.Role, room: str, offer: str, key: bytes
):
    sealed_for = ("answer", ROOM, OFFER, KEY)
    proof = seal.check(key, role, room, ANSWER, offer)
    assert (proof is Proof.VALID) == ((role, room, offer, key) == sealed_for)


@given(border=st.integers(0, len(OFFER)))
def test_the_parts_cannot_lend_each_other_letters(border: int):
    """The same bytes in all, cut elsewhere, are another message."""
    sdp = VECTORS["answer"]["sdp"]
    mac = ANSWER.split("\r\na=x-homecall-mac:")[1].split("\r\n")[0]
    longer = OFFER[border:] + sdp
    session, media, rest = longer.partition("\r\nm=")
    forged = f"{session}\r\na=x-homecall-mac:{mac}{media}{rest}"
    proof = seal.check(KEY, "answer", ROOM, forged, OFFER[:border])
    assert (proof is Proof.VALID) == (border == len(OFFER))


@pytest.mark.parametrize(
    ("key", "required", "answer", "verdict"),
    [
        (KEY, False, ANSWER, Verdict.VERIFIED),
        (KEY, True, ANSWER, Verdict.VERIFIED),
        (KEY, False, VECTORS["answer"]["sdp"], Verdict.UNVERIFIED),
        (KEY, True, VECTORS["answer"]["sdp"], Verdict.REFUSED),
        (KEY, False, ANSWER.replace("8F:6D", "EE:EE"), Verdict.REFUSED),
        (KEY, True, ANSWER.replace("8F:6D", "EE:EE"), Verdict.REFUSED),
        (b"", False, ANSWER, Verdict.KEYLESS),
        (b"", False, VECTORS["answer"]["sdp"], Verdict.KEYLESS),
    ],
)
def test_the_verdict_on_an_answer(key: bytes, required: bool, answer: str, verdict: Verdict):
    assert Guard(ROOM, key, required=required).judge(OFFER, answer) is verdict


def test_offers_are_sealed_where_there_is_a_key():
    assert Guard(ROOM, KEY).seal(VECTORS["offer"]["sdp"]) == OFFER
    assert Guard(ROOM).seal(VECTORS["offer"]["sdp"]) == VECTORS["offer"]["sdp"]
