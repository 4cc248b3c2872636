"""The calls of the API: what they check, what they answer, and what they do."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection

import pytest


def test_run_answers_the_next_run_count(start):
    """A run is accepted with the documented sentence and the next number."""
    api = start()
    answer = api.post("run")
    message = f"Run pipeline request submitted successfully for ({api.sim.pipeline_id})"
    assert answer.status_code == 200
    assert answer.json() == {"status": "executed", "message": message, "runCount": 42}


def test_status_follows_the_run(start):
    """Status says running, then success with the documented sentence."""
    api = start()
    api.ask("run")
    assert api.status(42) == "running"
    api.clock.sleep(30)
    sentence = "Pipeline: Deploy shop's Run 42 was successful."
    assert api.ask("status", runCount=42) == {"status": "success", "message": sentence}


def test_past_runs_are_known(start):
    """A run from before the simulation counts as a success without a log."""
    api = start()
    assert api.status(7) == "success"
    assert api.ask("logs", runCount=7) == []


def test_failed_run(start, derived):
    """A step that fails ends the run; later steps do not begin."""
    api = start("failure")
    api.ask("run")
    api.clock.sleep(30)
    assert api.status(42) == "failed"
    summary = api.ask("summary")
    assert derived(summary) == "failed"
    assert (
        summary["workflow"]["last_step"]["failed"]["step_id"]
        == (summary["workflow"]["plan"][1]["_id"])
    )
    assert {record["step_name"] for record in api.ask("logs")} == {
        "start pipeline",
        "Build",
        "Unit tests",
    }


def test_paused_pipeline_refuses_a_run(start):
    """The refusal comes with HTTP 200 and the documented sentence."""
    api = start("paused-refusal")
    answer = api.post("run")
    sentence = (
        f"Pipeline {api.sim.pipeline_id} is currently in a paused state.  "
        "Will not start another job until this pending status is resolved."
    )
    assert (answer.status_code, answer.json()) == (200, {"status": "failed", "message": sentence})
    assert [run.count for run in api.sim.runs()] == [42]


@pytest.mark.parametrize(("decide", "end"), [("approve", "success"), ("reject", "failed")])
def test_gate_waits_for_a_decision(start, derived, decide, end):
    """A gate pauses the run until somebody decides."""
    api = start("paused-refusal")
    assert api.status(42) == "paused"
    summary = api.ask("summary")
    assert derived(summary) == "paused"
    assert summary["workflow"]["last_step"]["status"] == "stopped"
    assert getattr(api.sim, decide)()
    api.clock.sleep(20)
    assert api.status(42) == end
    assert derived(api.ask("summary")) == end
    assert not getattr(api.sim, decide)()


@pytest.mark.parametrize(
    ("scenario", "end"), [("approval", "success"), ("approval-denied", "failed")]
)
def test_gate_decided_by_time(start, scenario, end):
    """A gate can be decided by itself after some seconds."""
    api = start(scenario)
    api.ask("run")
    api.clock.sleep(18)
    assert api.status(42) == "paused"
    api.clock.sleep(20)
    assert api.status(42) == end


def test_stop_is_soft(start, derived):
    """Stop lets the operation in progress go on for a while, then the run is stopped."""
    api = start()
    api.ask("run")
    api.clock.sleep(2)
    assert api.ask("stop") == {"status": "success", "message": "The pipeline has been stopped."}
    before = len(api.ask("logs", type="console output"))
    api.clock.sleep(1.5)
    assert api.status(42) == "running"
    assert len(api.ask("logs", type="console output")) > before
    api.clock.sleep(1)
    assert api.status(42) == "stopped"
    assert derived(api.ask("summary")) == "stopped"
    after = len(api.ask("logs"))
    api.clock.sleep(60)
    assert len(api.ask("logs")) == after


def test_stop_can_wait_for_the_end_of_the_step(start, small):
    """With stop_finishes_step the step in progress ends by itself before the run is stopped."""
    api = start(small(pipeline={"stop_finishes_step": True}))
    api.ask("run")
    api.clock.sleep(1)
    api.ask("stop")
    api.ask("stop")
    api.clock.sleep(8.5)
    assert api.status(5) == "running"
    api.clock.sleep(1)
    assert api.status(5) == "stopped"


def test_stop_of_a_paused_run(start):
    """A run that waits at a gate is stopped at once."""
    api = start("paused-refusal")
    api.ask("stop")
    assert api.status(42) == "stopped"
    assert api.ask("run")["runCount"] == 43


def test_reset_goes_back_to_the_beginning(start, derived):
    """Reset clears what the pipeline shows of its last run and keeps the count."""
    api = start("resting-failed")
    assert derived(api.ask("summary")) == "failed"
    sentence = "The pipeline run status has been reset."
    assert api.ask("reset") == {"status": "success", "message": sentence}
    summary = api.ask("summary")
    assert derived(summary) == "stopped"
    assert summary["workflow"]["run_count"] == 42
    assert api.status(42) == "failed"


def test_reset_ends_a_run_and_the_queue(start):
    """Reset while runs are going or waiting ends them."""
    api = start("busy")
    api.ask("run")
    api.ask("reset")
    api.clock.sleep(30)
    assert [run.state for run in api.sim.runs()] == ["stopped", "stopped"]


def test_summary_tells_the_truth_in_every_state(start, derived):
    """The portal's rule finds the right state of the pipeline at every moment of a run."""
    api = start("approval")
    seen = [derived(api.ask("summary"))]
    api.ask("run")
    for _ in range(60):
        api.clock.sleep(0.5)
        state = derived(api.ask("summary"))
        assert state == api.status(42)
        seen += [state] if state != seen[-1] else []
    assert seen == ["success", "running", "paused", "running", "success"]


