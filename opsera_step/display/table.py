"""Tables of text for a terminal, or for whatever reads lines."""

from __future__ import annotations

from collections.abc import Sequence

from opsera_step.display.answers import Table
from opsera_step.text import columns_of, cut

_GAP = "  "
_MORE = "…"
_LEAST = 6
"""Columns that each column of a table keeps, however narrow the terminal is."""
_READABLE = 16
"""Columns below which a name tells little; before that, columns that yield are left out."""
_YIELDED = 12
"""Columns to which those that yield are cut, before they are left out: enough for a day."""


def table_lines(table: Table, width: int | None) -> list[str]:
    """Lay out a table, cut to a width where there is one; its cells are one line each already.

    The columns that yield are cut first, then left out, so that the others stay readable; an
    ellipsis after the headings tells of those that were left out.
    """
    rows = [row for row in (table.headings, *table.rows) if row]
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


def _needed(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * max(0, len(widths) - 1)


def _yielding(table: Table) -> list[int]:
    known = (table.headings.index(one) for one in table.yields if one in table.headings)
    return list(dict.fromkeys(known))


def _shown(table: Table, widths: Sequence[int], width: int) -> list[int]:
    """Choose the columns to show: so many that each of them can be read."""
    yielding = _yielding(table)
    bounds = {place: _YIELDED if place in yielding else _READABLE for place in range(len(widths))}
    shown = list(range(len(widths)))
    for place in yielding:
        if _needed(_bounded(table, widths, shown, bounds)) <= width:
            break
        shown.remove(place)
    bounds = dict.fromkeys(bounds, _LEAST)
    while table.headings and len(shown) > table.whole + 1:
        if _needed(_bounded(table, widths, shown, bounds)) <= width:
            break
        shown.pop()
    return shown


def _bounded(
    table: Table, widths: Sequence[int], shown: Sequence[int], bounds: dict[int, int]
) -> list[int]:
    return [
        widths[place] if place < table.whole else min(widths[place], bounds[place])
        for place in shown
    ]


def _fitted(table: Table, widths: Sequence[int], shown: Sequence[int], width: int) -> list[int]:
    """Take away columns until all fit: first from those that yield, then from the widest."""
    left = {place: widths[place] for place in shown}
    for place in _yielding(table):
        if place in left:
            excess = max(0, _needed(list(left.values())) - width)
            left[place] -= min(excess, max(0, left[place] - _YIELDED))
    kept = [left[place] for place in shown if place < table.whole]
    others = [left[place] for place in shown if place >= table.whole]
    return kept + _shrunk(others, width - len(_GAP) * (len(shown) - 1) - sum(kept))


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
