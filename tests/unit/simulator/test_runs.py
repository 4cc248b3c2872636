"""Runs side by side: the queue, other users, numbers, attempts, and large runs."""

from __future__ import annotations

from itertools import pairwise

import pytest


def test_a_busy_pipeline_queues(start):
    """A run that is requested while another is in progress starts after it."""
    api = start("busy")
    assert api.run() == 43
    assert api.status(43) == "queued"
    assert api.ask("summary")["workflow"]["run_count"] == 42
    assert {record["run_count"] for record in api.ask("logs")} == {42}
    api.clock.sleep(14)
    assert (api.status(42), api.status(43)) == ("success", "queued")
    api.clock.sleep(1)
    assert api.status(43) == "running"
    assert api.ask("summary")["workflow"]["run_count"] == 43
    assert {record["run_count"] for record in api.ask("logs")} == {43}
    api.clock.sleep(20)
    assert api.status(43) == "success"
    assert [run.started_by for run in api.sim.runs()] == ["Dana Ortiz", "us"]


def test_other_users_start_runs_on_the_timetable(start, small):
    """At set times, or some seconds after a run of the token's owner."""
    timetable = [{"at": 3, "user": "Kim"}, {"at": 1, "since": "run", "user": "Lee"}]
    api = start(small(timetable=timetable))
    api.clock.sleep(5)
    api.run(60)
    runs = [(run.number, run.started_by, run.accepted_at) for run in api.sim.runs()]
    assert runs == [(5, "Kim", 3.0), (6, "us", 5.0), (7, "Lee", 6.0)]


@pytest.mark.parametrize(
    ("do", "step", "end"),
    [
        ("stop", {}, "stopped"),
        ("reset", {}, "stopped"),
        ("approve", {"tool": "approval", "duration": 1}, "success"),
        ("reject", {"tool": "approval", "duration": 1}, "failed"),
    ],
)
def test_other_users_act_on_the_timetable(start, small, do, step, end):
    """A user can stop, reset, approve, and reject."""
    api = start(small(step=step, timetable=[{"at": 4, "do": do, "since": "run"}]))
    assert api.status(api.run(7)) == end


def test_a_deleted_queue_entry(start):
    """A queued run that a user deletes is unknown from then on, and never starts."""
    api = start("busy", flags={"queued_run_count": "at_request"})
    number = api.run()
    api.sim.delete_run(number)
    assert api.post("status", runCount=number).status_code == 404
    api.clock.sleep(60)
    assert [(run.number, run.state, run.deleted) for run in api.sim.runs()] == [
        (42, "success", False),
        (43, "stopped", True),
    ]
    assert api.run() == 44


def test_a_deleted_run(start, small):
    """A run that a user deletes while it is in progress is gone with its log."""
    api = start(small({"text": "a"}, timetable=[{"at": 2, "do": "delete", "since": "run"}]))
    api.run(1)
    assert api.status(5) == "running"
    api.clock.sleep(2)
    assert api.post("status", runCount=5).status_code == 404
    assert api.ask("logs", runCount=5) == []
    with pytest.raises(KeyError, match="no run has the number 5"):
        api.sim.delete_run(5)


def test_a_run_moved_to_the_front(start):
    """A user can change the order of the queue."""
    api = start("busy")
    api.run()
    assert api.sim.start_run() == 44
    api.sim.move_to_front(44)
    api.clock.sleep(20)
    assert (api.status(43), api.status(44)) == ("queued", "running")
    with pytest.raises(ValueError, match="run 44 is not queued"):
        api.sim.move_to_front(44)


@pytest.mark.parametrize(("numbers", "ours"), [("kept", 43), ("renumbered", 44)])
def test_numbers_of_queued_runs(start, numbers, ours):
    """A queued run may have its number before it starts, or get another one."""
    api = start("busy", flags={"queued_numbers": numbers})
    assert api.run() == 43
    api.sim.start_run()
    api.sim.move_to_front()
    assert [run.number for run in api.sim.runs() if run.started_by == "us"] == [ours]
    api.sim.delete_run({"kept": 44, "renumbered": 43}[numbers])
    api.clock.sleep(60)
    assert [run.number for run in api.sim.runs() if run.started_by == "us"] == [43]
    assert api.status(43) == "success"


