"""Text from files that strangers wrote, made safe for a terminal."""

from __future__ import annotations


def visible(text: str) -> str:
    """``text`` with nothing in it that a terminal would obey; every character stays one.

    Tabs stay, for the caret's sake. C0 controls become their Unicode pictures; other characters
    that cannot be seen or encoded, such as direction overrides and surrogates, become U+FFFD.
    """
    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char == "\t" or char.isprintable():
        return char
    if char < "\x20":
        return chr(0x2400 + ord(char))
    return "\u2421" if char == "\x7f" else "\ufffd"


def printable(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(map(visible, text.split("\n")))
