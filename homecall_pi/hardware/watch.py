"""Threads around a camera: one opens it and films, one watches, and shows a card when it fails.

Libraries and drivers of cameras take a second to start, raise, fall silent, or never return. The
thread that calls them (`_Attempt`) may therefore hang for ever without holding up anything but the
next attempt: a camera can be opened once at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from ..core.ports import VIDEO_CLOCK_HZ, AccessUnit
from ..core.progress import Progress
from ..errors import HardwareError
from .card import FPS as CARD_FPS
from .card import Card

log = logging.getLogger(__name__)

Deliver = Callable[[bytes, bool, int], None]
"""Takes one access unit: data, whether it is a key frame, its time in ticks of VIDEO_CLOCK_HZ."""


class Patience(msgspec.Struct):
    """How long to wait, in seconds."""

    start_s: float = 5.0
    """Until the first picture."""
    stall_s: float = 2.0
    """Until the next picture."""
    retry_s: float = 1.0
    """From one opening to the next."""
    still_s: float = 8.0
    """Until a picture that was asked for as a JPEG."""


class Source(Protocol):
    """One opening of a camera. Any thread."""

    def run(self, deliver: Deliver, stopping: threading.Event) -> None:
        """Opens the camera, delivers from any thread until `stopping`, and closes it.

        It may block for as long as the hardware does.

        Raises:
            HardwareError: with a reason that the family can be shown.
        """

    def force_key_frame(self) -> None:
        """Makes the next picture a key frame. Before the camera is open, it does nothing."""

    def set_bitrate(self, bps: int) -> None:
        """Aims at another bitrate, now or when the camera is open."""


class Session:
    """A camera from being switched on to being switched off. Its methods return at once.

    Raises:
        RuntimeError: there is no thread to be had.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        post: Callable[[AccessUnit], None],
        *,
        size: tuple[int, int],
        patience: Patience,
        device: threading.Lock,
        progress: Progress,
    ) -> None:
        self._open_source = open_source
        self._post = post
        self._size = size
        self._patience = patience
        self._device = device
        self._progress = progress
        self._wake = threading.Event()
        self._stopping = False
        self._key_frame_wanted = False
        self._bitrate_bps = 0
        self._sending = threading.Lock()
        self._fault = ""
        self._card: Card | None = None
        self._lacking = False
        self._began = _now()
        self._last_pts = -1
        threading.Thread(target=self._run, name="camera-watch", daemon=True).start()

    def force_key_frame(self) -> None:
        """Makes the next picture a key frame."""
        self._key_frame_wanted = True
        self._wake.set()

    def set_bitrate(self, bps: int) -> None:
        """Aims at another bitrate."""
        self._bitrate_bps = bps
        self._wake.set()

    def stop(self) -> None:
        """Switches the camera off."""
        self._stopping = True
        self._wake.set()

    def _run(self) -> None:
        attempt: _Attempt | None = None
        while not self._stopping:
            attempt = self._look(attempt)
            self._wake.wait(self._pause_s())
            self._wake.clear()
        if attempt is not None:
            attempt.stopping.set()

    def _look(self, attempt: _Attempt | None) -> _Attempt | None:
        """Does what is due; the attempt to go on with."""
        try:
            attempt = self._look_after(attempt)
            key_frame, self._key_frame_wanted = self._key_frame_wanted, False
            attempt.steer(key_frame, self._bitrate_bps)
            self._show_card(key_frame)
        except Exception as error:  # no memory for a picture, or no thread to be had
            if not self._lacking:
                log.warning("the camera lacks what it needs: %r; trying again", error)
            self._lacking = True
        else:
            self._lacking = False
        return attempt

    def _pause_s(self) -> float:
        patience = self._patience
        return min(patience.retry_s, 1 / CARD_FPS) if self._fault else patience.stall_s / 4

    def _try(self) -> _Attempt:
        return _Attempt(
            self._open_source(), self._device, self._progress, self._from_camera, self._wake
        )

    def _look_after(self, attempt: _Attempt | None) -> _Attempt:
        """The attempt to go on with: another one when this has failed and some time is over."""
        if attempt is None:
            return self._try()
        reason = attempt.fault(self._patience)
        if not reason:
            return attempt
        attempt.stopping.set()
        self._report(reason, attempt.detail)
        if attempt.ended and time.monotonic() - attempt.began_s >= self._patience.retry_s:
            return self._try()
        return attempt

    def _report(self, reason: str, detail: str) -> None:
        with self._sending:
            if not self._fault:
                log.warning("%s%s; a card is shown until it is back", reason, detail)
            if reason != self._fault:
                self._fault, self._card = reason, None

    def _show_card(self, key_frame: bool) -> None:
        with self._sending:
            if self._fault:
                self._card = self._card or Card(*self._size, self._fault)
                data, is_key_frame = self._card.encode(key_frame=key_frame)
                self._send(data, is_key_frame, _now())

    def _from_camera(self, attempt: _Attempt, data: bytes, key_frame: bool, at: int) -> None:
        with self._sending:
            if attempt.stopping.is_set():
                return
            if self._fault:
                log.info("the camera is back")
                self._fault, self._card = "", None
            self._send(data, key_frame, at)

    def _send(self, data: bytes, key_frame: bool, at: int) -> None:
        """Card and camera share one time, which never goes back."""
        self._last_pts = max(at - self._began, self._last_pts + 1)
        self._post(AccessUnit(data, self._last_pts, key_frame))


