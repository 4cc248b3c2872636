"""Tables: columns that line up whatever the script, cut only where there is a width."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from opsera_step.display import Table
from opsera_step.display.table import table_lines
from opsera_step.text import columns_of

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
    """If stdout is not a terminal, every cell is printed in full, and the columns line up."""
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
    """No line is wider than the terminal unless no column can be narrowed; IDs never are."""
    rows = [row for row in (table.headings, *table.rows) if row]
    count = max(map(len, rows), default=0)
    uncut = [
        max(columns_of(row[place]) for row in rows) for place in range(min(table.uncut, count))
    ]
    least = sum(uncut) + (count - len(uncut)) * 6 + 2 * max(0, count - 1)
    for line in table_lines(table, width):
        assert columns_of(line) <= max(width, least)


def test_how_it_looks():
    """Headings above, two spaces between, none at the end; the widest column is narrowed."""
    table = Table(("ID", "NAME"), [("1", "Build"), ("22", "Deploy to production")])
    assert table_lines(table, None) == ["ID  NAME", "1   Build", "22  Deploy to production"]
    assert table_lines(table, 14) == ["ID  NAME", "1   Build", "22  Deploy to…"]
    assert table_lines(Table((), []), 14) == []


def test_ids_stay_uncut():
    """However narrow it is, an ID can be copied, and so can the values of properties."""
    long = "65a4f00dc0ffee0000000101"
    narrow = table_lines(Table(("ID", "NAME"), [(long, "a long name of a tool")]), 10)
    assert narrow == [f"{'ID':24}  NAME", f"{long}  a lon…"]
    assert table_lines(Table((), [("id", long)], uncut=2), 10) == [f"id  {long}"]


PIPELINES = Table(
    ("ID", "NAME", "STATE", "RUNS", "OWNER", "UPDATED"),
    [
        ("65a4f00dc0ffee0000000101", "Nightly integration", "success", "42", "Robin Weber",
         "2026-11-24 02:30Z"),
        ("65a4f00dc0ffee0000000102", "日本語の名前のパイプライン", "never ran", "0", "Dana Ortiz",
         "2026-11-24 02:30Z"),
    ],
    expendable=("UPDATED", "OWNER", "RUNS", "STATE"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (96, ["NAME                        STATE      RUNS  OWNER        UPDATED",
              "Nightly integration         success    42    Robin Weber  2026-11-24…"]),
        (60, ["NAME            STATE      RUNS  …",
              "Nightly integ…  success    42"]),
        (44, ["NAME  …",
              "Nightly integr…"]),
    ],
)  # fmt: skip
def test_expendable_columns_are_left_out_first(width, lines):
    """A name stays readable: first a time loses its hour, then columns are left out."""
    shown = table_lines(PIPELINES, width)
    assert [line[26:] for line in shown[:2]] == lines
    assert max(map(columns_of, shown)) <= width


@given(TABLES, st.integers(1, 120), st.randoms())
def test_columns_are_left_out_in_their_order(table, width, random):
    """Expendable columns are left out in order; the first two columns never are."""
    assume(table.headings)
    headings = tuple(f"H{place}" for place in range(len(table.headings)))
    expendable = list(headings[2:])
    random.shuffle(expendable)
    table = table._replace(headings=headings, uncut=1, expendable=tuple(expendable))
    shown = [one for one in "".join(table_lines(table, width)[:1]).split() if one != "…"]
    assert shown == [one for one in headings if one in shown]
    assert shown[:2] == list(headings[:2])
    left_out = [one for one in expendable if one not in shown]
    assert left_out == expendable[: len(left_out)]


def test_times_are_short_for_a_person():
    """A time loses what a person doesn't need; only in columns of times."""
    rows = [("2026-11-24T02:30:15.123Z", "2026-11-24T02:30:15.123Z"), ("yesterday", "x")]
    table = Table(("TIME", "TEXT"), rows)
    assert table_lines(table, None)[1:] == [
        "2026-11-24 02:30Z  2026-11-24T02:30:15.123Z", "yesterday          x",
    ]  # fmt: skip
    assert table_lines(table._replace(seconds=True), None)[1].startswith("2026-11-24 02:30:15Z  ")
