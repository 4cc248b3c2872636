"""Scenarios: the built-in ones, and the errors of invalid ones."""

from __future__ import annotations

import json
import re

import pytest

from opsera_step.simulator import ScenarioError, load_scenario, scenario_names
from opsera_step.simulator.scenario.asciicast import replay

ENDS = {
    "approval-denied": "failed",
    "failure": "failed",
    "flicker": "failed",
    "hostile": "failed",
    "paused-refusal": "paused",
    "replay-pytest": "failed",
    "stopped": "stopped",
    "unknown-status": "concluded",
}


@pytest.mark.parametrize("name", scenario_names())
def test_a_built_in_scenario_runs_to_its_end(start, name):
    """Each built-in scenario runs to its end and has a log."""
    api = start(name)
    api.sim.clear_faults()
    api.ask("run")
    for _ in range(40):
        api.clock.sleep(100)
    latest = api.sim.runs()[-1]
    assert api.status(latest.number) == ENDS.get(name, "success")
    assert len(api.sim.console_text()) > 5
    assert api.ask("logs")[0]["createdAt"]


def test_built_in_scenarios_are_described():
    """Each has a description of one line, the same in the listing as in the scenario."""
    names = scenario_names()
    assert len(names) >= 20
    for name, description in names.items():
        assert load_scenario(name).description == description
        assert 20 < len(description) < 110


def test_scenario_from_a_file(start, tmp_path):
    """A scenario can be a file, and can extend a shipped one."""
    (tmp_path / "own.cast").write_text('{"version": 2}\n[0.5, "o", "replayed\\r\\n"]\n')
    file = tmp_path / "own.yml"
    file.write_text(
        "description: Mine.\n"
        "extends: approval\n"
        "pipeline: {name: Ship it, run_count: 7}\n"
        "steps:\n"
        "  Code scan: null\n"
        "  Deploy: {result: failed}\n"
        "insert:\n"
        "  - {before: Build, step: {name: Replay, replay: own.cast, duration: 1}}\n"
    )
    api = start(file)
    api.ask("run")
    api.clock.sleep(60)
    assert api.sim.scenario.name == "own"
    assert (api.sim.pipeline_name, api.status(8)) == ("Ship it", "failed")
    steps = [step["name"] for step in api.ask("summary")["workflow"]["plan"]]
    assert steps == ["Replay", "Build", "Unit tests", "Approve production", "Deploy"]
    assert api.sim.console_text()[0] == "replayed"
    assert load_scenario(api.sim.scenario) is api.sim.scenario


def _step(**step):
    return {"pipelines": [{"name": "P", "plan": [{"name": "S", **step}]}]}


