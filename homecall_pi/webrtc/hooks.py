"""The few places where aiortc keeps private what a door needs. Tests fail when aiortc changes them.

aiortc answers key-frame requests and bandwidth estimates by its own encoders only; an access unit
that comes encoded from the camera passes them by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiortc import RTCPeerConnection, RTCRtpSender

SETTLE_S = 0.05
"""Longer than aioice pauses between the checks of a connection (0.02 s)."""


def on_key_frame_request(sender: RTCRtpSender, request: Callable[[], None]) -> None:
    """Calls `request` at each PLI (RFC 4585, section 6.3.1) and FIR (RFC 5104, section 4.3.1)."""
    sender._send_keyframe = request  # type: ignore[method-assign]


async def close(pc: RTCPeerConnection) -> None:
    """Closes the connection and all that it runs.

    What is connecting at that moment goes on for one step after `pc.close()`, and starts tasks
    that nobody would end: the senders' and receivers', and aioice's consent checks.
    """
    connecting = pc.connectionState == "connecting"
    await pc.close()
    if connecting:
        await asyncio.sleep(SETTLE_S)
        for transceiver in pc.getTransceivers():
            await transceiver.stop()
            await transceiver.receiver.transport.transport._connection.close()
