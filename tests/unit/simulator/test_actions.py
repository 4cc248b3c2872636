"""The second version of the API: actions on pipelines."""

from __future__ import annotations

import pytest


def test_run_and_status(start):
    """A run is started and reported in an envelope."""
    api = start()
    run = api.act("run").json()
    message = f"Run pipeline request submitted successfully for ({api.sim.pipeline_id})"
    assert run == {
        "status": "success",
        "data": {"status": "executed", "message": message, "runCount": 42},
        "metadata": {"message": message, "apiVersion": "v2"},
    }
    assert api.sim.requests[-1].run_count == 42
    api.clock.sleep(1)
    assert api.act("status").json()["data"]["status"] == "running"


@pytest.mark.parametrize(
    ("action", "end", "record"),
    [
        ("approve", "success", "Approve production was approved by Alex Kim. Looks good"),
        ("reject", "failed", "Approve production was rejected by Alex Kim. Looks good"),
        ("stop", "stopped", "Run 42 was stopped."),
    ],
)
def test_a_paused_run_is_decided(start, action, end, record):
    """Approval resumes a paused run, rejection fails it, and stop ends it."""
    api = start("paused-refusal")
    response = api.act(action, message="Looks good")
    assert (response.status_code, response.json()["status"]) == (200, "success")
    api.clock.sleep(30)
    assert api.status(42) == end
    assert record in [one["message"] for one in api.ask("logs")]


def test_reset_and_delete(start):
    """A pipeline can be reset, and deleted for good."""
    api = start("previous-failed")
    assert api.act("reset").json()["status"] == "success"
    assert api.derived() == "stopped"
    assert api.act("delete").json()["status"] == "success"
    assert api.post("summary").status_code == 404
    assert api.act("status").status_code == 404


def test_several_targets(start):
    """One request can act on several pipelines."""
    plan = [{"name": "Build"}]
    api = start({"pipelines": [{"name": "One", "plan": plan}, {"name": "Two", "plan": plan}]})
    ids = [pipeline.id for pipeline in api.sim.scenario.pipelines]
    response = api.act("run", *ids).json()
    assert [one["runCount"] for one in response["data"]["results"]] == [1, 1]
    assert [len(api.sim.runs(one)) for one in ids] == [1, 1]


def test_missing_and_malformed_identifiers(start):
    """Identifiers that are missing or malformed are 422."""
    api = start()
    for target in (None, [], "a" * 24, ["a" * 23], [5]):
        assert api.act("stop", target=target).status_code == 422


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"action": "walk"}, 400),
        ({"type": "task"}, 400),
        ({"version": 2}, 400),
        ({"target": ["a" * 24]}, 404),
    ],
)
def test_invalid_actions(start, changes, status):
    """An unknown action, type, or version is 400, and an unknown pipeline 404."""
    api = start()
    body = {"action": "run", "type": "pipeline", "version": 1, "target": [api.sim.pipeline_id]}
    url = f"{api.sim.url}/api/v2/actions"
    response = api.session.post(url, json={**body, **changes}, timeout=50)
    assert response.status_code == status
    assert api.sim.runs() == []


@pytest.mark.parametrize(("flag", "status"), [("failed", 200), ("400", 400), ("409", 409)])
def test_a_decision_while_not_paused(start, flag, status):
    """Nothing to approve is a failed action or an HTTP error."""
    response = start(flags={"decision_not_paused": flag}).act("approve")
    assert response.status_code == status
    assert status != 200 or response.json()["status"] == "failed"
    assert "not waiting for approval" in response.text


def test_the_plain_form(start):
    """Without the envelope the response has status and message, as in the first version."""
    api = start("paused-refusal", flags={"v2_format": "plain"})
    refused = api.act("run").json()
    assert (refused["status"], set(refused)) == ("failed", {"status", "message"})
    assert api.act("approve").json()["status"] == "success"


def test_access(start):
    """Acting needs a scope that may change pipelines, and access to the pipeline."""
    api = start()
    api.session.headers["Authorization"] = f"Bearer {api.sim.issue_token('pipeline-readonly')}"
    assert api.act("approve").status_code == 403
    token = api.sim.issue_token("pipeline", role="plain", user="Kim")
    api.session.headers["Authorization"] = f"Bearer {token}"
    assert api.act("approve").status_code == 403
