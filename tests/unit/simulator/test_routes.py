"""The calls on pipelines: what they check, return, and do."""

from __future__ import annotations

import pytest


def test_run_returns_the_next_run_count(start):
    """A run is accepted with the documented sentence and the next number."""
    api = start()
    response = api.post("run")
    message = f"Run pipeline request submitted successfully for ({api.sim.pipeline_id})"
    assert response.status_code == 200
    assert response.json() == {"status": "executed", "message": message, "runCount": 42}


def test_status_follows_the_run(start):
    """A run is running, then successful, with the documented sentence."""
    api = start()
    api.run()
    assert api.status(42) == "running"
    api.clock.sleep(30)
    message = "Pipeline: Deploy shop's Run 42 was successful."
    assert api.ask("status", runCount=42) == {"status": "success", "message": message}


def test_runs_before_the_start_are_known(start):
    """A run from before the simulation counts as a success without a log."""
    api = start()
    assert api.status(7) == "success"
    assert api.ask("logs", runCount=7) == []


def test_a_failed_step_ends_the_run(start):
    """Later steps do not start, and the summary names the failed step."""
    api = start("failure")
    assert api.status(api.run(30)) == "failed"
    assert api.derived() == "failed"
    workflow = api.ask("summary")["workflow"]
    assert workflow["last_step"]["failed"]["step_id"] == workflow["plan"][1]["_id"]
    steps = {record["step_name"] for record in api.ask("logs")}
    assert steps == {"start pipeline", "Build", "Unit tests"}


def test_a_paused_pipeline_refuses_a_run(start):
    """The refusal is HTTP 200 with the documented sentence."""
    api = start("paused-refusal")
    response = api.post("run")
    message = (
        f"Pipeline {api.sim.pipeline_id} is currently in a paused state.  "
        "Will not start another job until this pending status is resolved."
    )
    assert (response.status_code, response.json()) == (
        200,
        {"status": "failed", "message": message},
    )
    assert [run.number for run in api.sim.runs()] == [42]


@pytest.mark.parametrize(("decide", "end"), [("approve", "success"), ("reject", "failed")])
def test_an_approval_step_waits_for_a_decision(start, decide, end):
    """The pipeline is paused until a user decides."""
    api = start("paused-refusal")
    assert (api.status(42), api.derived()) == ("paused", "paused")
    assert api.ask("summary")["workflow"]["last_step"]["status"] == "stopped"
    assert getattr(api.sim, decide)()
    api.clock.sleep(20)
    assert (api.status(42), api.derived()) == (end, end)
    assert not getattr(api.sim, decide)()


def test_stop_is_graceful(start):
    """The current operation continues for a while, then the run is stopped for good."""
    api = start()
    api.run(2)
    assert api.ask("stop") == {"status": "success", "message": "The pipeline has been stopped."}
    before = len(api.console())
    api.clock.sleep(1.5)
    assert api.status(42) == "running"
    assert len(api.console()) > before
    api.clock.sleep(1)
    assert (api.status(42), api.derived()) == ("stopped", "stopped")
    after = len(api.ask("logs"))
    api.clock.sleep(60)
    assert len(api.ask("logs")) == after


def test_stop_can_wait_for_the_end_of_the_step(start, small):
    """With stop_finishes_step, the current step ends before the run is stopped."""
    api = start(small(pipeline={"stop_finishes_step": True}))
    api.run(1)
    api.ask("stop")
    api.ask("stop")
    api.clock.sleep(8.5)
    assert api.status(5) == "running"
    api.clock.sleep(1)
    assert api.status(5) == "stopped"


def test_reset_returns_to_the_first_step(start):
    """Reset clears what the summary shows of the last run. The run stays."""
    api = start("previous-failed")
    assert api.derived() == "failed"
    message = "The pipeline run status has been reset."
    assert api.ask("reset") == {"status": "success", "message": message}
    assert api.derived() == "stopped"
    assert api.ask("summary")["workflow"]["run_count"] == 42
    assert api.status(42) == "failed"


def test_reset_ends_a_run_and_the_queue(start):
    """A reset stops the run in progress and the queued ones."""
    api = start("busy")
    api.run()
    api.ask("reset")
    api.clock.sleep(30)
    assert [run.state for run in api.sim.runs()] == ["stopped", "stopped"]


def test_the_portal_derives_the_right_state_at_any_time(start):
    """Status and summary agree at every moment of a run."""
    api = start("approval")
    seen = [api.derived()]
    api.run()
    for _ in range(60):
        api.clock.sleep(0.5)
        state = api.derived()
        assert state == api.status(42)
        seen += [state] if state != seen[-1] else []
    assert seen == ["success", "running", "paused", "running", "success"]


def test_the_summary_of_a_pipeline(start):
    """A pipeline has its plan, its last run, and its number of runs."""
    api = start()
    summary = api.ask("summary")
    assert (summary["_id"], summary["name"]) == (api.sim.pipeline_id, "Deploy shop")
    workflow = summary["workflow"]
    names = [step["name"] for step in workflow["plan"]]
    assert names == ["Build", "Unit tests", "Code scan", "Deploy"]
    assert workflow["plan"][0]["tool"]["tool_identifier"] == "jenkins"
    assert workflow["run_count"] == workflow["last_run"]["run_count"] == 41
    api.run(30)
    last_run = api.ask("summary")["workflow"]["last_run"]
    expected = {"completed": "2026-01-01T00:00:17.300Z", "run_count": 42, "status": "success"}
    assert last_run == expected


@pytest.mark.parametrize("header", ["", "Bearer no.such.token", "Basic {token}"])
def test_invalid_tokens(start, header):
    """A token that is missing, unknown, or sent in another way is rejected."""
    api = start()
    api.session.headers["Authorization"] = header.format(token=api.sim.token)
    assert api.post("run").status_code == 401
    assert api.sim.runs() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"pipelineId": 5}', b"\xff"])
def test_malformed_bodies(start, body):
    """A body that is not a JSON object with a pipelineId is a bad request."""
    api = start()
    url = f"{api.sim.url}/api/v1/pipeline/summary"
    headers = {"Content-Type": "application/json"}
    assert api.session.post(url, data=body, headers=headers, timeout=50).status_code == 400


@pytest.mark.parametrize(("count", "status"), [("42", 400), (4.5, 400), (True, 400), (41.0, 200)])
def test_run_count_must_be_an_integer(start, count, status):
    """In JSON, 41.0 is an integer too."""
    assert start().post("status", runCount=count).status_code == status


def test_unknown_pipelines_paths_and_methods(start):
    """What does not exist is 404, and a wrong method is 405."""
    api = start()
    assert api.post("run", pipelineId="0" * 24).status_code == 404
    assert api.post("walk").status_code == 404
    response = api.session.get(f"{api.sim.url}/api/v1/pipeline/run", timeout=50)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert api.sim.requests[-1].call == "unknown"
