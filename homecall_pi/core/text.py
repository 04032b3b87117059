"""Text that strangers may have written, made fit for one line."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text with what is not to be printed as escapes: a newline becomes the two signs `\n`.

    Control characters could forge a line of the log or steer a terminal, and marks of writing
    direction could make it read otherwise than it is.
    """
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
