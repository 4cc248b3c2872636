"""The input `parameters`: both forms, values as written, names with dots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.config import Parameter
from opsera_step.config.parameters import parse_parameters
from opsera_step.config.parsers import InvalidValue

MAPPING = {
    "yaml": "Build:\n  VERSION: 1.10\n  DEBUG: yes\n"
    "Deploy EU.west: {ID: 0123, EMPTY: '', N: 1e3}\n",
    "json": '{"Build": {"VERSION": 1.10, "DEBUG": "yes"}, '
    '"Deploy EU.west": {"ID": "0123", "EMPTY": "", "N": 1e3}}',
    "one line": "{Build: {VERSION: 1.10, DEBUG: yes}, Deploy EU.west: {ID: 0123, EMPTY: , N: 1e3}}",
}


@pytest.mark.parametrize("form", MAPPING)
def test_a_mapping(form):
    """Values are taken as written: no numbers, booleans, or octal digits are read."""
    assert parse_parameters(MAPPING[form]) == (
        Parameter("Build", "VERSION", "1.10"),
        Parameter("Build", "DEBUG", "yes"),
        Parameter("Deploy EU.west", "ID", "0123"),
        Parameter("Deploy EU.west", "EMPTY", ""),
        Parameter("Deploy EU.west", "N", "1e3"),
    )


def test_lines():
    """Each line is STEP.NAME=VALUE; comments and empty lines are not read."""
    text = "# a comment\nBuild.VERSION=1.10\n\n  Deploy EU.west.URL = http://x?a=b: c \r\nA.B=\n"
    assert parse_parameters(text) == (
        Parameter(None, "Build.VERSION", "1.10"),
        Parameter(None, "Deploy EU.west.URL", " http://x?a=b: c"),
        Parameter(None, "A.B", ""),
    )


@pytest.mark.parametrize(
    "line", ["Deploy: EU.VERSION=1", "[x].a=1", "{a}.b={c: d}", "a.b=[x", "- a.b=c"]
)
def test_a_line_that_looks_like_yaml(line):
    """A step's name may contain what has a meaning in YAML."""
    path, _, value = line.partition("=")
    assert parse_parameters(line) == (Parameter(None, path, value),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hunter2", "neither a mapping"),
        ("VERSION=hunter2", "Line 1 is not of the form STEP.NAME=VALUE."),
        ("A.B=1\nVERSION=hunter2", "Line 2 is not of the form"), (".B=hunter2", "Line 1"),
        ("A.=hunter2", "Line 1"), ("A.B=hunter2\nA.B=x", "A.B is set twice."),
        ("Build: hunter2", "Line 1: a step needs a mapping of names to values."),
        ("Build: {V: [hunter2]}", "Line 1: a value must be plain text or a number."),
        ("Build: {V: hunter2\n", "not valid YAML or JSON: line 2"),
        ("Build: {V: hunter2, V: x}", "duplicate key"), ("[a, b]", "neither a mapping"),
        ("Build: !!set {hunter2}", "tags"),
    ],
)  # fmt: skip
def test_what_is_refused(text, said):
    """The hint has the error and its place, and quotes no value."""
    with pytest.raises(InvalidValue) as caught:
        parse_parameters(text)
    assert said in caught.value.hint and "hunter2" not in caught.value.hint


@given(st.text("ab.:={}[]-#'\"\n &*!?", max_size=40))
def test_arbitrary_text_is_read_or_refused(text):
    """Nothing but a ValueError comes of any text."""
    try:
        found = parse_parameters(text)
    except ValueError:
        return
    assert all(isinstance(one, Parameter) for one in found)
