"""The media connection of a call, on aiortc."""
