"""Responses as JSON, YAML, and tables: complete, and without control sequences or commands."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.display import Answer, Table
from opsera_step.display.formats import answer_lines, yaml_text
from opsera_step.text import LineCleaner, Scrubber, json_text
from tests.oracles import github_runner

NASTY = st.sampled_from(
    ["\x1b[31mred", "a\u202eb", "##[error]x", "\u2028", "\x85", "::error::x", "\ufeff", "\x9b2J",
     "yes", "2026-11-01", "1e3", "0777", "~", "", " a ", "- b", "a: b", "#", "\t", "é日", "null"]
)  # fmt: skip
TEXTS = st.text(max_size=20) | NASTY
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(DATA, st.sampled_from([None, 2]))
def test_json_reads_back_as_it_was(data, indent):
    """Whatever is escaped, the data is the same."""
    assert json.loads(json_text(data, indent=indent)) == data


@given(DATA)
def test_lines_of_json_need_no_cleaning(data):
    """No line of the JSON has anything that cleaning would change, so cleaning changes no data."""
    cleaner = LineCleaner(color=False)
    for line in json_text(data).split("\n"):
        assert cleaner.clean(line) == line
        assert "##[" not in line
        assert not line.lstrip().startswith("::")


@given(DATA.filter(lambda data: isinstance(data, (dict, list))))
def test_yaml_reads_back_as_it_was(data):
    """The YAML is the same data for a reader of YAML 1.1, and its lines are harmless."""
    if _has_surrogates(data):
        return
    text = yaml_text(data)
    assert yaml.safe_load(text) == data
    cleaner = LineCleaner(color=False)
    assert [line for line in text.split("\n") if cleaner.clean(line) != line] == []
    assert "##[" not in text
    assert [line for line in text.split("\n") if github_runner.command(line)] == []


def _has_surrogates(data):
    return any("\ud800" <= one <= "\udfff" for one in json.dumps(data, ensure_ascii=False))


def test_a_response_in_each_format():
    """A response can be printed in each of the formats."""
    data = [{"_id": "1", "name": "a\nb"}]
    answer = Answer(data, (Table(("ID", "NAME"), [("1", "a\nb")]),))
    lines = {form: list(answer_lines(answer, form, None, Scrubber(""))) for form in
             ("table", "json", "yaml", "text")}  # fmt: skip
    assert lines["table"] == lines["text"] == ["ID  NAME", "1   a b"]
    assert json.loads("\n".join(lines["json"])) == data
    assert yaml.safe_load("\n".join(lines["yaml"])) == data
    text = Answer(data, answer.tables, ("one", "two"))
    assert list(answer_lines(text, "text", None, Scrubber(""))) == ["one", "two"]
    assert list(answer_lines(text, "table", None, Scrubber(""))) == lines["table"]


CELLS = [
    ("a, b", '"a, b"'), ('say "hi"', '"say ""hi"""'),
    ("two\nlines", "two lines"), ("=1+1", "'=1+1"), ("@x", "'@x"), ("+cmd|x", "'+cmd|x"),
    ("-5.5", "-5.5"), ("-", "-"),
    ("- item", "'- item"), ("\x1b[31mred", "red"), ("2026-11-24T02:30:15Z", "2026-11-24T02:30:15Z"),
    ("x" * 5000, "x" * 5000), ("tok-0123456789", "***"), ("", ""),
]  # fmt: skip
"""Texts of the API, and how CSV has them."""


@pytest.mark.parametrize(("cell", "written"), CELLS)
def test_csv(cell, written):
    """CSV is one line per row; no text is a formula, and times are as the API sent them."""
    answer = Answer([], (Table(("TIME", "NAME"), [("t", cell), (cell, "n")]),))
    lines = list(answer_lines(answer, "csv", 20, Scrubber("tok-0123456789")))
    assert lines[0] == "time,name"
    assert lines[1:] == [f"t,{written}", f"{written},n"]
