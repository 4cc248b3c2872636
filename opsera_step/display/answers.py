"""What a question to the API comes to: the data as it came, and tables for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Table(NamedTuple):
    """Columns and rows of text; without headings it is a list of properties."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    whole: int = 1
    """How many columns, from the first, are never cut: IDs, which are of no use in part."""
    yields: tuple[str, ...] = ()
    """The headings of the columns that give way first where the room is short, in that order."""


class Answer(NamedTuple):
    """The answer to a question; its texts are the API's, made safe when they are printed."""

    data: Any
    """What the API gave, untouched."""
    tables: tuple[Table, ...] = ()
    lines: tuple[str, ...] | None = None
    """Where it is a text rather than tables: its lines, safe already."""
