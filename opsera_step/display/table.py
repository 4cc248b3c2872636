"""The response to a query as tables of text, and how they are laid out in lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from opsera_step.text import columns_of, cut

_GAP = "  "
_MORE = "…"
_LEAST = 6
"""Columns that each column of a table keeps, however narrow the terminal is."""
_READABLE = 16
"""Columns below which a name is hard to read; before that, expendable columns are left out."""
_SHORT = 12
"""Columns to which expendable columns are cut before they are left out: enough for a date."""
_TIMES = ("TIME", "UPDATED", "STARTED", "FINISHED")
"""Headings of columns of times."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)(?:\.\d+)?Z", re.ASCII)


class Table(NamedTuple):
    """Columns and rows of text; without headings it is a list of properties."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    uncut: int = 1
    """How many columns, from the first, are never cut: a part of an ID is useless."""
    expendable: tuple[str, ...] = ()
    """Headings of the columns that are shortened or left out first if there is little room."""
    seconds: bool = False
    """Whether to show the seconds of times."""


class Answer(NamedTuple):
    """The response to a query. Its texts are the API's; they are made safe when printed."""

    data: Any
    """What the API returned, unmodified."""
    tables: tuple[Table, ...] = ()
    lines: tuple[str, ...] | None = None
    """The lines, if it is a text rather than tables."""


def table_lines(table: Table, width: int | None) -> list[str]:
    """Lay out a table, cut to a width if there is one; its cells are one line each already.

    Expendable columns are shortened first and then left out, so that the others stay readable; an
    ellipsis after the headings shows that columns are missing.
    """
    rows = [row for row in (table.headings, *with_short_times(table)) if row]
    count = max(map(len, rows), default=0)
    rows = [(*row, *("",) * (count - len(row))) for row in rows]
    widths = {place: max(columns_of(row[place]) for row in rows) for place in range(count)}
    if width is None or _needed(widths) <= width:
        return [_line(row, widths, is_cut=False) for row in rows]
    expendable = [table.headings.index(one) for one in table.expendable if one in table.headings]
    shown = _shown(table, widths, expendable, width)
    more = _GAP + _MORE if len(shown) < count else ""
    _narrow(shown, expendable, table.uncut, width - len(more))
    lines = [_line(row, shown, is_cut=True) for row in rows]
    if more and columns_of(lines[0] + more) <= width:
        lines[0] += more
    return lines


def with_short_times(table: Table) -> Sequence[tuple[str, ...]]:
    """Return the rows with readable times."""
    short = r"\1 \2\3Z" if table.seconds else r"\1 \2Z"
    times = [place for place, heading in enumerate(table.headings) if heading in _TIMES]
    return [
        tuple(_TIME.sub(short, cell) if place in times else cell for place, cell in enumerate(row))
        for row in table.rows
    ]


def _needed(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * max(0, len(widths) - 1)


def _shown(
    table: Table, widths: dict[int, int], expendable: Sequence[int], width: int
) -> dict[int, int]:
    """Choose the columns to show, with their widths: only as many as stay readable."""
    shown = dict(widths)
    readable = {place: _SHORT if place in expendable else _READABLE for place in widths}
    for place in expendable:
        if _needed(_bounded(shown, readable, table.uncut)) > width:
            shown.pop(place, None)
    least = dict.fromkeys(widths, _LEAST)
    for place in range(len(widths) - 1, table.uncut, -1) if table.headings else ():
        if _needed(_bounded(shown, least, table.uncut)) > width:
            shown.pop(place, None)
    return shown


def _bounded(widths: dict[int, int], bounds: dict[int, int], uncut: int) -> dict[int, int]:
    return {
        place: columns if place < uncut else min(columns, bounds[place])
        for place, columns in widths.items()
    }


def _narrow(widths: dict[int, int], expendable: Sequence[int], uncut: int, width: int) -> None:
    """Narrow the columns until all fit: first the expendable ones, then the widest."""
    for place in expendable:
        if place >= uncut and place in widths:
            excess = max(0, _needed(widths) - width)
            widths[place] -= min(excess, max(0, widths[place] - _SHORT))
    while _needed(widths) > width:
        widest = max((one for one in widths if one >= uncut), key=widths.__getitem__, default=-1)
        if widths.get(widest, 0) <= _LEAST:
            break
        widths[widest] -= 1


def _line(row: Sequence[str], widths: dict[int, int], *, is_cut: bool) -> str:
    cells = [
        (cut(row[place], width) if is_cut else row[place], width) for place, width in widths.items()
    ]
    return _GAP.join(cell + " " * (width - columns_of(cell)) for cell, width in cells).rstrip()
