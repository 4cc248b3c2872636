"""The results page: sections, machine, and history as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.figures import Section, Table

_HEAD = """\
`python3 dev.py bench` runs the benchmarks and rewrites this page{kind}.

A figure is the median of several rounds, with the lowest and highest in parentheses. Things that
are compared are measured in the same rounds, in varying order, and ratios are computed per round,
so that a busy machine slows both sides. No test depends on these figures.
"""


def render(
    sections: Sequence[Section],
    machine: Mapping[str, str],
    history: Sequence[Mapping[str, Any]],
    *,
    quick: bool = False,
) -> str:
    """Return the whole page."""
    kind = (
        ". This one was written with `--quick`: few rounds, for a quick overview" if quick else ""
    )
    head = ("What you notice", "opsera-step", "What you would use instead")
    top = Table(head, tuple(row for section in sections for row in section.top))
    parts = ["# Benchmarks\n", _plain(top)] if top.rows else ["# Benchmarks\n"]
    parts += [_HEAD.format(kind=kind), "## Machine\n", _machine(machine)]
    parts += [_section(section) for section in sections]
    if history:
        parts += ["## History\n", _history(history)]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def markdown(table: Table) -> str:
    """Return a table as Markdown; all columns but the first are numbers and are right-aligned."""
    return _rows(table, ["---", *("---:" for _ in table.head[1:])])


def _plain(table: Table) -> str:
    return _rows(table, ["---" for _ in table.head])


def _rows(table: Table, rule: Sequence[str]) -> str:
    rows = [table.head, rule, *([str(cell) for cell in row] for row in table.rows)]
    return "".join(f"| {' | '.join(_safe(cell) for cell in row)} |\n" for row in rows)


def _section(section: Section) -> str:
    tables = [markdown(table) for table in section.tables]
    notes = ["".join(f"- {note}\n" for note in section.notes)] if section.notes else []
    return "\n".join([f"## {section.title}\n", f"{section.method.strip()}\n", *tables, *notes])


def _machine(machine: Mapping[str, str]) -> str:
    return markdown(Table(("part", "value"), tuple(machine.items())))


def _history(history: Sequence[Mapping[str, Any]]) -> str:
    head = ("date", "change", "measure", "before", "after")
    rows = tuple(
        tuple(str(entry[key]) for key in ("when", "change", "measure", "before", "after"))
        for entry in history
    )
    intro = "Optimizations based on these figures. Each before and after is from one machine."
    return f"{intro}\n\n{markdown(Table(head, rows))}"


def _safe(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