def test_summary_of_a_pipeline(start):
    """The pipeline object has its plan, its counts and its times."""
    api = start()
    summary = api.ask("summary")
    assert summary["_id"] == api.sim.pipeline_id
    assert (summary["name"], summary["type"]) == ("Deploy shop", ["sdlc"])
    plan = summary["workflow"]["plan"]
    assert [step["name"] for step in plan] == ["Build", "Unit tests", "Code scan", "Deploy"]
    assert plan[0]["tool"]["tool_identifier"] == "jenkins"
    assert summary["workflow"]["run_count"] == summary["workflow"]["last_run"]["run_count"] == 41
    api.ask("run")
    api.clock.sleep(30)
    last_run = api.ask("summary")["workflow"]["last_run"]
    expected = {"completed": "2026-01-01T00:00:17.300Z", "run_count": 42, "status": "success"}
    assert last_run == expected


def test_pipeline_that_never_ran(start, small, derived):
    """A pipeline without runs is idle."""
    api = start(small(pipeline={"run_count": 0}))
    assert derived(api.ask("summary")) == "stopped"
    assert api.ask("logs") == []
    assert api.post("status").status_code == 404


def test_list_of_pipelines(start):
    """The list has every pipeline that the token's owner may see."""
    plan = [{"name": "Build"}]
    names = ({"name": "One"}, {"name": "Two", "access": False}, {"name": "Three"})
    api = start({"pipelines": [{**one, "plan": plan} for one in names]})
    listed = api.session.get(f"{api.sim.url}/api/v1/pipeline/pipelines", timeout=5).json()
    assert [one["name"] for one in listed] == ["One", "Three"]


def test_list_needs_a_power_user(start, small):
    """Without the role the list is forbidden."""
    api = start(small(power_user=False))
    url = f"{api.sim.url}/api/v1/pipeline/pipelines"
    assert api.session.get(url, timeout=5).status_code == 403


def test_no_access(start, small):
    """A pipeline that the owner may not use is forbidden."""
    api = start(small(pipeline={"access": False}))
    assert api.post("run").status_code == 403


