"""Tables of text for a terminal, or for whatever reads lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from opsera_step.answers import Table

_GAP = "  "
_LEAST = 6
"""Columns that each column of a table keeps, however narrow the terminal is."""


def table_lines(table: Table, width: int | None) -> list[str]:
    """Lay out a table, cut to a width where there is one; its cells are one line each already."""
    rows = [row for row in (table.headings, *table.rows) if row]
    count = max(map(len, rows), default=0)
    rows = [(*row, *("",) * (count - len(row))) for row in rows]
    widths = [max(columns_of(row[place]) for row in rows) for place in range(count)]
    if width is not None:
        kept, others = widths[: table.whole], widths[table.whole :]
        widths = kept + _shrunk(others, width - len(_GAP) * (count - 1) - sum(kept))
    return [_line(row, widths, is_cut=width is not None) for row in rows]


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
    return "".join(kept) + "…" if width > 0 else ""


def _columns_of_one(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _shrunk(widths: Sequence[int], room: int) -> list[int]:
    """Take columns away from the widest until all fit, or none can give any more."""
    widths = list(widths)
    while widths and sum(widths) > room:
        widest = max(widths)
        if widest <= _LEAST:
            break
        places = [place for place, one in enumerate(widths) if one == widest]
        below = max((one for one in widths if one < widest), default=_LEAST)
        step = min(widest - max(below, _LEAST), -(-(sum(widths) - room) // len(places)))
        for place in places:
            widths[place] -= min(max(step, 1), max(0, sum(widths) - room))
    return widths


def _line(row: Sequence[str], widths: Sequence[int], *, is_cut: bool) -> str:
    cells = (cut(cell, width) if is_cut else cell for cell, width in zip(row, widths, strict=True))
    padded = (
        cell + " " * (width - columns_of(cell)) for cell, width in zip(cells, widths, strict=True)
    )
    return _GAP.join(padded).rstrip()
