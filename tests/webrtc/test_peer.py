"""One connection, with aiortc on both ends: its offer, its events, its end."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from aioice.ice import get_host_addresses
from aiortc import rtcrtpreceiver

from homecall_pi.core import sdp, silence
from homecall_pi.core.events import (
    Accepted,
    Connected,
    Declined,
    HungUp,
    MediaBack,
    MediaLost,
    OfferReady,
    PeerClosed,
    PeerFailed,
    ReleaseWanted,
)
from homecall_pi.core.messages import IceCandidate
from homecall_pi.core.state import Reason
from homecall_pi.webrtc import hooks
from homecall_pi.webrtc import peer as peer_module
from homecall_pi.webrtc.ice import Choice
from homecall_pi.webrtc.peer import MAX_CANDIDATES, Peer

from ..doubles import Events
from .doubles import Page, Parts

NUMBER = 7

GARBAGE = [
    "",
    "candidate:",
    "candidate:1",
    "nonsense",
    "candidate:1 1 udp x 192.0.2.1 5 typ host",
    "candidate:1 1 udp 1 192.0.2.1 99999999 typ host",
    "candidate:1 1 udp 1 192.0.2.1 -5 typ host",
    "candidate:1 1 udp 1 999.0.2.1 5 typ host",
    "candidate:1 1 udp 1 not-an-address 5 typ host",
    "candidate:1 9 udp 1 192.0.2.1 5 typ host",
    "candidate:1 1 udp 1 192.0.2.1 5 typ teapot",
    "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
    "candidate:1 1 udp 1 192.0.2.1 5 typ host raddr",
    "end-of-candidates",
    "candidate:\x00\uffff 1 udp 1 192.0.2.1 5 typ host",
]


@pytest.fixture
async def offered(peer: Peer, events: Events) -> Peer:
    """A connection that was offered."""
    peer.begin(NUMBER, events)
    assert await events.next(OfferReady) == OfferReady(NUMBER, peer.offer)
    return peer


async def connect(peer: Peer, page: Page, events: Events) -> None:
    peer.accept(await page.answer(peer.offer))
    assert await events.next(Connected) == Connected(NUMBER)
    await page.connected()


async def _lose(_: bytes) -> None: ...


def sections(text: str) -> list[list[str]]:
    return [section.splitlines() for section in text.split("\r\nm=")]


async def test_the_offer_is_sound_then_picture_then_control(peer: Peer):
    session, audio, video, control = sections(peer.offer)
    assert audio[0].startswith("audio ")
    assert "a=sendrecv" in audio
    assert video[0].startswith("video ")
    assert "a=sendonly" in video
    assert control[0].startswith("application ")
    assert session[-1] == sdp.CONTROL_ATTRIBUTE


async def test_the_offered_picture_is_h264_with_retransmission_and_nothing_else(peer: Peer):
    _, _, video, _ = sections(peer.offer)
    codecs = [line.split()[1].split("/")[0] for line in video if line.startswith("a=rtpmap")]
    assert set(codecs) == {"H264", "rtx"}
    assert any("profile-level-id=42e01f" in line for line in video)


async def test_the_tags_of_the_offer_carry_the_serial_number(peer: Peer):
    assert sdp.mids(peer.offer) == ["050", "051", "052"]
    assert "a=group:BUNDLE 050 051 052" in peer.offer


async def test_no_two_connections_have_a_certificate_in_common(peer: Peer, parts: Parts):
    """Else an offer that was kept and played again could lead to somebody (docs/security.md)."""
    other = Peer(parts.door, Choice("all"), 1.0)
    await other.gather(serial=6)
    await other.close()
    fingerprints = [
        {line for line in each.offer.splitlines() if line.startswith("a=fingerprint:")}
        for each in (peer, other)
    ]
    assert all(fingerprints)
    assert not set.intersection(*fingerprints)


async def test_without_servers_no_address_comes_from_outside(peer: Peer):
    addresses = [line for line in peer.offer.splitlines() if line.startswith("a=candidate")]
    assert addresses
    assert all(line.split()[7] == "host" for line in addresses)


async def test_the_parts_stay_off_until_the_call_begins(peer: Peer, parts: Parts, events: Events):
    assert parts.log == []
    peer.begin(NUMBER, events)
    assert parts.on == {"camera", "microphone"}


async def test_a_page_that_answers_is_connected(
    offered: Peer, page: Page, events: Events, parts: Parts
):
    await connect(offered, page, events)
    assert parts.on == {"camera", "microphone", "speaker"}
    assert events.none()


async def test_no_thread_is_started_to_decode_what_the_voice_decodes(
    offered: Peer, page: Page, events: Events
):
    """Where none is to be had, the connection would fail for want of it."""
    await connect(offered, page, events)
    receivers = [each.receiver for each in offered._pc.getTransceivers()]
    decoders = [vars(each)["_RTCRtpReceiver__decoder_thread"] for each in receivers]
    assert [isinstance(each, hooks._NoThread) for each in decoders] == [True, False]
    assert decoders[1] is None  # nothing is received there
    assert rtcrtpreceiver.threading is threading


async def test_the_pages_addresses_may_come_one_by_one(offered: Peer, page: Page, events: Events):
    offered.accept(await page.answer(offered.offer, trickle=True))
    for candidate in page.candidates:
        offered.add_candidate(IceCandidate(candidate, sdpMid="050", sdpMLineIndex=0))
    await events.next(Connected)
    await page.connected()


async def test_addresses_that_come_before_the_answer_wait_for_it(
    offered: Peer, page: Page, events: Events
):
    answer = await page.answer(offered.offer, trickle=True)
    for candidate in page.candidates:
        offered.add_candidate(IceCandidate(candidate, sdpMid="050"))
    offered.accept(answer)
    await events.next(Connected)
    await page.connected()


@pytest.mark.parametrize("when", ["before the answer", "after the answer"])
async def test_addresses_of_no_use_do_no_harm(
    offered: Peer, page: Page, events: Events, when: str, caplog: pytest.LogCaptureFixture
):
    answer = await page.answer(offered.offer)
    if when == "after the answer":
        offered.accept(answer)
    for text in GARBAGE:
        offered.add_candidate(IceCandidate(text, sdpMid="050", sdpMLineIndex=0))
    offered.add_candidate(IceCandidate(page.candidates[0]))
    offered.add_candidate(IceCandidate(page.candidates[0], sdpMid="x", sdpMLineIndex=65535))
    if when == "before the answer":
        offered.accept(answer)
    await events.next(Connected)
    await page.connected()
    assert events.none()
    assert [record.message for record in caplog.records] == []


async def test_a_flood_of_addresses_is_cut_off(
    offered: Peer, page: Page, events: Events, monkeypatch: pytest.MonkeyPatch
):
    tried: list[str] = []

    async def look(_: Peer, candidate: IceCandidate) -> None:
        tried.append(candidate.candidate)

    monkeypatch.setattr(Peer, "_try", look)
    answer = await page.answer(offered.offer, trickle=True)
    for index in range(MAX_CANDIDATES * 2):
        offered.add_candidate(IceCandidate(str(index)))
    offered.accept(answer)
    while len(tried) < MAX_CANDIDATES:
        await asyncio.sleep(0)
    offered.add_candidate(IceCandidate("late"))
    await asyncio.sleep(0)
    assert tried == [str(index) for index in range(MAX_CANDIDATES)]
    await events.next(Connected)  # by what the page knows of the door
    await page.connected()


async def test_an_answer_may_hold_no_more_addresses_than_those(
    offered: Peer, page: Page, events: Events, monkeypatch: pytest.MonkeyPatch
):
    """Pairing and sorting thousands would hold up all the rest."""
    tried: list[str] = []

    async def look(_: Peer, candidate: IceCandidate) -> None:
        tried.append(candidate.candidate)

    monkeypatch.setattr(Peer, "_try", look)
    answer = await page.answer(offered.offer, trickle=True)
    many = "".join(f"a=candidate:{index}\r\n" for index in range(MAX_CANDIDATES * 2))
    offered.accept(answer.replace("a=ice-ufrag", f"{many}a=ice-ufrag", 1))
    await events.next(Connected)  # by what the page knows of the door
    await page.connected()
    assert tried == [f"candidate:{index}" for index in range(MAX_CANDIDATES)]


@pytest.mark.parametrize("spoil", ["nonsense", "role", "fingerprint", "order", "credentials"])
async def test_an_answer_that_cannot_be_used_fails_this_connection_and_no_more(
    offered: Peer, page: Page, events: Events, spoil: str
):
    answer = await page.answer(offered.offer)
    spoilt = {
        "nonsense": "v=0\r\nnonsense",
        "role": answer.replace("a=setup:passive", "a=setup:actpass"),
        "fingerprint": answer.replace("a=fingerprint:sha-256", "a=fingerprint:sha-256 x"),
        "order": answer.replace("a=mid:050", "a=mid:051", 1),
        "credentials": answer.replace("a=ice-pwd", "a=no-ice-pwd"),
    }[spoil]
    assert spoilt != answer
    offered.accept(spoilt)
    assert await events.next(PeerFailed) == PeerFailed(NUMBER)
    assert events.none()


async def test_an_answer_with_another_key_fails_the_connection(
    offered: Peer, page: Page, events: Events
):
    answer = await page.answer(offered.offer)
    lines = answer.splitlines(keepends=True)
    offered.accept("".join(_other_key(line) for line in lines))
    assert await events.next(PeerFailed) == PeerFailed(NUMBER)
    await page.connected()


def _other_key(line: str) -> str:
    return line.replace("0", "1").replace("A", "B") if line.startswith("a=fingerprint") else line


@pytest.mark.parametrize(
    ("word", "event"), [("answered", Accepted), ("declined", Declined), ("hung-up", HungUp)]
)
async def test_what_a_person_does_is_told_on_the_control_channel(
    offered: Peer, own_page: Page, events: Events, word: str, event: type
):
    await connect(offered, own_page, events)
    await own_page.say(json.dumps({"type": word, "later": "versions may say more"}))
    assert await events.next(event) == event(NUMBER)


async def test_a_verified_page_is_told_of_the_door_release_whenever_it_changes(
    offered: Peer, own_page: Page, events: Events, parts: Parts
):
    panel = parts.panel
    offered.accept(await own_page.answer(offered.offer), verified=True)
    await events.next(Connected)
    assert await own_page.told() == {"type": "door", "release": "none"}
    for state in ("closed", "open"):
        panel.door = state
        assert await own_page.told() == {"type": "door", "release": state}
    await own_page.say('{"type": "release"}')
    assert await events.next(ReleaseWanted) == ReleaseWanted(NUMBER)


async def test_a_page_that_is_not_verified_is_told_nothing_of_the_door(
    offered: Peer, own_page: Page, events: Events
):
    await connect(offered, own_page, events)
    await own_page.say('{"type": "release"}')
    await events.next(ReleaseWanted)
    await offered.close(Reason.HUNG_UP)
    assert (await own_page.told())["type"] == "ended"
    await own_page.gone()


async def test_nonsense_on_the_control_channel_is_passed_over(
    offered: Peer, own_page: Page, events: Events
):
    await connect(offered, own_page, events)
    for text in ("", "hello", "{}", '{"type": 3}', '{"type": "dance"}', "[]", b"\xff\x00"):
        await own_page.say(text)
    await own_page.say('{"type": "answered"}')
    await events.next(Accepted)


async def test_a_page_that_closes_is_noticed_at_once(offered: Peer, page: Page, events: Events):
    await connect(offered, page, events)
    await page.close()
    assert await events.next(PeerClosed) == PeerClosed(NUMBER)


@pytest.mark.parametrize("reason", [Reason.HUNG_UP, Reason.NO_ANSWER])
async def test_the_page_is_told_why_the_call_ended(
    offered: Peer, own_page: Page, events: Events, reason: Reason
):
    await connect(offered, own_page, events)
    await own_page.say('{"type": "answered"}')
    await events.next(Accepted)
    await offered.close(reason)
    assert await own_page.told() == {"type": "ended", "reason": reason.value}
    await own_page.gone()


async def test_a_page_without_the_channel_only_sees_the_connection_close(
    offered: Peer, page: Page, events: Events, parts: Parts
):
    await connect(offered, page, events)
    await offered.close(Reason.HUNG_UP)
    await page.gone()
    assert parts.on == set()


async def test_closing_tells_nothing_to_the_call_that_closes(
    offered: Peer, own_page: Page, events: Events
):
    await connect(offered, own_page, events)
    await offered.close(Reason.HUNG_UP)
    await own_page.gone()
    assert events.none()


async def test_a_page_that_takes_no_farewell_does_not_hold_up_the_end(
    offered: Peer, own_page: Page, events: Events, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(peer_module, "FAREWELL_S", 0.01)
    await connect(offered, own_page, events)
    await own_page.say('{"type": "answered"}')
    await events.next(Accepted)
    monkeypatch.setattr(own_page.pc.sctp, "_handle_data", _lose)
    await offered.close(Reason.HUNG_UP)


@pytest.mark.parametrize("word", ["hung-up", "declined"])
async def test_a_page_that_ended_the_call_itself_is_told_nothing(
    offered: Peer, own_page: Page, events: Events, word: str
):
    await connect(offered, own_page, events)
    await own_page.say(json.dumps({"type": word}))
    await events.next(HungUp if word == "hung-up" else Declined)
    await offered.close(Reason.HUNG_UP)
    await own_page.gone()
    assert own_page.has_been_told_nothing


async def test_closing_before_anything_is_connected_leaves_nothing(offered: Peer, page: Page):
    offered.accept(await page.answer(offered.offer))
    offered.add_candidate(IceCandidate("candidate:1 1 udp 1 x.local 5 typ host", sdpMid="050"))
    await asyncio.sleep(0)
    await offered.close(Reason.HUNG_UP)


async def test_closing_at_the_moment_of_the_handshakes_end_leaves_nothing(
    offered: Peer, page: Page, events: Events
):
    offered.accept(await page.answer(offered.offer))
    await events.next(Connected)
    await offered.close(Reason.HUNG_UP)
    await page.connected()


async def test_a_page_that_falls_silent_is_lost_until_it_is_heard_again(
    offered: Peer, page: Page, events: Events, monkeypatch: pytest.MonkeyPatch
):
    count = 0
    monkeypatch.setattr(hooks, "packets_received", lambda _: count)
    monkeypatch.setattr(silence, "LOST_S", 0.0)
    monkeypatch.setattr(peer_module, "LOOK_S", 0.0)
    await connect(offered, page, events)
    assert await events.next(MediaLost) == MediaLost(NUMBER)
    monkeypatch.setattr(silence, "LOST_S", 3600.0)
    count = 1
    assert await events.next(MediaBack) == MediaBack(NUMBER)


async def test_a_connection_from_an_address_that_is_gone_fails_at_once(
    offered: Peer, page: Page, events: Events
):
    offered.check_address(set())
    await connect(offered, page, events)
    offered.check_address(offered.gathered_on | set(get_host_addresses(True, True)))
    assert events.none()
    offered.check_address({"192.0.2.1"})
    assert await events.next(PeerFailed) == PeerFailed(NUMBER)


async def test_an_offer_of_addresses_that_are_all_gone_fails_once_there_are_others(
    offered: Peer, events: Events
):
    offered.gathered_on = {"192.0.2.1", "192.0.2.2"}
    offered.check_address(set())
    offered.check_address({"192.0.2.2", "192.0.2.3"})
    assert events.none()
    offered.check_address({"192.0.2.3"})
    assert await events.next(PeerFailed) == PeerFailed(NUMBER)


async def test_the_door_begins_the_handshake(offered: Peer, page: Page, events: Events):
    answer = await page.answer(offered.offer)
    assert answer.count("a=setup:passive") == 3
    offered.accept(answer)
    await events.next(Connected)
    await page.connected()


async def test_at_rest_its_parts_are_off(offered: Peer, parts: Parts):
    offered.rest()
    assert parts.on == set()
