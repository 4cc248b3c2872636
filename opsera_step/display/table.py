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
    widths = [max(columns_of(row[place]) for row in rows) for place in range(count)]
    if width is None or _needed(widths) <= width:
        return [_line(row, widths, is_cut=False) for row in rows]
    shown = _shown(table, widths, width)
    more = _GAP + _MORE if len(shown) < count else ""
    fitted = _fitted(table, widths, shown, width - len(more))
    lines = [_line([row[place] for place in shown], fitted, is_cut=True) for row in rows]
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


def _needed(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * max(0, len(widths) - 1)


def _expendable(table: Table) -> list[int]:
    known = (table.headings.index(one) for one in table.expendable if one in table.headings)
    return list(dict.fromkeys(known))


def _shown(table: Table, widths: Sequence[int], width: int) -> list[int]:
    """Choose the columns to show: so many that each of them can be read."""
    expendable = _expendable(table)
    bounds = {place: _SHORT if place in expendable else _READABLE for place in range(len(widths))}
    shown = list(range(len(widths)))
    for place in expendable:
        if _needed(_bounded(table, widths, shown, bounds)) <= width:
            break
        shown.remove(place)
    bounds = dict.fromkeys(bounds, _LEAST)
    while table.headings and len(shown) > table.uncut + 1:
        if _needed(_bounded(table, widths, shown, bounds)) <= width:
            break
        shown.pop()
    return shown


def _bounded(
    table: Table, widths: Sequence[int], shown: Sequence[int], bounds: dict[int, int]
) -> list[int]:
    return [
        widths[place] if place < table.uncut else min(widths[place], bounds[place])
        for place in shown
    ]


def _fitted(table: Table, widths: Sequence[int], shown: Sequence[int], width: int) -> list[int]:
    """Narrow the columns until all fit: first the expendable ones, then the widest."""
    left = {place: widths[place] for place in shown}
    for place in _expendable(table):
        if place in left:
            excess = max(0, _needed(list(left.values())) - width)
            left[place] -= min(excess, max(0, left[place] - _SHORT))
    kept = [left[place] for place in shown if place < table.uncut]
    others = [left[place] for place in shown if place >= table.uncut]
    return kept + _shrunk(others, width - len(_GAP) * (len(shown) - 1) - sum(kept))


def _shrunk(widths: Sequence[int], room: int) -> list[int]:
    """Narrow the widest columns until all fit, or none can give any more."""
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
