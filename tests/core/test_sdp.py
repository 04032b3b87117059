"""What the call reads in an SDP, on descriptions as aiortc and Chromium write them."""

from __future__ import annotations

import pytest

from homecall_pi.core import sdp

OFFER = """\
v=0
o=- 3969345612 3969345612 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=msid-semantic:WMS *
m=audio 40541 UDP/TLS/RTP/SAVPF 96 9 0 8
c=IN IP4 192.0.2.2
a=sendrecv
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid
a=mid:0
a=msid:5ac23f51 9a5ed4f3
a=rtcp:9 IN IP4 0.0.0.0
a=rtcp-mux
a=rtpmap:96 opus/48000/2
a=candidate:bb3ac2d6 1 udp 2130706431 192.0.2.2 40541 typ host
a=end-of-candidates
a=ice-ufrag:mBVt
a=ice-pwd:jX7gjBHMCzGMi0UtZR39pB
a=fingerprint:sha-256 4D:68:3B:1C
a=setup:actpass
m=video 40541 UDP/TLS/RTP/SAVPF 99 100
c=IN IP4 192.0.2.2
a=sendonly
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid
a=mid:1
a=rtcp-mux
a=rtpmap:99 H264/90000
a=setup:actpass
m=application 40541 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 192.0.2.2
a=mid:2
a=sctp-port:5000
a=setup:actpass
"""
"""By aiortc 1.16, with a few lines left out."""

ANSWER = """\
v=0
o=- 2890844526180226123 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 050 051 052
a=extmap-allow-mixed
a=msid-semantic: WMS 2a9b1c9e
m=audio 9 UDP/TLS/RTP/SAVPF 96 9 0 8
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:5t/S
a=ice-pwd:C2Cv0QhQ1TJQcdjWZl6Lf3XN
a=ice-options:trickle
a=fingerprint:sha-256 8F:6D:AA:05
a=setup:active
a=mid:050
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=msid:2a9b1c9e 04f5
a=rtcp-mux
a=rtpmap:96 opus/48000/2
a=fmtp:96 minptime=10;useinbandfec=1
m=video 9 UDP/TLS/RTP/SAVPF 99 100
c=IN IP4 0.0.0.0
a=setup:active
a=mid:051
a=recvonly
a=rtcp-mux
a=rtpmap:99 H264/90000
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=setup:active
a=mid:052
a=sctp-port:5000
a=max-message-size:262144
"""
"""By Chromium, to the offer above with the number 5, with a few lines left out."""

OFFER, ANSWER = OFFER.replace("\n", "\r\n"), ANSWER.replace("\n", "\r\n")
TAGGED = sdp.tag_offer(OFFER, 5)
"""The offer above as it is sent."""


def rejected(answer: str, kind: str, *, tag: bool) -> str:
    """The answer with the media section of `kind` rejected, with its tag or without."""
    start, *sections = answer.split("\r\nm=")
    for index, section in enumerate(sections):
        if section.startswith(kind):
            lines = section.replace(f"{kind} 9 ", f"{kind} 0 ").split("\r\n")
            kept = [line for line in lines if tag or not line.startswith("a=mid")]
            sections[index] = "\r\n".join(kept)
    return "\r\nm=".join([start, *sections])


def test_tags_are_read_in_the_order_of_the_sections():
    assert sdp.mids(OFFER) == ["0", "1", "2"]
    assert sdp.mids(ANSWER) == ["050", "051", "052"]
    assert sdp.mids("") == []


def test_an_offer_is_tagged_with_its_number_and_changed_in_nothing_else():
    expected = OFFER.replace("BUNDLE 0 1 2\r\n", "BUNDLE 050 051 052\r\n")
    for index in range(3):
        expected = expected.replace(f"a=mid:{index}\r\n", f"a=mid:05{index}\r\n")
    expected = expected.replace("WMS *\r\n", "WMS *\r\na=x-homecall:1\r\n")
    assert expected == TAGGED