def test_unknown_pipeline(start):
    """An ID that is no pipeline is not found."""
    assert start().post("run", pipelineId="0" * 24).status_code == 404


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer no.such.token", "Basic {token}", "{token}"]
)
def test_bad_tokens(start, header):
    """A token that is missing, unknown or sent otherwise is not authorized."""
    api = start()
    api.session.headers["Authorization"] = header.format(token=api.sim.token)
    assert api.post("run").status_code == 401
    assert api.sim.runs() == []


def test_expired_token(start, small):
    """A token is worth nothing after its time."""
    api = start(small(token={"lifetime": 60}))
    assert api.post("summary").status_code == 200
    api.clock.sleep(61)
    assert api.post("summary").status_code == 401
    api.session.headers["Authorization"] = f"Bearer {start().sim.expired_token}"
    assert api.post("summary").status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"text"', b"{}", b'{"pipelineId": 5}', b'{"pipelineId": ""}', b"\xff"],
)
def test_malformed_bodies(start, body):
    """A body that is no JSON object with a pipelineId is a bad request."""
    api = start()
    url = f"{api.sim.url}/api/v1/pipeline/summary"
    headers = {"Content-Type": "application/json"}
    assert api.session.post(url, data=body, headers=headers, timeout=5).status_code == 400


def test_body_must_be_called_json(start):
    """A JSON body of another content type is not read."""
    api = start()
    url = f"{api.sim.url}/api/v1/pipeline/summary"
    body = f'{{"pipelineId": "{api.sim.pipeline_id}"}}'
    assert api.session.post(url, data=body, timeout=5).status_code == 400


@pytest.mark.parametrize("count", ["42", 4.5, True, [42]])
def test_run_count_must_be_an_integer(start, count):
    """A runCount of another type is a bad request."""
    assert start().post("status", runCount=count).status_code == 400


def test_run_count_may_be_written_as_a_whole_float(start):
    """In JSON 41.0 is an integer."""
    assert start().post("status", runCount=41.0).status_code == 200


def test_unknown_paths_and_methods(start):
    """What is no call is not found, or not allowed by that method."""
    api = start()
    assert api.post("walk").status_code == 404
    url = f"{api.sim.url}/api/v1/pipeline/run"
    assert api.session.get(url, timeout=5).status_code == 405
    assert api.sim.requests[-1].call == "unknown"


def test_connection_stays_open(start):
    """Many requests share one connection, and every answer says its length."""
    api = start()
    connection = HTTPConnection(api.sim.url.removeprefix("http://"), timeout=5)
    with closing(connection):
        connection.connect()
        first = connection.sock
        for path in ("pipelines", "pipelines", "nothing"):
            connection.request("GET", f"/api/v1/pipeline/{path}")
            answer = connection.getresponse()
            assert int(answer.headers["Content-Length"]) == len(answer.read()) > 0
            assert connection.sock is first


def test_head_has_no_body(start):
    """An answer to HEAD tells the length of a body that does not come."""
    api = start()
    answer = api.session.head(f"{api.sim.url}/api/v1/pipeline/run", timeout=5)
    assert (answer.status_code, answer.content) == (405, b"")


def test_chunked_request_is_read(start):
    """A body without a length is read to its end, and the connection goes on."""
    api = start()
    url = f"{api.sim.url}/api/v1/pipeline/summary"
    body = f'{{"pipelineId": "{api.sim.pipeline_id}"}}'.encode()
    headers = {"Content-Type": "application/json"}
    answer = api.session.post(url, data=iter([body[:9], body[9:]]), headers=headers, timeout=5)
    assert answer.status_code == 200
    assert api.post("summary").status_code == 200


def test_date_is_that_of_the_world(start):
    """The Date header tells the simulated time."""
    assert start().post("summary").headers["Date"] == "Thu, 01 Jan 2026 00:00:00 GMT"
