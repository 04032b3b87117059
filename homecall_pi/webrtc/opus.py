"""Opus (RFC 6716) for a voice: what PyAV keeps from libopus, repair and concealment, is here."""

from __future__ import annotations

from ..core.ports import SAMPLE_RATE
from ..errors import OperatorError

FRAME_SAMPLES = 960
"""20 ms: the duration of a packet."""
MAX_FRAME_SAMPLES = 5760
"""120 ms: the longest packet there is (RFC 6716, section 2.1.4)."""
BITRATE_BPS = 32_000
"""Wideband to fullband speech in full quality (RFC 7587, section 3.1.1)."""
LEAST_LOSS, MOST_LOSS = 0.10, 0.30
"""Loss that the copies in each packet's successor are made for: always, as a Wi-Fi at the door has
some; and at most, for the copies take their bits from the voice itself."""
COMPLEXITY = 5
"""Of 10: above it, a Zero 2 W spends twice the time for a difference that voices do not show."""

try:
    import opuslib_next as _libopus
except Exception as error:  # it raises a bare Exception when the C library is missing
    raise OperatorError(f"{error} On Debian: apt install libopus0") from None


class VoiceEncoder:
    """Makes packets of 20 ms out of mono sound."""

    def __init__(self) -> None:
        self._encoder = _libopus.Encoder(SAMPLE_RATE, 1, "voip")
        self._encoder.bitrate = BITRATE_BPS
        self._encoder.inband_fec = 1
        self.expect_loss(0.0)
        self._encoder.complexity = COMPLEXITY

    def expect_loss(self, share: float) -> None:
        """Makes the copies good for this share (0..1) of lost packets."""
        self._encoder.packet_loss_perc = round(100 * min(max(share, LEAST_LOSS), MOST_LOSS))

    def encode(self, sound: bytes) -> bytes:
        """A packet of FRAME_SAMPLES samples, signed 16 bit."""
        packet: bytes = self._encoder.encode(sound, FRAME_SAMPLES)
        return packet


class VoiceDecoder:
    """Makes mono sound out of packets, also of those that are lost."""

    def __init__(self) -> None:
        self._decoder = _libopus.Decoder(SAMPLE_RATE, 1)

    def decode(self, packet: bytes) -> bytes:
        """The packet's sound; concealment when the packet is damaged."""
        try:
            sound: bytes = self._decoder.decode(packet, MAX_FRAME_SAMPLES)
        except _libopus.OpusError:
            return self.conceal()
        return sound

    def repair(self, successor: bytes) -> bytes:
        """The sound of the lost packet before `successor`, from the copy in there."""
        try:
            sound: bytes = self._decoder.decode(successor, FRAME_SAMPLES, decode_fec=True)
        except _libopus.OpusError:
            return self.conceal()
        return sound

    def conceal(self) -> bytes:
        """Sound that goes on like the last, fading."""
        sound: bytes = self._decoder.decode(b"", FRAME_SAMPLES)
        return sound
