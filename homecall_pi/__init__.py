"""HomeCall Pi: a Raspberry Pi doorbell and intercom that the family answers in the browser."""

__version__ = "0.1.0"
