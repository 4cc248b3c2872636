"""Runtime settings of a run: a branch and parameters."""

from __future__ import annotations

import pytest

PLAN = [
    {"name": "Build", "configuration": {"branch": "main"}, "log": [{"text": "built\n"}],
     "parameters": [{"name": "level", "value": "info"}, {"name": "tries", "value": 3}]},
    {"name": "Deploy", "configuration": {"cluster": "production"}, "log": [{"text": "deployed\n"}]},
]  # fmt: skip
SETTINGS = {
    "branch": "topic",
    "steps": [{"name": "Build", "stepParameters": [{"name": "level", "value": "debug"}]}],
}


def scenario(**pipeline):
    return {"pipelines": [{"name": "Shop", "plan": PLAN, **pipeline}]}


def configurations(api):
    """Return the configuration of each step as the records of the run show it."""
    records = api.ask("logs", type="console output")
    return {one["step_name"]: one["step_configuration"]["tool"]["configuration"] for one in records}


@pytest.mark.parametrize("dynamic", [None, True, False])
def test_the_summary_shows_what_can_be_set(start, dynamic):
    """Dynamic settings are on, off, or not mentioned; the plan lists the parameters."""
    api = start(scenario(branch="main", dynamic_settings=dynamic))
    workflow = api.ask("summary")["workflow"]
    shown = {} if dynamic is None else {"dynamicSettings": dynamic}
    assert workflow["source"] == {"service": "github", "branch": "main", **shown}
    parameters = [{"name": "level", "value": "info"}, {"name": "tries", "value": 3}]
    assert workflow["plan"][0]["tool"]["configuration"]["stepParameters"] == parameters
    assert "source" not in start().ask("summary")["workflow"]


def test_honored(start):
    """The records of the run show the branch and the parameters; the plan stays as it was."""
    api = start(scenario(dynamic_settings=True))
    api.run(30, settings=SETTINGS)
    assert configurations(api) == {
        "Build": {
            "branch": "topic",
            "stepParameters": [{"name": "level", "value": "debug"}, {"name": "tries", "value": 3}],
        },
        "Deploy": {"cluster": "production"},
    }
    assert api.sim.runs()[0].branch == "topic"
    plan = api.ask("summary")["workflow"]["plan"]
    assert plan[0]["tool"]["configuration"]["branch"] == "main"


def test_ignored(start):
    """The run starts with its own branch."""
    api = start(scenario(dynamic_settings=True), flags={"run_settings": "ignored"})
    api.run(30, settings=SETTINGS)
    assert configurations(api)["Build"]["branch"] == "main"
    assert api.sim.runs()[0].branch == ""


@pytest.mark.parametrize("status", ["400", "422"])
def test_refused(start, status):
    """Any settings are an HTTP error, and nothing is started."""
    api = start(scenario(dynamic_settings=True), flags={"run_settings": status})
    response = api.post("run", settings=SETTINGS)
    assert (response.status_code, response.json()["message"]) == (
        int(status),
        '"settings" is not allowed',
    )
    assert api.sim.runs() == []
    assert api.run() == 1


@pytest.mark.parametrize(
    ("flag", "status", "runs", "branch"),
    [
        ("ignored", 200, 1, ""),
        ("honored", 200, 1, "topic"),
        ("failed", 200, 0, ""),
        ("400", 400, 0, ""),
    ],
)
def test_dynamic_settings_off(start, flag, status, runs, branch):
    """A pipeline with dynamic settings off ignores settings, or refuses the run."""
    api = start(scenario(dynamic_settings=False), flags={"settings_when_off": flag})
    response = api.post("run", settings=SETTINGS)
    assert response.status_code == status
    assert [run.branch for run in api.sim.runs()] == [branch] * runs
    assert runs or "Dynamic settings are not enabled" in response.json()["message"]


@pytest.mark.parametrize(
    "settings",
    [5, [], {"branch": 5}, {"steps": 5}, {"steps": [{"name": "Build"}]},
     {"steps": [{"name": "Build", "stepParameters": [{"name": "level"}]}]}],
)  # fmt: skip
def test_malformed_settings(start, settings):
    """Settings of another form are a bad request."""
    api = start(scenario(dynamic_settings=True))
    assert api.post("run", settings=settings).status_code == 400
    assert api.sim.runs() == []
