"""The logs call: order, window, filter, and records of every kind."""

from __future__ import annotations

import json

import pytest

from opsera_step.simulator import PLACES


def test_latest_first(start, small):
    """Records come latest first, with rising times."""
    api = start(small({"lines": ["a", "b", "c"], "every": 1}))
    api.run(60)
    assert api.console() == ["a\n", "b\n", "c\n"]
    times = [record["createdAt"] for record in api.ask("logs", type="console output")]
    assert times == sorted(times, reverse=True)
    assert times[-1] == "2026-01-01T00:00:00.000Z"


def test_only_the_exact_type_filters(start, small):
    """Any other type is ignored."""
    api = start(small({"lines": ["a", "b"]}))
    api.run(60)
    actions = [record["action"] for record in api.ask("logs")]
    assert actions == ["status", "console output", "console output", "run", "start pipeline"]
    assert len(api.ask("logs", type="Console Output")) == 5
    assert len(api.ask("logs", type="console output")) == 2


def test_the_form_of_a_record(start):
    """A record names its pipeline, run, step, tool, and user."""
    api = start()
    api.run(60)
    record = api.ask("logs", type="console output")[-1]
    assert record["pipeline_id"] == api.sim.pipeline_id
    assert (record["run_count"], record["step_name"], record["step_index"]) == (42, "Build", 0)
    assert record["step_id"] == api.ask("summary")["workflow"]["plan"][0]["_id"]
    assert record["step_configuration"]["tool"]["configuration"]["branch"] == "main"
    assert record["tool_identifier"] == "jenkins"
    assert record["user_id"] == api.sim.user_id
    assert len(record["_id"]) == 24


def test_window(start, small):
    """Only the latest thousand records are returned, of all or of the console ones."""
    api = start(small({"text": "line {n}", "rate": 500, "seconds": 6}))
    api.run(60)
    assert api.console() == [f"line {n}" for n in range(2001, 3001)]
    assert len(api.ask("logs")) == 1000
    assert api.sim.console_text() == [f"line {n}" for n in range(1, 3001)]


def test_a_growing_record(start, small):
    """A growing record keeps its ID and createdAt; its text and updatedAt change."""
    api = start(small({"pieces": ["a", "b\nc", "d\n"], "growing": True, "every": 2}))
    api.run()
    seen = []
    for _ in range(3):
        seen += api.ask("logs", type="console output")
        api.clock.sleep(2)
    texts = [record["api_response"]["jenkinsConsoleLog"] for record in seen]
    assert texts == ["a", "ab\nc", "ab\ncd\n"]
    assert len({(record["_id"], record["createdAt"]) for record in seen}) == 1
    assert seen[-1]["updatedAt"] == "2026-01-01T00:00:04.000Z"
    assert api.sim.console_text() == ["ab", "cd"]


def test_a_late_record(start, small):
    """A late record appears after newer ones, with its older time."""
    late = {"at": 1, "text": "late\n", "late": 3}
    api = start(small(late, {"at": 2, "text": "on time\n"}))
    api.run(3)
    assert api.console() == ["on time\n"]
    api.clock.sleep(1)
    assert api.console() == ["late\n", "on time\n"]
    assert api.sim.console_text() == ["on time", "late"]


def test_activity_records_and_other_properties(start, small):
    """An entry can be an activity record, and can set any property of its record."""
    note = {"action": "approval", "status": "pending", "message": "asked", "step_name": "Ask"}
    odd = {"text": "x", "record": {"step_index": None, "extra": [1]}}
    api = start(small(note, odd))
    api.run(60)
    records = api.ask("logs")
    assert {key: records[2][key] for key in note} == note
    assert (records[1]["step_index"], records[1]["extra"]) == (None, [1])
    assert "api_response" not in records[2]


@pytest.mark.parametrize("place", PLACES)
def test_places_of_console_text(start, small, place):
    """The console text is found in the named place by the documented order of places."""
    api = start(small({"text": "one\ntwo\n"}, step={"place": place}))
    api.run(60)
    (record,) = api.ask("logs", type="console output")
    assert _console_text(record) == api.sim.console_text()


def _console_text(record):
    response = record["api_response"]
    if not isinstance(response, dict):
        return response.splitlines()
    octopus = record["step_configuration"].get("topic") == "opsera.pipeline.octopus.console.log"
    parts = response.get("consoleLog")
    joined = "".join(part["log"] for part in parts.values()) if isinstance(parts, dict) else parts
    found = [
        response.get("jenkinsConsoleLog"),
        response.get("jenkins_console_log"),
        joined,
        response.get("message") if octopus else None,
        response.get("buildLog"),
        response.get("apiResponse", {}).get("message", {}).get("message"),
        response.get("message"),
        record["message"] if record["message"] != "Console log output." else None,
        json.dumps(response),
    ]
    return next(text for text in found if text).splitlines()


def test_hostile_text_arrives_unchanged(start):
    """Control characters, lone surrogates, and markup arrive as they were written."""
    api = start("hostile")
    api.run(60)
    whole = json.dumps(api.post("logs").json())
    for part in ("\\ud800", "\\u0000", "\\u202e", "##[add-matcher]", "\\u001b[0Ksection_start"):
        assert part in whole
    lines = api.sim.console_text()
    assert "::add-mask::e" in lines
    assert max(map(len, lines)) == 320000
