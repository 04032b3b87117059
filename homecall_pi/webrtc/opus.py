"""Opus (RFC 6716) for a voice: what PyAV keeps from libopus, repair and concealment, is here."""

from __future__ import annotations

import ctypes

from ..core.ports import SAMPLE_RATE
from ..errors import OperatorError

FRAME_SAMPLES = 960
"""20 ms: the duration of a packet."""
MAX_FRAME_SAMPLES = 5760
"""120 ms: the longest packet there is (RFC 6716, section 2.1.4)."""
MAX_PACKET = 1275
"""Bytes of the longest packet of one frame (RFC 6716, section 3.2.1)."""
BITRATE_BPS = 32_000
"""Wideband to fullband speech in full quality (RFC 7587, section 3.1.1)."""
LEAST_LOSS, MOST_LOSS = 0.10, 0.30
"""Loss that the copies in each packet's successor are made for: always, as a Wi-Fi at the door has
some; and at most, for the copies take their bits from the voice itself."""
COMPLEXITY = 5
"""Of 10: above it, a Zero 2 W spends twice the time for a difference that voices do not show."""

try:
    import opuslib_next as _libopus
    from opuslib_next.api.decoder import libopus_decode as _decode
    from opuslib_next.api.encoder import libopus_encode as _encode
except Exception as error:  # it raises a bare Exception when the C library is missing
    raise OperatorError(f"{error} On Debian: apt install libopus0") from None


_Frame = ctypes.c_int16 * FRAME_SAMPLES


class VoiceEncoder:
    """Makes packets of 20 ms out of mono sound."""

    def __init__(self) -> None:
        self._encoder = _libopus.Encoder(SAMPLE_RATE, 1, "voip")
        self._encoder.bitrate = BITRATE_BPS
        self._encoder.inband_fec = 1
        self.expect_loss(0.0)
        self._encoder.complexity = COMPLEXITY
        self._packet = ctypes.create_string_buffer(MAX_PACKET)

    def expect_loss(self, share: float) -> None:
        """Makes the copies good for this share (0..1) of lost packets."""
        self._encoder.packet_loss_perc = round(100 * min(max(share, LEAST_LOSS), MOST_LOSS))

    def encode(self, sound: bytes) -> bytes:
        """A packet of FRAME_SAMPLES samples, signed 16 bit.

        Raises:
            OpusError: libopus refuses.
            ValueError: there are fewer samples.
        """
        # Not by opuslib's own method, which makes a number of each byte first.
        state, samples = self._encoder.encoder_state, _Frame.from_buffer_copy(sound)
        size = _encode(state, samples, FRAME_SAMPLES, self._packet, MAX_PACKET)
        if size < 0:
            raise _libopus.OpusError(size)
        return ctypes.string_at(self._packet, size)


class VoiceDecoder:
    """Makes mono sound out of packets, also of those that are lost."""

    def __init__(self) -> None:
        self._decoder = _libopus.Decoder(SAMPLE_RATE, 1)
        self._samples = (ctypes.c_int16 * MAX_FRAME_SAMPLES)()

    def decode(self, packet: bytes) -> bytes:
        """The packet's sound; concealment when the packet is damaged."""
        return self._decode(packet, MAX_FRAME_SAMPLES) or self.conceal()

    def repair(self, successor: bytes) -> bytes:
        """The sound of the lost packet before `successor`, from the copy in there."""
        return self._decode(successor, FRAME_SAMPLES, copy=True) or self.conceal()

    def conceal(self) -> bytes:
        """Sound that goes on like the last, fading."""
        return self._decode(None, FRAME_SAMPLES)

    def _decode(self, packet: bytes | None, frames: int, *, copy: bool = False) -> bytes:
        """The sound; none if the packet is damaged."""
        # Not by opuslib's own method, which makes a number of each sample first.
        state, size = self._decoder.decoder_state, len(packet or b"")
        count = _decode(state, packet, size, self._samples, frames, copy)
        return ctypes.string_at(self._samples, 2 * max(0, count))
