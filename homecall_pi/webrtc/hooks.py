"""The few places where aiortc keeps private what a door needs. Tests fail when aiortc changes them.

aiortc answers key-frame requests and bandwidth estimates by its own encoders only; an access unit
that comes encoded from the camera passes them by.
"""

from __future__ import annotations

from collections.abc import Callable

from aiortc import RTCRtpSender


def on_key_frame_request(sender: RTCRtpSender, request: Callable[[], None]) -> None:
    """Calls `request` at each PLI (RFC 4585, section 6.3.1) and FIR (RFC 5104, section 4.3.1)."""
    sender._send_keyframe = request  # type: ignore[method-assign]
