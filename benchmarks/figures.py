"""Figures with their spread, and tables and sections of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measure, taken in several rounds; `unit` is written after it."""

    values: tuple[float, ...]
    unit: str = ""

    @property
    def median(self) -> float:
        """The value in the middle."""
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        return min(self.values), max(self.values)

    def over(self, other: Figure) -> Figure:
        """Return the ratio to the other, round by round, so that common slowdowns cancel out."""
        pairs = zip(self.values, other.values, strict=True)
        return Figure(tuple(one / two for one, two in pairs), "×")

    def __str__(self) -> str:
        """Write the median, and the spread where there are several values."""
        unit = f" {self.unit}" if self.unit not in ("", "×", "%") else self.unit
        middle = f"{spell(self.median)}{unit}"
        if len(self.values) < 2 or self.spread[0] == self.spread[1]:
            return middle
        low, high = self.spread
        return f"{middle} ({spell(low)}–{spell(high)})"


Cell = str | Figure


@dataclass(frozen=True)
class Table:
    """A table: a header and rows of cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Section:
    """What one part measured, and how.

    `key` names it on the command line and in links. `top` has the rows that the page starts with:
    a question, the answer, and the answer for what a user would use instead.
    """

    key: str
    title: str
    method: str
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    top: tuple[tuple[str, str, str], ...] = ()


def figure(values: Sequence[float], unit: str = "") -> Figure:
    """Make a figure of the rounds' values."""
    return Figure(tuple(map(float, values)), unit)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def spell(value: float) -> str:
    """Write a number with three significant digits, large ones with all of theirs."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100 or value == 0:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def to_json(section: Section) -> dict[str, Any]:
    """Return a section as plain data, with all values of its figures."""
    return {
        "key": section.key,
        "title": section.title,
        "method": section.method,
        "notes": list(section.notes),
        "top": [list(row) for row in section.top],
        "tables": [
            {
                "head": list(table.head),
                "rows": [[_plain(cell) for cell in row] for row in table.rows],
            }
            for table in section.tables
        ],
    }


def from_json(data: dict[str, Any]) -> Section:
    """Read a section that `to_json` wrote."""
    tables = tuple(
        Table(tuple(table["head"]), tuple(tuple(map(_cell, row)) for row in table["rows"]))
        for table in data["tables"]
    )
    top = tuple((one, two, three) for one, two, three in data["top"])
    return Section(data["key"], data["title"], data["method"], tables, tuple(data["notes"]), top)


def _plain(cell: Cell) -> Any:
    return {"values": cell.values, "unit": cell.unit} if isinstance(cell, Figure) else cell


def _cell(data: Any) -> Cell:
    return data if isinstance(data, str) else Figure(tuple(data["values"]), data["unit"])
