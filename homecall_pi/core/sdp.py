"""What the call needs to know of an SDP, and the two marks that it leaves there. Pure text work.

Both marks are ordinary SDP (RFC 8866) that peers who know nothing of them pass over:

- the **media identification tags** (`a=mid`, RFC 5888) of an offer carry the number of its
  connection. An answer must repeat them, and candidates name them, so an answer or candidate that
  was meant for an earlier offer, held back by some server, is recognised.
- the session-level attribute `a=x-homecall:1`. In an offer: a data channel with id 0 is set up on
  both sides without being announced (RFC 8832, section 4: negotiated out of band). In an answer:
  the page uses it, and will tell on it when a person answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

CONTROL_ATTRIBUTE = "a=x-homecall:1"
CONTROL_CHANNEL_ID = 0

_MID = re.compile(r"^a=mid:(\S+)", re.MULTILINE)
_SECTION_START = re.compile(r"^m=", re.MULTILINE)
_HEAD = re.compile(r"(\S+) (\d+)")
_OPUS = re.compile(r"^a=rtpmap:(\d+) opus/48000/2", re.MULTILINE)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def mids(sdp: str) -> list[str]:
    """The media identification tags in the order of the media sections."""
    return _MID.findall(sdp)


def tag_offer(sdp: str, number: int) -> str:
    """The offer with tags that carry `number`, and with the control attribute.

    Tags travel in every RTP packet (RFC 8843, section 15), so they are kept at three characters:
    two for the number, modulo 1296, and one for the media section's index.
    """
    token = _DIGITS[number // 36 % 36] + _DIGITS[number % 36]
    tags = {mid: f"{token}{index}" for index, mid in enumerate(mids(sdp))}
    lines = [_retag(line, tags) for line in sdp.splitlines()]
    return mark_control("\r\n".join(lines) + "\r\n")


def _retag(line: str, tags: dict[str, str]) -> str:
    if line.startswith("a=mid:"):
        return "a=mid:" + tags[line[6:].strip()]
    if line.startswith("a=group:BUNDLE"):
        return " ".join(["a=group:BUNDLE", *(tags[mid] for mid in line.split()[1:])])
    return line


def as_dtls_client(offer: str) -> str:
    """The offer with its sender as the DTLS client, where others leave the choice to the answerer.

    Browsers would choose to be the client. When they are offered another connection in the call
    they begin the handshake before there is a way for it, and take 1.6 to 7 s until they try again;
    when we begin, it takes 0.2 s. To change who begins is refused (RFC 8842, section 5.5), by pages
    that take all offers with one connection, so it is us from the first offer on.
    """
    return offer.replace("a=setup:actpass", "a=setup:active")


def ask_for_repair(sdp: str) -> str:
    """The SDP with the wish for Opus packets that carry a copy of their predecessor.

    Senders add it only for receivers that say they use it (RFC 7587, section 6.1).
    """
    wish = r"\g<0>\r\na=fmtp:\1 minptime=10;useinbandfec=1"
    return str(_OPUS.sub(wish, sdp))


def mark_control(sdp: str) -> str:
    """The SDP with the control attribute at the end of its session level."""
    session, media, rest = sdp.partition("\r\nm=")
    return f"{session}\r\n{CONTROL_ATTRIBUTE}{media}{rest}"


def has_control(sdp: str) -> bool:
    """Whether the sender of this SDP uses the control channel."""
    session, _, _ = sdp.partition("\nm=")
    return CONTROL_ATTRIBUTE in session.splitlines()


def answers(offer: str, answer: str) -> bool:
    """Whether `answer` is an answer to just this `offer`.

    It is when its media sections are the offer's, in order (RFC 3264, section 6) and with the
    offer's tags; a section that it rejects (port 0) may go without a tag (RFC 9429, section 5.3.1).
    """
    offered, answered = list(_sections(offer)), list(_sections(answer))
    return (
        [kind for kind, _, _ in offered] == [kind for kind, _, _ in answered]
        and any(port != "0" for _, port, _ in answered)
        and all(
            tag == wanted or (port == "0" and not tag)
            for (_, _, wanted), (_, port, tag) in zip(offered, answered, strict=True)
        )
    )


def _sections(sdp: str) -> Iterator[tuple[str, str, str]]:
    """Of each media section the kind, the port and the tag, if there is one."""
    for section in _SECTION_START.split(sdp)[1:]:
        head = _HEAD.match(section)
        yield (head[1], head[2], "".join(mids(section)[:1])) if head else ("", "", "")
