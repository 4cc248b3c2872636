"""How wide a text is on a terminal, and its beginning where it is too wide. Pure."""

from __future__ import annotations

import unicodedata

_NO_WIDTH = ("Mn", "Me", "Cf")


def columns_of(text: str) -> int:
    """Count the terminal columns of a text: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of_one, text))


def cut(text: str, width: int) -> str:
    """Cut a text to a number of terminal columns; an ellipsis tells that it was longer."""
    if columns_of(text) <= width:
        return text
    used, kept = 1, []
    for character in text:
        used += _columns_of_one(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept).rstrip(" ") + "…" if width > 0 else ""


def _columns_of_one(character: str) -> int:
    # The vowels and finals of decomposed Korean join the letter before them.
    if unicodedata.category(character) in _NO_WIDTH or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
