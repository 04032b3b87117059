"""Opus with repair and concealment, on the real library and a real voice."""

from __future__ import annotations

import itertools
from array import array

import pytest

from homecall_pi.errors import OperatorError
from homecall_pi.hardware import clip
from homecall_pi.webrtc import opus
from homecall_pi.webrtc.opus import BITRATE_BPS, FRAME_SAMPLES, VoiceDecoder, VoiceEncoder


def voice(frames: int) -> list[bytes]:
    """Frames of 20 ms of the shipped recording."""
    size = 2 * FRAME_SAMPLES
    sound = b"".join(itertools.islice(clip.blocks(clip.MEDIA / "speech.ogg"), frames * 2 + 100))
    return [sound[start : start + size] for start in range(size * 50, size * (50 + frames), size)]


def energy(sound: bytes) -> float:
    return float(sum(sample * sample for sample in array("h", sound)))


def packets(frames: list[bytes]) -> list[bytes]:
    encoder = VoiceEncoder()
    return [encoder.encode(frame) for frame in frames]


def test_a_voice_comes_through_at_the_bitrate_that_was_set():
    frames = voice(100)
    sent = packets(frames)
    decoder = VoiceDecoder()
    heard = [decoder.decode(packet) for packet in sent]
    assert {len(sound) for sound in heard} == {2 * FRAME_SAMPLES}
    loud, quiet = sum(map(energy, heard)), sum(map(energy, frames))
    assert 0.7 < loud / quiet < 1.3
    bps = sum(map(len, sent)) * 8 / (len(sent) * 0.02)
    assert 0.5 * BITRATE_BPS < bps < 1.3 * BITRATE_BPS


def distance(one: bytes, other: bytes) -> float:
    """Energy of the difference."""
    return float(sum((a - b) ** 2 for a, b in zip(array("h", one), array("h", other), strict=True)))


def test_a_lost_packet_is_repaired_better_than_concealed():
    sent = packets(voice(60))
    repaired = concealed = 0.0
    for lost in range(10, 50, 4):
        whole, one, other = VoiceDecoder(), VoiceDecoder(), VoiceDecoder()
        for packet in sent[:lost]:
            for decoder in (whole, one, other):
                decoder.decode(packet)
        truth = whole.decode(sent[lost])
        repaired += distance(truth, one.repair(sent[lost + 1]))
        concealed += distance(truth, other.conceal())
    assert repaired < 0.5 * concealed


def test_copies_are_the_better_the_more_loss_is_expected():
    frames = voice(60)

    def error(share: float) -> float:
        encoder = VoiceEncoder()
        encoder.expect_loss(share)
        sent = [encoder.encode(frame) for frame in frames]
        total = 0.0
        for lost in range(10, 50, 4):
            whole, patched = VoiceDecoder(), VoiceDecoder()
            for packet in sent[:lost]:
                whole.decode(packet)
                patched.decode(packet)
            total += distance(whole.decode(sent[lost]), patched.repair(sent[lost + 1]))
        return total

    assert error(0.3) < error(0.1)


def test_what_libopus_refuses_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(opus, "BITRATE_BPS", -5)
    with pytest.raises(opus.OpusError, match="invalid argument"):
        VoiceEncoder()


def test_a_machine_without_libopus_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(opus.ctypes, "CDLL", missing)
    with pytest.raises(OperatorError, match=r"sudo apt install libopus0"):
        opus._load()


def test_concealment_fades():
    decoder = VoiceDecoder()
    for packet in packets(voice(30)):
        last = decoder.decode(packet)
    faded = [decoder.conceal() for _ in range(20)]
    assert energy(faded[-1]) < 0.01 * energy(last)


def test_a_damaged_packet_is_concealed():
    decoder = VoiceDecoder()
    assert len(decoder.decode(b"\xff\xff")) == 2 * FRAME_SAMPLES
    assert len(decoder.repair(b"\xff\xff")) == 2 * FRAME_SAMPLES
