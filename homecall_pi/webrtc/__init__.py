"""The media connection of a call, on aiortc."""

from . import mdns

mdns.put_off()
