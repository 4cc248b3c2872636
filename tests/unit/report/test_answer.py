"""The step summary of a query."""

from __future__ import annotations

from opsera_step.display import Answer, Table
from opsera_step.report.summary import answer_summary
from opsera_step.text import Scrubber

TOKEN = "tok-0123456789abcdef"


def test_a_table_in_markdown():
    """Rows become a table; hostile cells neither leave it nor mark anything up."""
    table = Table(("ID", "NAME"), [("1", "Deploy | <b>shop</b>\n| x |"), ("2", f"a {TOKEN}")])
    text = answer_summary(Answer(None, (table,)), "tool list", Scrubber(TOKEN), 10_000)
    lines = text.splitlines()
    assert lines[:4] == ["### Opsera: tool list", "", "| ID | NAME |", "| --- | --- |"]
    assert len(lines) == 6
    assert "<b>" not in text
    assert TOKEN not in text


def test_a_long_table_fits_its_room():
    """What does not fit is omitted, with a note in the summary."""
    rows = [(str(number), "x" * 50) for number in range(500)]
    answer = Answer(None, (Table(("N", "TEXT"), rows),))
    assert "and 300 more" in answer_summary(answer, "list", Scrubber(TOKEN), 1_000_000)
    short = answer_summary(answer, "list", Scrubber(TOKEN), 2_000)
    assert len(short.encode()) <= 2_000
    assert "does not fit" in short


def test_no_table_no_summary():
    """A response without tables has no summary."""
    assert answer_summary(Answer({"a": 1}), "api", Scrubber(TOKEN), 1_000) == ""
