"""What our server and its clients agree on beyond the protocol."""

from __future__ import annotations

HEADER = "HomeCall-Offers"
"""Header of the WebSocket handshake's response, by which the server makes a promise."""
REPLACES_OFFERS = "replaced"
"""Its value: a newer offer replaces the one that is held, so a device may offer again at will."""
REPLACED = 4001
"""Close code for a connection whose participant has joined by a newer one. Browsers do not come
back from it by themselves."""
