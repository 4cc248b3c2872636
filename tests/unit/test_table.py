"""Tables: columns that line up whatever the script, cut only where there is a width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.answers import Table
from opsera_step.render.table import columns_of, cut, table_lines

CELLS = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40
) | st.sampled_from(["日本語のパイプライン", "e\u0301te\u0301", "👩‍👩‍👧", "ｆｕｌｌ", ""])
TABLES = st.integers(1, 5).flatmap(
    lambda count: st.builds(
        Table,
        st.tuples(*[CELLS] * count) | st.just(()),
        st.lists(st.tuples(*[CELLS] * count), max_size=6),
        st.integers(0, 2),
    )
)


@given(TABLES)
def test_nothing_is_cut_without_a_width(table):
    """Where stdout is no terminal every cell is there in full, and the columns line up."""
    lines = table_lines(table, None)
    rows = [row for row in (table.headings, *table.rows) if row]
    assert len(lines) == len(rows)
    widths = (
        [max(columns_of(row[place]) for row in rows) for place in range(len(rows[0]))]
        if rows
        else []
    )
    for line, row in zip(lines, rows, strict=True):
        padded = [
            cell + " " * (width - columns_of(cell)) for cell, width in zip(row, widths, strict=True)
        ]
        assert line == "  ".join(padded).rstrip()


@given(TABLES, st.integers(1, 120))
def test_a_table_fits_its_terminal(table, width):
    """No line is wider than the terminal, unless no column can give any more; IDs never do."""
    rows = [row for row in (table.headings, *table.rows) if row]
    count = max(map(len, rows), default=0)
    whole = [
        max(columns_of(row[place]) for row in rows) for place in range(min(table.whole, count))
    ]
    least = sum(whole) + (count - len(whole)) * 6 + 2 * max(0, count - 1)
    for line in table_lines(table, width):
        assert columns_of(line) <= max(width, least)


@given(CELLS, st.integers(0, 50))
def test_a_cut_is_told_and_fits(text, width):
    """A text that fits stays; of any other the beginning is left, with an ellipsis."""
    short = cut(text, width)
    assert columns_of(short) <= width or width == 0
    if columns_of(text) <= width:
        assert short == text
    elif width > 0:
        assert short.endswith("…")
        assert text.startswith(short[:-1])


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("ｆ", 2), ("a\u200db", 2), ("", 0), ("é", 1)],
)
def test_columns(text, columns):
    """Wide characters take two columns, combining ones and those without width none."""
    assert columns_of(text) == columns


def test_how_it_looks():
    """Headings above, two blanks between, no blanks at the end; the widest gives way."""
    table = Table(("ID", "NAME"), [("1", "Build"), ("22", "Deploy to production")])
    assert table_lines(table, None) == [
        "ID  NAME",
        "1   Build",
        "22  Deploy to production",
    ]
    assert table_lines(table, 14) == ["ID  NAME", "1   Build", "22  Deploy to…"]
    assert table_lines(Table((), []), 14) == []


def test_ids_stay_whole():
    """However narrow it is, an ID can be copied; and so can the values of properties."""
    long = "65a4f00dc0ffee0000000101"
    narrow = table_lines(Table(("ID", "NAME"), [(long, "a long name of a tool")]), 10)
    assert narrow == [f"{'ID':24}  NAME", f"{long}  a lon…"]
    assert table_lines(Table((), [("id", long)], whole=2), 10) == [f"id  {long}"]
