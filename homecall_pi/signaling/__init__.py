"""Both ends of the signaling line: the device's client and the server with the family page."""
