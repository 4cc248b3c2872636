"""The width of a text in terminal columns, and truncation to a width. Pure.

Emoji sequences follow what wcwidth and current terminals do: U+FE0F makes the character before it
two columns wide, and what a zero-width joiner or a skin tone adds takes none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_NO_WIDTH = ("Mn", "Me", "Cf")
_JOINER, _EMOJI_STYLE = "\u200d", "\ufe0f"
_SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"


def columns_of(text: str) -> int:
    """Count the terminal columns of a text: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(width for _, width in _clusters(text))


def cut(text: str, width: int) -> str:
    """Cut a text to a number of terminal columns; an ellipsis shows that it was longer."""
    if columns_of(text) <= width:
        return text
    used, kept = 1, []
    for cluster, columns in _clusters(text):
        used += columns
        if used > width:
            break
        kept.append(cluster)
    return "".join(kept).rstrip(" ") + "…" if width > 0 else ""


def _clusters(text: str) -> Iterator[tuple[str, int]]:
    """Split a text into units that can't be cut, each with its columns."""
    cluster, columns = "", 0
    for character in text:
        width = _width(character)
        if character == _EMOJI_STYLE and columns and _is_emoji(cluster[0]):
            columns = 2
        elif columns == 2 and (cluster[-1] == _JOINER or character in _SKIN_TONES):
            width = 0
        if width and cluster:
            yield cluster, columns
            cluster, columns = "", 0
        cluster += character
        columns += width
    if cluster:
        yield cluster, columns


def _width(character: str) -> int:
    # The vowels and finals of decomposed Korean join the letter before them.
    if unicodedata.category(character) in _NO_WIDTH or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _is_emoji(character: str) -> bool:
    """Whether a character has an emoji style; letters have none."""
    return unicodedata.category(character)[0] == "S" or character in "0123456789#*‼⁉"
