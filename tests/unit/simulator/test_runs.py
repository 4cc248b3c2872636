"""Runs side by side: queues, other people, counts, attempts."""

from __future__ import annotations

from itertools import pairwise

import pytest


def test_busy_pipeline_queues(start):
    """A run submitted while another is going starts when that ends."""
    api = start("busy")
    assert api.ask("run")["runCount"] == 43
    assert api.status(43) == "queued"
    assert api.ask("summary")["workflow"]["run_count"] == 42
    api.clock.sleep(14)
    assert (api.status(42), api.status(43)) == ("success", "queued")
    api.clock.sleep(1)
    assert api.status(43) == "running"
    assert api.ask("summary")["workflow"]["run_count"] == 43
    api.clock.sleep(20)
    assert api.status(43) == "success"
    assert [run.started_by for run in api.sim.runs()] == ["Dana Ortiz", "us"]


def test_logs_without_count_are_of_the_newest_run(start):
    """While our run is queued, the newest log is that of the other run."""
    api = start("busy")
    api.ask("run")
    assert {record["run_count"] for record in api.ask("logs")} == {42}
    api.clock.sleep(20)
    assert {record["run_count"] for record in api.ask("logs")} == {43}


def test_first_record_tells_who_started(start):
    """The run's first record names the starter by user_id."""
    api = start("busy")
    api.ask("run")
    api.clock.sleep(40)
    first = [api.ask("logs", runCount=count)[-1] for count in (42, 43)]
    assert [record["step_name"] for record in first] == ["start pipeline"] * 2
    assert first[1]["user_id"] == api.sim.user_id != first[0]["user_id"]
    assert "step_index" not in first[0]


def test_somebody_else_starts_on_a_timetable(start, small):
    """Somebody else can start runs at set times, also counted from ours."""
    timetable = [{"at": 3, "user": "Kim"}, {"at": 1, "since": "run", "user": "Lee"}]
    api = start(small(timetable=timetable))
    api.clock.sleep(5)
    api.ask("run")
    api.clock.sleep(60)
    runs = [(run.count, run.started_by, run.accepted_at) for run in api.sim.runs()]
    assert runs == [(5, "Kim", 3.0), (6, "us", 5.0), (7, "Lee", 6.0)]


def test_timetable_before_the_beginning(start, small):
    """What lies before the beginning has happened already."""
    api = start(small(timetable=[{"at": -100}]))
    assert api.sim.now == 0
    assert [(run.state, run.ended_at) for run in api.sim.runs()] == [("success", -90)]


@pytest.mark.parametrize("do", ["stop", "reset"])
def test_timetable_of_other_deeds(start, small, do):
    """Somebody can stop or reset on the timetable."""
    api = start(small(timetable=[{"at": 4, "do": do, "since": "run"}]))
    api.ask("run")
    api.clock.sleep(7)
    assert api.status(5) == "stopped"


@pytest.mark.parametrize(("do", "end"), [("approve", "success"), ("reject", "failed")])
def test_timetable_of_decisions(start, small, do, end):
    """Somebody can decide at a gate on the timetable."""
    gate = {"tool": "approval", "duration": 1}
    timetable = [{"at": 4, "do": do, "since": "run"}, {"at": 2, "since": "run"}]
    api = start(small(step=gate, timetable=timetable))
    api.ask("run")
    api.clock.sleep(7)
    assert api.status(5) == end
    assert [run.count for run in api.sim.runs()] == [5]


def test_console_text_of_no_run(start):
    """A run that is not of this world has no console text."""
    assert start().sim.console_text() == start().sim.console_text(99) == []


def test_count_can_jump(start, small):
    """Run counts can grow by more than one."""
    api = start(small(pipeline={"run_count_step": 3}))
    assert api.ask("run")["runCount"] == 7
    assert api.post("status", runCount=6).status_code == 404


def test_results_by_attempt(start):
    """A step can fail at first and succeed at the next run."""
    api = start("resting-failed")
    api.ask("run")
    api.clock.sleep(30)
    assert (api.status(42), api.status(43)) == ("failed", "success")


def test_parallel_steps(start):
    """Steps of one stage run at the same time; the next begins when all have ended."""
    api = start("parallel")
    api.ask("run")
    api.clock.sleep(30)
    began = {
        record["step_name"]: record["createdAt"]
        for record in api.ask("logs")
        if record["action"] == "run"
    }
    assert began["Scan licences"] == began["Scan secrets"] == began["Scan images"]
    names = [record["step_name"] for record in api.ask("logs", type="console output")]
    middle = names[10:50]
    assert set(middle) == {"Scan licences", "Scan secrets"}
    assert sum(one != two for one, two in pairwise(middle)) > 10
    assert names[0] == names[1] == "Report"


def test_parallel_failure_waits_for_the_others(start):
    """A stage with a failed step ends when its other steps have ended."""
    quick = {"name": "Quick", "duration": 1, "result": "failed"}
    slow = {"name": "Slow", "duration": 5, "parallel": True}
    plan = [quick, slow, {"name": "Never"}]
    api = start({"pipelines": [{"name": "P", "start_delay": 0, "plan": plan}]})
    api.ask("run")
    api.clock.sleep(4)
    assert api.status(1) == "running"
    api.clock.sleep(2)
    assert api.status(1) == "failed"
    assert "Never" not in {record["step_name"] for record in api.ask("logs")}


@pytest.mark.parametrize("looks", [1, 7, 400])
def test_world_is_a_function_of_time(start, looks):
    """However often somebody looks, the log is the same to the byte."""
    logs = []
    for times in (1, looks):
        api = start("parallel", seed=5, switches={"record_ids": "scattered"})
        api.ask("run")
        for _ in range(times):
            api.clock.sleep(20 / times)
            assert api.sim.now > 0
        api.clock.sleep(20)
        logs.append(api.post("logs", runCount=20).content)
    assert logs[0] == logs[1]


def test_seed_decides_what_is_random(start):
    """The same seed gives the same IDs and token, another seed others."""
    tokens = [start(seed=seed).sim.token for seed in (1, 1, 2)]
    assert tokens[0] == tokens[1] != tokens[2]
    assert len(tokens[0]) > 40
    assert tokens[0].count(".") == 2


def test_an_hour_passes_at_once(start):
    """A run of an hour plays in a moment when the clock is a fake one."""
    api = start("slow")
    api.ask("run")
    api.clock.sleep(3599)
    assert api.status(312) == "running"
    api.clock.sleep(3)
    assert api.status(312) == "success"
    assert len(api.sim.console_text()) == 9


def test_sudden_stop_keeps_what_was_written(start, small):
    """After a stop nothing more is written but what trails."""
    trailing = [{"at": 1, "text": "trails\n"}]
    scenario = small({"lines": list("abcdefgh"), "every": 1}, pipeline={"trailing": trailing})
    api = start(scenario)
    api.ask("run")
    api.clock.sleep(2.5)
    api.ask("stop")
    api.clock.sleep(60)
    assert api.sim.console_text() == ["a", "b", "c", "d", "e", "trails"]
