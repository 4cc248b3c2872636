"""The log call: order, window, filter, and records of every kind."""

from __future__ import annotations

import json

import pytest

from opsera_step.simulator.switches import PLACES


def _ran(api, seconds=60):
    api.ask("run")
    api.clock.sleep(seconds)
    return api


def test_newest_first(start, small, texts):
    """Records come newest first, with rising times."""
    api = _ran(start(small({"lines": ["a", "b", "c"], "every": 1})))
    records = api.ask("logs", type="console output")
    assert texts(records) == ["a\n", "b\n", "c\n"]
    times = [record["createdAt"] for record in records]
    assert times == sorted(times, reverse=True)
    assert times[-1] == "2026-01-01T00:00:00.000Z"


def test_only_the_exact_type_filters(start, small):
    """Any other type is ignored."""
    api = _ran(start(small({"lines": ["a", "b"]})))
    actions = [record["action"] for record in api.ask("logs")]
    assert actions == ["status", "console output", "console output", "run", "start pipeline"]
    assert len(api.ask("logs", type="Console Output")) == 5
    assert len(api.ask("logs", type="console output")) == 2


def test_shape_of_a_record(start):
    """A record names its pipeline, run, step, tool and user."""
    api = _ran(start())
    record = api.ask("logs", type="console output")[-1]
    assert record["pipeline_id"] == api.sim.pipeline_id
    assert (record["run_count"], record["step_name"], record["step_index"]) == (42, "Build", 0)
    assert record["step_id"] == api.ask("summary")["workflow"]["plan"][0]["_id"]
    assert record["step_configuration"]["tool"]["configuration"]["branch"] == "main"
    assert record["tool_identifier"] == "jenkins"
    assert record["user_id"] == api.sim.user_id
    assert len(record["_id"]) == 24


def test_window(start, small, texts):
    """Only the newest thousand records come, of all or of the console ones."""
    api = _ran(start(small({"text": "line {n}", "rate": 500, "seconds": 6})))
    console = api.ask("logs", type="console output")
    assert texts(console) == [f"line {n}" for n in range(2001, 3001)]
    assert len(api.ask("logs")) == 1000
    assert api.sim.console_text() == [f"line {n}" for n in range(1, 3001)]


def test_window_of_many_records(start, small, texts):
    """Old records beyond reach are forgotten without harm to the window."""
    api = start(small({"text": "{n}", "rate": 1000, "seconds": 10}), switches={"window": 10})
    api.ask("run")
    for second in range(1, 10):
        api.clock.sleep(1)
        expected = [str(second * 1000 + n) for n in range(-8, 2)]
        assert texts(api.ask("logs", type="console output")) == expected


def test_growing_record(start, small, texts):
    """A growing record keeps its ID and createdAt; its text and updatedAt move on."""
    pieces = {"pieces": ["a", "b\nc", "d\n"], "growing": True, "every": 2}
    api = start(small(pieces))
    api.ask("run")
    seen = []
    for _ in range(3):
        seen += api.ask("logs", type="console output")
        api.clock.sleep(2)
    assert [record["api_response"]["jenkinsConsoleLog"] for record in seen] == [
        "a",
        "ab\nc",
        "ab\ncd\n",
    ]
    assert len({(record["_id"], record["createdAt"]) for record in seen}) == 1
    assert seen[-1]["updatedAt"] == "2026-01-01T00:00:04.000Z"
    assert api.sim.console_text() == ["ab", "cd"]


def test_growing_in_bulk_and_at_times(start, small, texts):
    """A record can grow at a rate, or at times of its own."""
    bulk = {"text": "{n} ", "rate": 10, "seconds": 1, "growing": True}
    timed = {"at": 2, "pieces": ["a", "b"], "times": [0, 3], "growing": True}
    api = start(small(bulk, timed))
    api.ask("run")
    api.clock.sleep(4.9)
    assert texts(api.ask("logs", type="console output")) == ["1 2 3 4 5 6 7 8 9 10 ", "a"]
    api.clock.sleep(0.1)
    assert texts(api.ask("logs", type="console output"))[1] == "ab"


