"""What an update sends: what the user named and what differs, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.errors import InvalidInput
from opsera_step.job.commands.update_tool import (
    NOT_SENT,
    merged,
    not_applied,
    plan_update,
    read_assignments,
    read_properties,
)
from opsera_step.text import clean_inline

TOOL = {
    "_id": "1", "name": "Jenkins", "active": True, "tags": ["a"], "updatedAt": "now",
    "configuration": {"url": "u", "port": 1}, "count": 3,
}  # fmt: skip
VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3)
OBJECTS = st.dictionaries(st.sampled_from([*TOOL, "new"]), VALUES | st.lists(VALUES, max_size=2))


@pytest.mark.parametrize(
    ("word", "value"),
    [("a=[1]", [1]), ('a="1"', "1"), ("a=", ""), ("a=b=c", "b=c"), ("a={", "{"),
     ("a=NaN", "NaN"), ("a=null", None), ("a=1e999", "1e999"), (" a =1", 1)],
)  # fmt: skip
def test_a_value_is_json_or_text(word, value):
    """A value that is JSON is that, any other is text as it stands."""
    assert read_assignments([word]) == {"a": value}


def test_each_wrong_assignment_is_reported():
    """All problems are reported at once."""
    with pytest.raises(InvalidInput) as caught:
        read_assignments(["a", "=1", "b=1", "b=2"])
    assert len(caught.value.problems) == 3


@given(OBJECTS, OBJECTS)
def test_only_what_is_named_and_differs(current, named):
    """Sent is a part of what was named, without what Opsera keeps; with it the tool is as named."""
    update = plan_update(current, named)
    assert update.changes.items() <= named.items() if not _nested(named) else True
    assert not set(update.changes) & set(NOT_SENT)
    wanted = {key: value for key, value in named.items() if key not in NOT_SENT}
    assert {**current, **update.changes} == {**current, **wanted}
    assert all(key not in current or current[key] != update.changes[key] for key in update.changes)
    assert bool(update.differences) == bool(update.changes)


def _nested(data):
    return any(isinstance(one, list) for one in data.values())


def test_differences_are_shown_property_by_property():
    """Of an object only what differs is shown, and what would be gone."""
    update = plan_update(TOOL, {"configuration": {"url": "v", "user": "x"}, "name": "Jenkins"})
    assert update.differences == (
        'configuration.url: "u" → "v"',
        "configuration.port: 1 → (unset)",
        'configuration.user: (unset) → "x"',
    )


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (
            {"_id": TOOL["_id"], "updatedAt": ""},
            "Not sent because Opsera manages them: _id, updatedAt.",
        ),
        ({"nam": "x"}, "nam: the tool does not have this property yet. Did you mean name?"),
        ({"tags": "a"}, 'tags: expected a list, got a string; write ["a", "b"].'),
        ({"active": 1.5}, "active: expected a boolean, got a number."),
    ],
)
def test_warnings(named, expected):
    """Likely mistakes are reported before anything is sent."""
    assert list(plan_update(TOOL, named).warnings) == [expected]


def test_a_warning_of_the_properties_of_another_tool():
    """A file of another tool is likely not the one that was meant; its ID is not sent in any case.

    It may be the body of a call, where the ID is beside the properties.
    """
    for file in ({"_id": "f00", "name": "x"}, {"toolId": "f00", "tool": {"name": "x"}}):
        update = plan_update(TOOL, read_properties(file, "tool.yml"))
        other = f"properties of tool f00, but the tool to change is {TOOL['_id']}"
        assert other in update.warnings[0]
        assert update.changes == {"name": "x"}


@pytest.mark.parametrize(("before", "after"), [("a b", "a  b"), ("a", "a "), ("a\u00a0b", "a b")])
def test_blanks_that_differ_are_seen(before, after):
    """A difference of spaces alone is visible."""
    (line,) = plan_update({"_id": "1", "name": before}, {"name": after}).differences
    shown = clean_inline(line).removeprefix("name: ").split(" → ")
    assert [json.loads(one) for one in shown] == [before, after]


def test_a_part_of_an_object_is_refused():
    """The API replaces whole root properties; a path would make it a property of that name."""
    with pytest.raises(InvalidInput, match="Pass all of configuration"):
        plan_update(TOOL, {"configuration.url": "v"})
    assert plan_update({"a.b": 1}, {"a.b": 2}).changes == {"a.b": 2}


@pytest.mark.parametrize("data", [{"name": "x"}, {"tool": {"name": "x"}},
                                  {"toolId": "1", "tool": {"name": "x"}}])  # fmt: skip
def test_a_file_has_the_properties_or_the_body(data):
    """A file may hold the properties, or the body of the call."""
    assert read_properties(data, "tool.yml")["name"] == "x"


@pytest.mark.parametrize("data", [[], {}, {1: 2}, {"tool": {}}])
def test_a_file_without_properties(data):
    """A file without properties is reported with its name."""
    with pytest.raises(InvalidInput, match=r"tool\.yml"):
        read_properties(data, "tool.yml")


def test_what_was_not_taken():
    """Values that the response does not contain as sent are found."""
    assert not_applied({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": None}) == ["b", "c"]


def test_a_deep_merge():
    """With --merge only the named parts of an object change; all else is as it was."""
    current = {"configuration": {"url": "u", "auth": {"user": "a", "key": 1}}, "tags": ["a"]}
    named = {"configuration": {"auth": {"key": 2}}, "tags": ["b"], "new": {"x": 1}}
    assert merged(current, named) == {
        "configuration": {"url": "u", "auth": {"user": "a", "key": 2}},
        "tags": ["b"],
        "new": {"x": 1},
    }