def test_a_locked_pipeline_can_be_unlocked(start, small):
    """While a user has locked a pipeline, no user can start a run."""
    timetable = [{"at": 1, "do": "lock", "user": "Kim"}, {"at": 5, "do": "unlock"}]
    api = start(small(timetable=[*timetable, {"at": 2, "do": "run"}]))
    api.clock.sleep(2)
    assert api.ask("run")["status"] == "failed"
    with pytest.raises(ValueError, match="paused or locked"):
        api.sim.start_run()
    assert api.sim.runs() == []
    api.clock.sleep(3)
    assert api.run() == 5


def test_a_token_revoked_during_a_run(start, small):
    """The timetable revokes the token; a renewed one is accepted."""
    api = start(small(timetable=[{"at": 3, "do": "revoke_token", "since": "run"}]))
    api.run(2)
    assert api.post("status").status_code == 200
    api.clock.sleep(1)
    assert "deactivated" in api.ask("status")["message"]
    old, new = api.sim.token, api.sim.renew_token()
    assert api.sim.token == new != old
    assert api.call("GET", "tasks", new).status_code == 200
    assert api.call("GET", "tasks", old).status_code == 401


def test_parallel_steps(start):
    """Steps of one stage run at the same time; the next step starts after all of them."""
    api = start("parallel")
    api.run(30)
    started = {
        record["step_name"]: record["createdAt"]
        for record in api.ask("logs")
        if record["action"] == "run"
    }
    assert started["Scan licences"] == started["Scan secrets"] == started["Scan images"]
    names = [record["step_name"] for record in api.ask("logs", type="console output")]
    middle = names[10:50]
    assert set(middle) == {"Scan licences", "Scan secrets"}
    assert sum(one != two for one, two in pairwise(middle)) > 10
    assert names[0] == names[1] == "Report"


def test_a_parallel_failure_waits_for_the_others(start):
    """A stage with a failed step ends when its other steps have ended."""
    quick = {"name": "Quick", "duration": 1, "result": "failed"}
    slow = {"name": "Slow", "duration": 5, "parallel": True}
    plan = [quick, slow, {"name": "Never"}]
    api = start({"pipelines": [{"name": "P", "start_delay": 0, "plan": plan}]})
    api.run(4)
    assert api.status(1) == "running"
    api.clock.sleep(2)
    assert api.status(1) == "failed"
    assert "Never" not in {record["step_name"] for record in api.ask("logs")}


def test_the_world_is_a_function_of_time(start):
    """However often a client asks, the log is the same to the byte."""
    logs = []
    for times in (1, 40):
        api = start("parallel", seed=5, flags={"record_ids": "scattered"})
        api.run()
        for _ in range(times):
            api.clock.sleep(20 / times)
            assert api.sim.now > 0
        api.clock.sleep(20)
        logs.append(api.post("logs", runCount=20).content)
    assert logs[0] == logs[1]


def test_after_a_stop_only_trailing_text_is_written(start, small):
    """What the stopped step would have written later is not written."""
    trailing = [{"at": 1, "text": "trails\n"}]
    scenario = small({"lines": list("abcdefgh"), "every": 1}, pipeline={"trailing": trailing})
    api = start(scenario)
    api.run(2.5)
    api.ask("stop")
    api.clock.sleep(60)
    assert api.sim.console_text() == ["a", "b", "c", "d", "e", "trails"]


def test_four_thousand_steps(start):
    """A plan of any length is simulated in a time that grows with its length."""
    step = {"name": "Step {n}", "repeat": 4000, "duration": 1, "log": [{"text": "line\n"}]}
    api = start({"pipelines": [{"name": "Long", "step_gap": 0, "plan": [step]}]})
    api.run(2000)
    assert api.status(1) == "running"
    assert len(api.ask("summary")["workflow"]["plan"]) == 4000
    api.clock.sleep(2001)
    assert (api.status(1), api.derived()) == ("success", "success")
    assert len(api.sim.console_text()) == 4000
