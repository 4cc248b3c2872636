"""The step summary of a query: its tables, in GitHub-flavored Markdown."""

from __future__ import annotations

from opsera_step.display import Answer, Table
from opsera_step.display.table import with_short_times
from opsera_step.report.summary import escape_markdown
from opsera_step.text import Scrubber

_MOST_ROWS = 200


def answer_summary(answer: Answer, title: str, scrubber: Scrubber, room: int) -> str:
    """Return the tables of an answer, as far as they fit into some bytes; empty without any."""
    if not answer.tables:
        return ""
    lines = [f"### Opsera: {escape_markdown(title)}", ""]
    size = _size(lines)
    for table in answer.tables:
        for line in _lines(table, scrubber):
            size += _size([line])
            if size > room - _size([_CUT]):
                return "\n".join([*lines, "", _CUT, ""])
            lines.append(line)
        lines.append("")
    return "\n".join(lines)


_CUT = "The rest does not fit into this summary."


def _lines(table: Table, scrubber: Scrubber) -> list[str]:
    columns = max((len(row) for row in table.rows), default=len(table.headings))
    headings = table.headings or ("",) * columns
    rows = [headings, ("---",) * len(headings)]
    lines = [_row(row) for row in rows]
    lines += [
        _row(tuple(escape_markdown(scrubber.inline(cell, 200)) for cell in row))
        for row in with_short_times(table)[:_MOST_ROWS]
    ]
    left = len(table.rows) - _MOST_ROWS
    return [*lines, "", f"and {left} more"] if left > 0 else lines


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _size(lines: list[str]) -> int:
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)
