"""The visitor's voice on its way to the page: Opus packets of 20 ms, as the microphone delivers."""

from __future__ import annotations

import time

from aiortc import RTCRtpSender

from ..core.loss import Loss
from .media_sender import MediaSender
from .opus import FRAME_SAMPLES, VoiceEncoder
from .rtp import RtpStream

_FRAME_BYTES = 2 * FRAME_SAMPLES


class VoiceSender(MediaSender):
    """Sends what the microphone hears."""

    what = "sound"

    def __init__(self, sender: RTCRtpSender) -> None:
        super().__init__(sender)
        self._encoder: VoiceEncoder
        self._sound = b""
        """Not yet a whole packet's."""
        self._samples = 0
        self._loss = Loss()

    def put(self, sound: bytes) -> None:
        """Takes sound from the microphone; before the connection stands, it is dropped."""
        if self._stream is None:
            return
        self._sound += sound
        while len(self._sound) >= _FRAME_BYTES:
            frame, self._sound = self._sound[:_FRAME_BYTES], self._sound[_FRAME_BYTES:]
            self._guard(self._send_frame, self._stream, frame)

    def _begin(self) -> None:
        self._encoder = VoiceEncoder()

    def _missed(self, lost: int, highest: int) -> None:
        share = self._loss.reported(lost, highest, time.monotonic())
        if share is not None:
            self._encoder.expect_loss(share)

    def _send_frame(self, stream: RtpStream, frame: bytes) -> None:
        pts, self._samples = self._samples, self._samples + FRAME_SAMPLES
        self._send_media(stream, [self._encoder.encode(frame)], pts)
