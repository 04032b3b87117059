"""Opus (RFC 6716) for a voice, by libopus: repair and concealment are what PyAV does not offer."""

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
COMPLEXITY = 3
"""Of 10: what comes out is as near to the voice as with 5 or 10 (spectral distance 3.8 dB, within
0.2 dB), for four fifths and two fifths of the time."""

_VOIP = 2048  # OPUS_APPLICATION_VOIP, and requests of opus_encoder_ctl(): opus_defines.h
_SET_BITRATE, _SET_COMPLEXITY, _SET_INBAND_FEC, _SET_PACKET_LOSS_PERC = 4002, 4010, 4012, 4014

_Frame = ctypes.c_int16 * FRAME_SAMPLES


def _load() -> ctypes.CDLL:
    """libopus, what is used of it declared.

    Straight, without a package around it: those that there are make a Python number of each sample,
    find the library by starting programs, and take more memory than all of ours.

    Raises:
        OperatorError: it is not installed.
    """
    try:
        library = ctypes.CDLL("libopus.so.0")
    except OSError as error:
        raise OperatorError(
            f"the Opus codec cannot be loaded ({error}); on Debian: sudo apt install libopus0"
        ) from None
    number, rate, pointer = ctypes.c_int, ctypes.c_int32, ctypes.c_void_p
    library.opus_strerror.restype = ctypes.c_char_p
    library.opus_encoder_init.argtypes = (pointer, rate, number, number)
    library.opus_encode.argtypes = (pointer, pointer, number, pointer, rate)
    library.opus_decoder_init.argtypes = (pointer, rate, number)
    library.opus_decode.argtypes = (pointer, ctypes.c_char_p, rate, pointer, number, number)
    return library


_libopus = _load()


class OpusError(Exception):
    """libopus refuses."""


def _checked(result: int) -> int:
    """What a function of libopus returned, unless it is an error code (below 0)."""
    if result < 0:
        raise OpusError(_libopus.opus_strerror(result).decode())
    return result


class VoiceEncoder:
    """Makes packets of 20 ms out of mono sound."""

    def __init__(self) -> None:
        self._state = ctypes.create_string_buffer(_libopus.opus_encoder_get_size(1))
        _checked(_libopus.opus_encoder_init(self._state, SAMPLE_RATE, 1, _VOIP))
        self._set(_SET_BITRATE, BITRATE_BPS)
        self._set(_SET_INBAND_FEC, 1)
        self._set(_SET_COMPLEXITY, COMPLEXITY)
        self.expect_loss(0.0)
        self._packet = ctypes.create_string_buffer(MAX_PACKET)

    def _set(self, request: int, value: int) -> None:
        # No argtypes: the function is variadic. A c_void_p keeps the pointer whole.
        state = ctypes.c_void_p(ctypes.addressof(self._state))
        _checked(_libopus.opus_encoder_ctl(state, request, ctypes.c_int32(value)))

    def expect_loss(self, share: float) -> None:
        """Makes the copies good for this share (0..1) of lost packets."""
        percent = round(100 * min(max(share, LEAST_LOSS), MOST_LOSS))
        self._set(_SET_PACKET_LOSS_PERC, percent)

    def encode(self, sound: bytes) -> bytes:
        """A packet of FRAME_SAMPLES samples, signed 16 bit.

        Raises:
            OpusError: libopus refuses.
            ValueError: there are fewer samples.
        """
        samples = _Frame.from_buffer_copy(sound)
        size = _libopus.opus_encode(self._state, samples, FRAME_SAMPLES, self._packet, MAX_PACKET)
        return ctypes.string_at(self._packet, _checked(size))


class VoiceDecoder:
    """Makes mono sound out of packets, also of those that are lost."""

    def __init__(self) -> None:
        self._state = ctypes.create_string_buffer(_libopus.opus_decoder_get_size(1))
        _checked(_libopus.opus_decoder_init(self._state, SAMPLE_RATE, 1))
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
        size = len(packet or b"")
        count = _libopus.opus_decode(self._state, packet, size, self._samples, frames, copy)
        return ctypes.string_at(self._samples, 2 * max(0, count))