def _log(**entry):
    return _step(log=[entry])


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ({}, "scenario: pipelines: required, a list"),
        ({"pipelines": 5}, "scenario: pipelines: expected a list, got 5"),
        ({"pipelines": [{"plan": []}]}, "scenario: pipelines[0].name: required, text"),
        ({"pipelines": [{"name": "P", "plan": []}]}, "pipelines[0]: plan needs at least one step"),
        (_step(duration="soon"), "plan[0].duration: expected a number from 0 to 1e+10, got 'soon'"),
        (_step(duration=float("nan")), "plan[0].duration: expected a number"),
        (_step(result="maybe"), "plan[0].result[0]: expected one of success, failed, got 'maybe'"),
        (_step(color="red"), "plan[0].color: unknown key; known keys: configuration"),
        (_step(gate={"decision": "x"}), "plan[0].gate.decision: expected one of wait, approve"),
        (_step(replay="no.cast"), "replay: expected an existing recording, got 'no.cast'"),
        (_log(at=1), "log[0]: set exactly one of text, lines, and pieces"),
        (_log(lines=[5]), "log[0].lines[0]: expected text, got 5"),
        (_log(text="a", count=1.5), "log[0].count: expected a whole number from 0 to 1e+10"),
        (_log(lines=["a", "b"], count=3), "log[0]: rate and count need exactly one piece"),
        (_log(text="a", times=[0, 1]), "log[0]: times needs one number for each piece"),
        (_log(pieces=["a", "b"], times=[1, 0]), "log[0]: times must not decrease"),
        ({**_step(), "timetable": [{}]}, "timetable[0].at: required, a number"),
        ({**_step(), "timetable": [{"at": 1, "pipeline": "Q"}]}, "timetable[0].pipeline takes P, "),
        ({**_step(), "flags": {"x": 1}}, "scenario: flags.x: unknown key; known keys: action_form"),
        ({**_step(), "tools": [{"name": "x", "access": 5}]}, "access: expected true or false or a"),
        ({"extends": "nothing"}, "unknown scenario 'nothing'; known scenarios: approval,"),
        ({"extends": "success", "steps": {"X": {}}}, "steps: expected a step of the base (Build,"),
        ({"extends": "success", "insert": [{}]}, "insert[0]: expected a step of the base (Build"),
        ("nothing", "unknown scenario 'nothing'; known scenarios: approval,"),
        ("/no/such.yml", "cannot read /no/such.yml: No such file or directory"),
        ({"pipelines": [{**_step()["pipelines"][0], "messages": {"x": "y"}}]}, "messages takes qu"),
    ],
)
def test_invalid_scenarios(scenario, message):
    """An invalid scenario is rejected with the file and the key."""
    with pytest.raises(ScenarioError, match=re.escape(message)):
        load_scenario(scenario)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a: [", "bad.yml: invalid YAML, line 1, column 5: "),
     (b"5", "bad.yml: expected a mapping, got 5"), (b"\xff", "bad.yml: not UTF-8")],
)  # fmt: skip
def test_invalid_files(tmp_path, content, message):
    """A file that is not a YAML mapping is rejected by its name."""
    file = tmp_path / "bad.yml"
    file.write_bytes(content)
    with pytest.raises(ScenarioError, match=re.escape(message)):
        load_scenario(file)


def test_keys_without_a_value_count_as_left_out():
    """`duration:` alone is the same as no duration."""
    assert load_scenario(_step(duration=None, log=None)) == load_scenario(_step())


def _cast(*events):
    return "\n".join(['{"version": 2, "width": 80}', *map(json.dumps, events), ""])


def test_a_recording_as_lines():
    """Bursts become records of whole lines; what was typed is left out."""
    events = [
        [0.5, "o", "a\r\nb"],
        [0.52, "i", "typed"],
        [0.53, "o", "c\r\n"],
        [1.0, "o", "pro"],
        [2.0, "o", "gress\r\nrest"],
    ]
    entries = replay(_cast(*events), "x.cast", at=1, speed=2)
    assert [(entry.at, entry.text) for entry in entries] == [
        (1.25, "a\r\nbc\r\n"),
        (2.0, "progress\r\n"),
        (2.0, "rest"),
    ]


def test_a_recording_as_a_growing_record():
    """A recording can be one record that grows with each burst; an empty one writes nothing."""
    (entry,) = replay(_cast([0.5, "o", "a"], [1.5, "o", "b\n"]), "x.cast", growing=True)
    assert (entry.pieces, entry.times, entry.growing) == (("a", "b\n"), (0.5, 1.5), True)
    assert replay(_cast(), "x.cast") == replay(_cast([1, "i", "x"]), "x.cast", growing=True) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"version": 1}', "x.cast: not an asciicast of version 2"),
        ('{"version": 2}\n[1, "o"]', "x.cast: line 2 is not asciicast v2"),
        ('{"version": 2}\n[1, "o", "a"]\n{', "x.cast: line 3 is not asciicast v2"),
    ],
)
def test_invalid_recordings(text, message):
    """A recording in another format is rejected with file and line."""
    with pytest.raises(ScenarioError, match=re.escape(message)):
        replay(text, "x.cast")


def test_parameters_appear_in_the_log(start):
    """The scenario with dynamic settings shows the branch of the run."""
    api = start("parameters")
    api.run(60, settings={"branch": "release/9"})
    assert api.sim.console_text()[0] == "+ git checkout --force origin/release/9"
    api.run(60)
    assert api.sim.console_text()[0] == "+ git checkout --force origin/main"