def test_late_record(start, small, texts):
    """A late record turns up after newer ones, with its older time."""
    late = {"at": 1, "text": "late\n", "late": 3}
    api = start(small(late, {"at": 2, "text": "on time\n"}))
    api.ask("run")
    api.clock.sleep(3)
    assert texts(api.ask("logs", type="console output")) == ["on time\n"]
    api.clock.sleep(1)
    assert texts(api.ask("logs", type="console output")) == ["late\n", "on time\n"]
    assert api.sim.console_text() == ["on time", "late"]


def test_trailing_records(start, texts):
    """Records can come after the final state."""
    api = start("late")
    api.ask("run")
    api.clock.sleep(12)
    assert api.status(42) == "success"
    before = api.sim.console_text()
    api.clock.sleep(5)
    trailing = [f"trailing line {n} of 3" for n in (1, 2, 3)]
    assert api.sim.console_text()[len(before) :][-2:] == trailing[-2:]
    assert texts(api.ask("logs", type="console output"))[-1] == "trailing line 3 of 3\n"


def test_record_without_id(start, small):
    """Single records can lack an ID."""
    api = _ran(start(small({"text": "a\n"}, {"text": "b\n", "id": False})))
    records = api.ask("logs", type="console output")
    assert ["_id" in record for record in records] == [False, True]


def test_activity_and_odd_records(start, small):
    """An entry can be an activity record, and can set any property of its record."""
    note = {"action": "approval", "status": "pending", "message": "asked", "step_name": "Ask"}
    odd = {"text": "x", "record": {"step_index": None, "extra": [1]}}
    api = _ran(start(small(note, odd)))
    records = api.ask("logs")
    assert {key: records[2][key] for key in note} == note
    assert (records[1]["step_index"], records[1]["extra"]) == (None, [1])
    assert "api_response" not in records[2]


@pytest.mark.parametrize("place", PLACES)
def test_places_of_console_text(start, small, place):
    """The console text is found at the named place by the documented order of places."""
    api = _ran(start(small({"text": "one\ntwo\n"}, step={"place": place})))
    (record,) = api.ask("logs", type="console output")
    assert _console_text(record) == api.sim.console_text()


def _console_text(record):
    answer = record["api_response"]
    if not isinstance(answer, dict):
        return answer.splitlines()
    octopus = record["step_configuration"].get("topic") == "opsera.pipeline.octopus.console.log"
    parts = answer.get("consoleLog")
    joined = "".join(part["log"] for part in parts.values()) if isinstance(parts, dict) else parts
    found = [
        answer.get("jenkinsConsoleLog"),
        answer.get("jenkins_console_log"),
        joined,
        answer.get("message") if octopus else None,
        answer.get("buildLog"),
        answer.get("apiResponse", {}).get("message", {}).get("message"),
        answer.get("message"),
        record["message"] if record["message"] != "Console log output." else None,
        json.dumps(answer),
    ]
    return next(text for text in found if text).splitlines()


def test_hostile_text_arrives_unharmed(start):
    """Control characters, lone surrogates and markup come through as they were written."""
    api = _ran(start("hostile"))
    answer = api.post("logs")
    whole = json.dumps(answer.json())
    for part in ("\\ud800", "\\u0000", "\\u202e", "##[add-matcher]", "\\u001b[0Ksection_start"):
        assert part in whole
    lines = api.sim.console_text()
    assert "::add-mask::e" in lines
    assert max(map(len, lines)) == 320000


def test_repeated_answers_are_cheap(start, small):
    """An unchanged log is not put together again."""
    api = _ran(start(small({"text": "line {n}", "rate": 500, "seconds": 4})))
    first = api.post("logs").content
    assert api.post("logs").content == first


def test_minutes_of_many_records(start):
    """Every record of a fast log is read by somebody who looks once a second."""
    api = start("sustained")
    api.ask("run")
    seen = {}
    for _ in range(60):
        api.clock.sleep(2)
        for record in reversed(api.ask("logs", type="console output")):
            seen[record["_id"]] = record["api_response"]["jenkinsConsoleLog"].rstrip("\n")
    assert list(seen.values()) == api.sim.console_text()
    assert len(seen) > 40_000
