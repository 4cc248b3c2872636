"""Scenarios: those that are shipped, and what is said about wrong ones."""

from __future__ import annotations

import json
import re

import pytest

from opsera_step.simulator.loading import load_scenario, scenario_names
from opsera_step.simulator.reading import ScenarioError
from opsera_step.simulator.recording import replay

ENDS = {
    "approval-denied": "failed",
    "failure": "failed",
    "hostile": "failed",
    "paused-refusal": "paused",
    "replay-pytest": "failed",
    "stopped": "stopped",
    "unknown-word": "concluded",
}


@pytest.mark.parametrize("name", scenario_names())
def test_shipped_scenario_plays(start, name):
    """Each shipped scenario plays to its end and has a log to show."""
    api = start(name)
    api.sim.clear_faults()
    api.ask("run")
    for _ in range(40):
        api.clock.sleep(100)
    newest = api.sim.runs()[-1]
    assert api.status(newest.count) == ENDS.get(name, "success")
    assert len(api.sim.console_text()) > 5
    assert api.ask("logs")[0]["createdAt"]


def test_shipped_scenarios_are_described():
    """Each has a description of one line, the same in the listing as in the scenario."""
    names = scenario_names()
    assert len(names) >= 20
    for name, description in names.items():
        assert load_scenario(name).description == description
        assert 20 < len(description) < 110


def test_hour_of_polling(start):
    """Polling an hour-long run every few seconds takes no time to speak of."""
    api = start("slow")
    api.ask("run")
    for _ in range(300):
        api.clock.sleep(12)
        api.ask("status", runCount=312)
    api.clock.sleep(5)
    assert api.status(312) == "success"


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
    ("scenario", "said"),
    [
        ({}, "scenario: pipelines must be a list with at least one pipeline, but it is missing"),
        ({"pipelines": 5}, "scenario: pipelines must be a list, not 5"),
        ({"pipelines": [5]}, "scenario: pipelines[0] must be a mapping, not 5"),
        ({"pipelines": [{}]}, "scenario: pipelines[0].name must be a text, but it is missing"),
        ({"pipelines": [{"name": "P"}]}, "pipelines[0].plan must be a list with at least one step"),
        (_step(duration="soon"), "plan[0].duration must be a number of at least 0, not 'soon'"),
        (_step(duration=-1), "plan[0].duration must be a number of at least 0, not -1"),
        (_step(result="maybe"), "plan[0].result must be success, failed, or a list of these"),
        (_step(parallel="yes"), "plan[0].parallel must be true or false, not 'yes'"),
        (_step(place="pocket"), "plan[0].place must be one of"),
        (_step(colour="red"), "pipelines[0].plan[0].colour is unknown; known are configuration,"),
        (_step(configuration=[1]), "plan[0].configuration must be a mapping, not [1]"),
        (_step(gate={"decision": "x"}), "plan[0].gate.decision must be one of wait, approve"),
        (_step(replay="no.cast"), "plan[0].replay.file must be a recording that is there"),
        (_log(at=1), "log[0].text must be given, or lines, or pieces: just one of them"),
        (_log(text="a", lines=["b"]), "log[0].text must be given, or lines, or pieces"),
        (_log(lines=[5]), "log[0].lines must be a list of texts, not [5]"),
        (_log(text="a", rate=0), "log[0].rate must be a number of at least 0.001, not 0"),
        (_log(text="a", count=1.5), "log[0].count must be a whole number, not 1.5"),
        (_log(text="a", times=[0, 1]), "log[0].times must be one for each piece, not [0, 1]"),
        (_log(pieces=["a", "b"], times=[1, 0]), "log[0].times must be a list of rising numbers"),
        ({**_step(), "timetable": [{}]}, "timetable[0].at must be a number, but it is missing"),
        ({**_step(), "timetable": [{"at": 1, "do": "x"}]}, "timetable[0].do must be one of run,"),
        ({**_step(), "switches": {"x": 1}}, "scenario: switches: there is no switch named 'x'"),
        ({**_step(), "faults": [{"kind": "x"}]}, "scenario: faults[0]: kind takes latency"),
        ({**_step(), "seed": "x"}, "seed must be a whole number, not 'x'"),
        ({**_step(), "tokens": 1}, "scenario: tokens is unknown"),
        ({"extends": "nothing"}, "no scenario is named 'nothing'; there are approval,"),
        ({"extends": "success", "steps": {"X": {}}}, "steps must be about steps of the base"),
        ({"extends": "success", "steps": {"Build": 5}}, "steps must be a mapping of names"),
        ("nothing", "no scenario is named 'nothing'; there are approval,"),
        ("/no/such.yml", "/no/such.yml cannot be read: No such file or directory"),
        ({"pipelines": [{"name": "P", "messages": {"x": "y"}}]}, "messages must be a mapping of"),
    ],
)
def test_wrong_scenarios(scenario, said):
    """A wrong scenario is refused in a sentence that names the file and the key."""
    with pytest.raises(ScenarioError, match=re.escape(said)):
        load_scenario(scenario)


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [", "bad.yml is not YAML"), ("5", "bad.yml: the scenario must be a mapping, not 5")],
)
def test_wrong_files(tmp_path, text, said):
    """What is no YAML mapping is refused by the file's name."""
    file = tmp_path / "bad.yml"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=re.escape(said)):
        load_scenario(file)


def _cast(*events):
    return "\n".join(['{"version": 2, "width": 80}', *map(json.dumps, events), ""])


def test_replay_of_lines():
    """Bursts become records of whole lines; what is typed is left out."""
    events = [
        [0.5, "o", "a\r\nb"],
        [0.52, "i", "typed"],
        [0.53, "o", "c\r\n"],
        [1.0, "o", "pro"],
        [2.0, "o", "gress\r\nrest"],
    ]
    entries = replay(_cast(*events), "x.cast", at=1, speed=2)
    assert [(entry.at, entry.pieces[0]) for entry in entries] == [
        (1.25, "a\r\nbc\r\n"),
        (2.0, "progress\r\n"),
        (2.0, "rest"),
    ]


def test_replay_growing():
    """A recording can be one record that grows with each burst."""
    (entry,) = replay(_cast([0.5, "o", "a"], [1.5, "o", "b\n"]), "x.cast", growing=True)
    assert (entry.pieces, entry.times, entry.growing) == (("a", "b\n"), (0.5, 1.5), True)


def test_replay_of_nothing():
    """A recording without output writes nothing."""
    assert replay(_cast(), "x.cast") == ()
    assert replay(_cast([1, "i", "x"]), "x.cast", growing=True)[0].pieces == ()


def test_recording_is_replayed_whole(start):
    """The log of a replayed step is the recording, in its time."""
    api = start("replay-pytest")
    api.ask("run")
    api.clock.sleep(4)
    early = api.sim.console_text()
    api.clock.sleep(20)
    late = api.sim.console_text()
    assert late[: len(early)] == early
    assert 1 < len(early) < len(late)
    assert "2 failed" in late[-1]
    assert api.sim.runs()[-1].state == "failed"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.cast: line 1 is not asciicast v2"),
        ('{"version": 1}', "x.cast is not an asciicast of version 2"),
        ('{"version": 2}\n[1, "o"]', "x.cast: line 2 is not asciicast v2"),
        ('{"version": 2}\n[1, "o", "a"]\n{', "x.cast: line 3 is not asciicast v2"),
    ],
)
def test_wrong_recordings(text, said):
    """A recording of another format is refused by file and line."""
    with pytest.raises(ScenarioError, match=re.escape(said)):
        replay(text, "x.cast")
