"""Answers that overlap: the same records as if each answer was read by itself."""

from __future__ import annotations

import pytest

from opsera_step.api.models import parse_record
from opsera_step.api.record_reader import RecordReader


def record(number: int, text: str | None = None, **more: object) -> dict[str, object]:
    return {
        "_id": f"{number:024x}",
        "step_name": "Build",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "api_response": {"jenkinsConsoleLog": f"line {number}" if text is None else text},
        **more,
    }


@pytest.mark.parametrize(
    "second",
    [
        [record(3), record(2), record(1)],
        [record(2, "line 2 goes on"), record(1)],
        [record(2, step_name="Other"), record(1)],
        [record(2, updatedAt="2026-01-01T00:00:01.000Z")],
        [record(1, _id=None), record(2, _id=["no ID"]), {}],
        [record(2), record(2, "another with the same ID"), record(1)],
        [],
    ],
    ids=["more", "grown", "renamed", "updated", "nameless", "twin", "empty"],
)
def test_it_reads_what_each_answer_says(second):
    """Whatever came before, an answer is read as it is."""
    reader = RecordReader()
    for answer in ([record(2), record(1)], second, [record(2), record(1)], second):
        assert reader.read(answer) == [parse_record(item) for item in answer]


def test_what_came_before_is_not_read_again():
    """An equal record is the very one of the answer before, so that its text is kept once."""
    reader = RecordReader()
    first = reader.read([record(2), record(1)])
    second = reader.read([record(3), record(2), record(1)])
    assert second[1] is first[0] and second[2] is first[1]


def test_long_texts_are_not_kept():
    """Of a record that is long nothing stays behind."""
    reader = RecordReader()
    first = reader.read([record(1, "x" * 10_000)])
    assert reader.read([record(1, "x" * 10_000)])[0] is not first[0]


def test_it_keeps_the_last_answer_only():
    """What has left the window is forgotten."""
    reader = RecordReader()
    first = reader.read([record(1)])
    reader.read([record(2)])
    assert reader.read([record(1)])[0] is not first[0]
