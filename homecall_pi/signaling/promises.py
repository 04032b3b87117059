"""What our server promises beyond the protocol, told in a header of the WebSocket handshake."""

from __future__ import annotations

HEADER = "HomeCall-Offers"
"""Response header of `/signal`."""
REPLACES_OFFERS = "replaced"
"""Its value: a newer offer replaces the one that is held, so a device may offer again at will."""