class _Attempt:
    """One opening of the camera, in a thread of its own."""

    def __init__(
        self,
        source: Source,
        device: threading.Lock,
        progress: Progress,
        deliver: Callable[[_Attempt, bytes, bool, int], None],
        wake: threading.Event,
    ) -> None:
        self.stopping = threading.Event()
        self.ended = False
        self.detail = ""
        """What the log tells beyond the reason."""
        self.began_s = time.monotonic()
        self._source = source
        self._device = device
        self._progress = progress
        self._deliver = deliver
        self._wake = wake
        self._error = ""
        self._last_s = 0.0
        self._offset: int | None = None
        self._bitrate_bps = 0
        threading.Thread(target=self._run, name="camera", daemon=True).start()

    def fault(self, patience: Patience) -> str:
        """What is wrong, if anything."""
        if self.ended:
            return self._error
        since_s = time.monotonic() - (self._last_s or self.began_s)
        late = since_s > (patience.stall_s if self._last_s else patience.start_s)
        return "the camera does not respond" if late else ""

    def steer(self, key_frame: bool, bitrate_bps: int) -> None:
        """Passes on to the encoder what is wanted of it, once there is one."""
        if not self._last_s:
            return
        try:
            if key_frame:
                self._source.force_key_frame()
            if bitrate_bps and bitrate_bps != self._bitrate_bps:
                self._source.set_bitrate(bitrate_bps)
                self._bitrate_bps = bitrate_bps
        except Exception as error:  # an encoder that ends at this very moment
            log.debug("the encoder cannot be steered: %r", error)

    def _run(self) -> None:
        # The opening before may still be closing.
        while not self._device.acquire(timeout=0.1):
            if self.stopping.is_set():
                return self._end("")
        try:
            self._progress.move(time.monotonic())
            reason = self._film()
        finally:
            self._progress.rest()
            self._device.release()
        return self._end(reason)

    def _film(self) -> str:
        if self.stopping.is_set():
            return ""
        try:
            self._source.run(self._take, self.stopping)
        except HardwareError as error:
            return str(error)
        except Exception as error:
            log.debug("where the camera failed", exc_info=True)
            self.detail = f" ({error!r})"
            return "the camera failed"
        return "the camera stopped"

    def _end(self, reason: str) -> None:
        self._error = reason or "the camera does not respond"
        self.ended = True
        self._wake.set()

    def _take(self, data: bytes, key_frame: bool, pts: int) -> None:
        """One access unit, the first a key frame; the camera's clock becomes the host's."""
        self._last_s = time.monotonic()
        self._progress.move(self._last_s)
        if self._offset is None:
            if not key_frame:
                return
            self._offset = _now() - pts
            self._wake.set()  # now it can be steered
        self._deliver(self, data, key_frame, self._offset + pts)


def _now() -> int:
    """The host's time in ticks of VIDEO_CLOCK_HZ."""
    return int(time.monotonic() * VIDEO_CLOCK_HZ)