@pytest.mark.parametrize(
    ("number", "tag"),
    [(0, "000"), (35, "0z0"), (36, "100"), (1295, "zz0"), (1296, "000"), (10**9, "xs0")],
)
def test_tags_stay_at_three_characters_whatever_the_number(number: int, tag: str):
    assert sdp.mids(sdp.tag_offer(OFFER, number))[0] == tag


def test_offers_one_after_another_have_no_tag_in_common():
    tags = [set(sdp.mids(sdp.tag_offer(OFFER, number))) for number in range(1296)]
    assert len(set.union(*tags)) == 3 * 1296


def test_the_control_attribute_belongs_to_the_session():
    marked = sdp.mark_control(ANSWER)
    assert marked.split("\r\nm=")[0].endswith("\r\na=x-homecall:1")
    assert marked.replace("a=x-homecall:1\r\n", "") == ANSWER
    assert sdp.has_control(marked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ANSWER,
        ANSWER + "a=x-homecall:1\r\n",
        ANSWER.replace("s=-\r\n", "s=-\r\na=x-homecall:12\r\n"),
        ANSWER.replace("s=-\r\n", "s=a=x-homecall:1\r\n"),
    ],
    ids=["nothing", "plain", "in-a-section", "another-version", "in-the-name"],
)
def test_without_the_attribute_in_its_place_there_is_no_control(text: str):
    assert not sdp.has_control(text)


def test_lines_may_end_without_a_carriage_return():
    assert sdp.has_control(sdp.mark_control(ANSWER).replace("\r\n", "\n"))
    assert sdp.answers(TAGGED, ANSWER.replace("\r\n", "\n"))


def test_an_answer_fits_the_offer_that_it_answers():
    assert sdp.answers(TAGGED, ANSWER)
    assert sdp.answers(TAGGED, sdp.mark_control(ANSWER))


def test_an_answer_to_an_earlier_or_later_offer_does_not_fit():
    for number in (4, 6):
        assert not sdp.answers(sdp.tag_offer(OFFER, number), ANSWER)


@pytest.mark.parametrize("tag", [True, False])
@pytest.mark.parametrize("kind", ["video", "application"])
def test_an_answer_may_reject_a_section(kind: str, tag: bool):
    assert sdp.answers(TAGGED, rejected(ANSWER, kind, tag=tag))


def test_an_answer_may_reject_all_but_one_section():
    answer = rejected(rejected(ANSWER, "video", tag=False), "application", tag=False)
    assert sdp.answers(TAGGED, answer)


@pytest.mark.parametrize("tag", [True, False])
def test_an_answer_that_rejects_everything_is_none(tag: bool):
    answer = ANSWER
    for kind in ("audio", "video", "application"):
        answer = rejected(answer, kind, tag=tag)
    assert not sdp.answers(TAGGED, answer)


def test_a_section_that_is_accepted_needs_its_own_tag():
    assert not sdp.answers(TAGGED, ANSWER.replace("a=mid:051\r\n", ""))
    assert not sdp.answers(TAGGED, ANSWER.replace("a=mid:051", "a=mid:050"))
    assert not sdp.answers(TAGGED, ANSWER.replace("a=mid:051", "a=mid:1"))


def test_a_section_that_is_rejected_needs_no_tag_but_no_other_either():
    answer = rejected(ANSWER, "video", tag=True)
    assert not sdp.answers(TAGGED, answer.replace("a=mid:051", "a=mid:052"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: "v=0\r\n",
        lambda text: text.split("\r\nm=video")[0] + "\r\n",
        lambda text: text + "m=audio 9 X\r\na=mid:050\r\n",
        lambda text: text.replace("m=video", "m=audio"),
        lambda text: text.replace("m=audio", "m=tmp").replace("m=video", "m=audio"),
        lambda text: text.replace("m=audio 9", "m=audio nine"),
        lambda text: text.upper(),
    ],
    ids=["nothing", "bare", "short", "long", "kinds", "order", "port", "shouting"],
)
def test_what_is_no_answer_does_not_fit(spoil):
    assert not sdp.answers(TAGGED, spoil(ANSWER))
