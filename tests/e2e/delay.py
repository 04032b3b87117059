"""Holds packets back: `python -m tests.e2e.delay NAME SECONDS`, for kernels without netem.

What is routed to the network device NAME, which it makes, comes out of it after so many seconds.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import time
from collections import deque

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
"""Bare IP packets (linux/if_tun.h)."""
_MAX_PACKET = 65_536


def make_device(name: str) -> int:
    """A file of which each read gives a packet, and each write delivers one."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return device


def hold_back(device: int, delay_s: float) -> None:
    """Delays, for ever."""
    held: deque[tuple[float, bytes]] = deque()
    while True:
        patience_s = max(0.0, held[0][0] - time.monotonic()) if held else None
        if select.select([device], [], [], patience_s)[0]:
            held.append((time.monotonic() + delay_s, os.read(device, _MAX_PACKET)))
        while held and held[0][0] <= time.monotonic():
            os.write(device, held.popleft()[1])


if __name__ == "__main__":
    made = make_device(sys.argv[1])
    print("made", flush=True)
    hold_back(made, float(sys.argv[2]))
