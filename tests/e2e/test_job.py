"""The whole job in this process on a fake clock, over real HTTP against the simulator."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from opsera_step.clock import FakeClock
from opsera_step.simulator import Fault, Simulator
from tests.oracles import gitlab_log
from tests.support import long_after, scenes
from tests.support.jobs import Finished, play


def run(
    scenario: str | scenes.Scenario, directory: Path, faults: tuple[Fault, ...] = (), **inputs: str
) -> tuple[Finished, Simulator]:
    """Play a job to its end."""
    clock = FakeClock()
    with Simulator(scenario, clock=clock, seed=1, faults=list(faults)) as simulator:
        return play(simulator, clock, directory, **inputs), simulator


def test_success_ends_with_zero_and_all_outputs(tmp_path):
    """A run that succeeds gives exit code 0 and every output of the interface."""
    job, simulator = run(scenes.PASSES, tmp_path)
    result = json.loads(job.outputs.pop("OPSERA_RESULT"))
    url = f"{job.base_url}/workflow/details/{simulator.pipeline_id}/summary"
    assert job.code == 0
    assert job.outputs == {
        "OPSERA_RUN_COUNT": "42",
        "OPSERA_URL": url,
        "OPSERA_STATUS": "success",
        "OPSERA_MESSAGE": "Pipeline: Deploy shop's Run 42 was successful.",
        "OPSERA_PIPELINE_ID": simulator.pipeline_id,
        "OPSERA_PIPELINE_NAME": "Deploy shop",
        "OPSERA_DURATION": "3",
        "OPSERA_STARTED_AT": "2026-01-01T00:00:00.000Z",
        "OPSERA_FINISHED_AT": "2026-01-01T00:00:02.700Z",
        "OPSERA_FAILED_STEP": "",
        "OPSERA_LOG_LINES": "4",
        "OPSERA_LOG_COMPLETE": "true",
    }
    assert result["runCount"] == 42
    assert [step["name"] for step in result["steps"]] == ["Build", "Deploy"]
    assert [step["state"] for step in result["steps"]] == ["success", "success"]


def test_failure_names_the_step_under_its_last_lines(tmp_path):
    """A run that fails gives exit code 1 and the step that failed, under its last lines."""
    job, _ = run(scenes.FAILS, tmp_path)
    sentence = "Run 42 of “Deploy shop” failed at step “Unit tests”"
    assert job.code == 1
    assert job.outputs["OPSERA_STATUS"] == "failed"
    assert job.outputs["OPSERA_FAILED_STEP"] == "Unit tests"
    steps = r"(?:\[opsera\] [✓✗·] .*\n)+"
    conclusion = rf"1 failed\n{steps}\[opsera\] ERROR: {sentence}"
    assert re.search(conclusion, job.log)


def test_the_cause_is_printed_at_most_twice_on_github(tmp_path):
    """It stands in the log of its step and in the annotation below the closed groups."""
    job, _ = run(scenes.FAILS, tmp_path, platform="github")
    below = job.log[job.log.rindex("::endgroup::") :]
    assert below.count("test_cart FAILED") == 1
    assert job.log.count("test_cart FAILED") == 2


def test_a_pause_fails_the_job_and_names_the_gate(tmp_path):
    """A paused run ends the job with exit code 8 and a remedy, and is left as it is."""
    job, simulator = run(scenes.PAUSES, tmp_path)
    assert job.code == 8
    assert job.outputs["OPSERA_STATUS"] == "paused"
    assert "waiting for approval at “Approve production”" in job.log
    assert "on_paused: wait" in job.log
    assert simulator.count("stop") == 0


def test_a_pause_is_waited_for_if_wanted(tmp_path):
    """With on_paused: wait the job lives through the pause and reports the end."""
    job, _ = run(scenes.APPROVED_LATER, tmp_path, on_paused="wait")
    assert job.code == 0
    assert job.seconds > 300
    assert "rolled out" in job.log
    assert "Run 42 is still waiting for approval at “Approve production” (elapsed " in job.log


def test_an_hour_passes_in_about_a_second(tmp_path):
    """An hour-long run on the fake clock is followed to its end with few requests."""
    quiet = scenes.scenario(scenes.step("Build", duration=3600))
    job, simulator = run(quiet, tmp_path, timeout="2h")
    heartbeats = [line for line in job.log.splitlines() if "still running, no output for" in line]
    assert job.code == 0
    assert job.seconds > 3600
    assert len(simulator.requests) <= 325
    assert 45 <= len(heartbeats) <= 60


def test_the_timeout_stops_the_run(tmp_path):
    """When the time is up the run is stopped once, and the exit code is 124."""
    job, simulator = run(scenes.SLOW, tmp_path, timeout="5m")
    assert job.code == 124
    assert job.outputs["OPSERA_STATUS"] == "timeout"
    assert simulator.count("stop") == 1
    assert 300 <= job.seconds < 315


def test_the_timeout_can_leave_the_run(tmp_path):
    """With on_timeout: leave nothing is stopped."""
    job, simulator = run(scenes.SLOW, tmp_path, timeout="5m", on_timeout="leave")
    assert job.code == 124
    assert simulator.count("stop") == 0


def test_a_run_that_ends_at_the_last_moment_is_no_timeout(tmp_path):
    """The status is requested once more at the timeout."""
    late = scenes.scenario(scenes.step("Build", duration=299))
    job, _ = run(late, tmp_path, timeout="300")
    assert (job.code, job.outputs["OPSERA_STATUS"]) == (0, "success")


def test_wait_false_starts_and_leaves(tmp_path):
    """With wait: false the run is started, the outputs are set, nothing is followed."""
    job, simulator = run(scenes.SLOW, tmp_path, wait="false")
    assert (job.code, job.outputs["OPSERA_STATUS"]) == (0, "running")
    assert job.outputs["OPSERA_RUN_COUNT"] == "42"
    assert (simulator.count("status"), simulator.count("logs")) == (0, 0)


@pytest.mark.parametrize(
    ("status", "code", "call", "hint"),
    [
        (401, 4, "*", "expired"),
        (403, 4, "*", "scope"),
        (404, 3, "summary", "base_url"),
        (400, 3, "summary", "ID of the pipeline"),
    ],
)
def test_refusals_before_the_run_end_it_at_once(tmp_path, status, code, call, hint):
    """400, 401, 403 and 404 end the job at once, with what usually causes them."""
    faults = (Fault(call=call, kind="http", status=status),)
    job, simulator = run(scenes.PASSES, tmp_path, faults)
    assert job.code == code
    assert job.outputs["OPSERA_STATUS"] == "error"
    assert hint in job.log
    assert len(simulator.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 400])
def test_refusals_in_the_middle_end_it_with_the_address(tmp_path, status):
    """A status call that is refused in the middle ends the job with the run's address."""
    faults = (Fault(call="status", kind="http", status=status, after=60),)
    job, _ = run(scenes.SLOW, tmp_path, faults)
    assert job.code == (4 if status in (401, 403) else 3)
    assert 55 < job.seconds < 100
    assert "Run 42 may still be in progress" in job.outputs["OPSERA_MESSAGE"]
    assert f"View in Opsera: {job.base_url}" in job.log


def test_a_refused_log_does_not_change_the_result(tmp_path):
    """A log call that is refused for good only makes the log incomplete."""
    job, _ = run(scenes.PASSES, tmp_path, (Fault(call="logs", kind="http", status=403),))
    assert job.code == 0
    assert job.outputs["OPSERA_LOG_COMPLETE"] == "false"
    assert "Could not read the log" in job.log


FAULTS = {
    "502": Fault(kind="http", status=502),
    "429": Fault(kind="http", status=429, retry_after=20),
    "reset": Fault(kind="reset"),
    "html": Fault(kind="html"),
    "hang": Fault(kind="hang", seconds=40),
    "500": Fault(kind="http", status=500),
    "half": Fault(kind="half"),
    "truncated": Fault(kind="truncated"),
    "empty": Fault(kind="empty"),
    "content_type": Fault(kind="content_type"),
}


@pytest.mark.parametrize("name", long_after(5, list(FAULTS)))
def test_ten_minutes_of_nothing_are_lived_through(tmp_path, name):
    """During any outage of ten minutes, the run is followed to its end without losing a line."""
    work = scenes.scenario(
        scenes.step(
            "Build", scenes.prints(*map("line {}".format, range(80)), every=10), duration=900
        )
    )
    fault = FAULTS[name]
    fault = Fault(**{**vars(fault), "after": 60, "until": 660})
    job, simulator = run(work, tmp_path, (fault,))
    assert job.code == 0
    assert [line for line in job.log.splitlines() if line.startswith("line ")] == [
        line for line in simulator.console_text() if line.startswith("line ")
    ]
    assert job.outputs["OPSERA_LOG_COMPLETE"] == "true"


@pytest.mark.parametrize("command", ["status", "logs", "reset", "stop"])
def test_a_command_that_follows_nothing_gives_up_sooner(tmp_path, command):
    """Who just asks, or stops or resets, can do so again: it is not tried for an hour."""
    clock = FakeClock()
    with Simulator("success", clock=clock, faults=[Fault(kind="http", status=503)]) as simulator:
        finished = play(simulator, clock, tmp_path, command=command)
    assert finished.code == 3
    assert 240 < finished.seconds < 330
    assert "Gave up after " in finished.log


def test_a_lost_response_starts_no_second_run(tmp_path):
    """When the response to `run` is lost after it took effect, the run is found and followed."""
    job, simulator = run(
        scenes.PASSES, tmp_path, (Fault(call="run", kind="reset", effect=True, times=1),)
    )
    assert (job.code, job.outputs["OPSERA_RUN_COUNT"]) == (0, "42")
    assert simulator.count("run") == 1


def test_a_failed_request_to_run_is_sent_again_once_that_is_certain(tmp_path):
    """When `run` failed before it took effect, the run is started after all, and only once."""
    faults = (Fault(call="run", kind="http", status=503, times=1),)
    job, simulator = run(scenes.PASSES, tmp_path, faults)
    assert job.code == 0
    assert [one.number for one in simulator.runs() if one.started_by == "us"] == [42]


def test_the_result_is_never_cut_off_on_gitlab(tmp_path):
    """Time stamps count toward GitLab's limit: of short lines fewer are printed."""
    text = "".join(f"line {number}\n" for number in range(120_000))
    job, _ = run(scenes.scenario(scenes.step("Build", {"text": text})), tmp_path, platform="gitlab")
    stored = gitlab_log.stamp(job.log.encode())
    assert 0.7 * gitlab_log.OUTPUT_LIMIT < len(stored) < 0.9 * gitlab_log.OUTPUT_LIMIT
    read = gitlab_log.parse(stored).text
    assert "line 0\n" in read and "line 119999\n" in read
    assert "log_limit reached." in read
    assert "[opsera] Run 42 of “Deploy shop” succeeded" in read


def test_log_limit_keeps_head_and_tail(tmp_path):
    """Past log_limit, only the tail is printed, with a note; the full log is complete."""
    lots = scenes.scenario(scenes.step("Build", {"text": "line {n}\n", "rate": 100, "seconds": 20}))
    report = tmp_path / "report"
    job, simulator = run(lots, tmp_path, log_limit="4000", report_dir=str(report))
    printed = [line for line in job.log.splitlines() if line.startswith("line ")]
    full = (report / "log.txt").read_text("utf-8").splitlines()
    assert sum(len(line) + 1 for line in printed) <= 4000
    assert (printed[0], printed[-1]) == (full[0], full[-1])
    assert full == simulator.console_text()
    assert "omitted because of log_limit. The full log is in report_dir." in job.log
    assert json.loads((report / "result.json").read_text("utf-8"))["status"] == "success"


def test_four_hundred_records_a_second_pass_without_loss(tmp_path):
    """A sustained 400 records a second pass through the window of 1000 without loss."""
    burst = scenes.scenario(
        scenes.step("Build", {"text": "line {n}\n", "rate": 400, "seconds": 25})
    )
    job, simulator = run(burst, tmp_path)
    assert [
        line for line in job.log.splitlines() if line.startswith("line ")
    ] == simulator.console_text()
    assert job.outputs["OPSERA_LOG_COMPLETE"] == "true"


def test_logs_none_prints_no_line(tmp_path):
    """With logs: none no log is read, only the results of the steps now and then."""
    job, simulator = run(scenes.PASSES, tmp_path, logs="none")
    assert job.code == 0
    assert "compiling" not in job.log
    assert simulator.count("logs") <= 3
    assert all("type" not in (one.body or {}) for one in simulator.requests if one.call == "logs")


def test_lines_that_are_not_shown_do_not_make_the_job_look_dead(tmp_path):
    """Lines that go only to the report don't postpone the heartbeat."""
    moments = [{"text": f"{at}\n", "at": at} for at in (55, 100, 155, 290)]
    job, _ = run(
        scenes.scenario(scenes.step("Build", *moments)),
        tmp_path,
        logs="none",
        report_dir=str(tmp_path / "report"),
    )
    signs = re.findall(r"still running, .* \(elapsed (\d+)m(?:(\d+)s)?\)", job.log)
    seconds = [0, *(60 * int(sign[0]) + int(sign[1] or 0) for sign in signs), 290]
    assert max(after - before for before, after in itertools.pairwise(seconds)) <= 66
    assert len(signs) <= 8


def test_a_state_that_can_not_be_saved_is_reported_once(tmp_path):
    """Without it, the post step could not stop a run that a killed job left behind."""
    (tmp_path / "github_state").mkdir()
    job, _ = run(scenes.PASSES, tmp_path, platform="github")
    assert job.code == 0
    assert job.log.count("Can't write to the file of GITHUB_STATE") == 1


def test_logs_all_prints_activity_too(tmp_path):
    """With logs: all the activity messages stand among the lines."""
    job, _ = run(scenes.PASSES, tmp_path, logs="all")
    console, _ = run(scenes.PASSES, tmp_path)
    assert "compiling" in job.log
    assert int(job.outputs["OPSERA_LOG_LINES"]) > int(console.outputs["OPSERA_LOG_LINES"])


def test_a_pipeline_is_found_by_its_name(tmp_path):
    """A pipeline can be given by its exact name."""
    job, _ = run(scenes.PASSES, tmp_path, pipeline="Deploy shop")
    assert job.code == 0


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    """A name in the wrong case gets a different message than an unknown name."""
    job, _ = run(scenes.PASSES, tmp_path, pipeline="deploy shop")
    assert job.code == 2
    assert "Did you mean “Deploy shop”? Names are case-sensitive." in job.log


@pytest.mark.parametrize(
    ("on_busy", "code", "count"), [("queue", 0, "43"), ("attach", 0, "42"), ("fail", 3, "")]
)
def test_a_busy_pipeline(tmp_path, on_busy, code, count):
    """With a run in progress, the job queues a run, attaches to it, or fails."""
    clock = FakeClock()
    with Simulator(scenes.PASSES, clock=clock, seed=1) as simulator:
        simulator.start_run()
        job = play(simulator, clock, tmp_path, on_busy=on_busy)
        assert (job.code, job.outputs["OPSERA_RUN_COUNT"]) == (code, count)
        assert simulator.count("run") == (1 if on_busy == "queue" else 0)


@pytest.mark.parametrize(
    "answer", ["executed", "queued", "executed_without_count", "queued_without_count"]
)
def test_a_queued_run_is_found_for_every_response(tmp_path, answer):
    """For every v1 response about a queued run, our own run is followed."""
    clock = FakeClock()
    flags = {"busy_response": answer}
    with Simulator(scenes.PASSES, clock=clock, seed=1, flags=flags) as simulator:
        simulator.start_run()
        job = play(simulator, clock, tmp_path)
        ours = [one.number for one in simulator.runs() if one.started_by == "us"]
        assert (job.code, job.outputs["OPSERA_RUN_COUNT"], ours) == (0, "43", [43])


def test_a_paused_pipeline_refuses_and_the_log_has_a_remedy(tmp_path):
    """A run that is refused because an earlier one is paused gives exit code 8 and advice."""
    clock = FakeClock()
    with Simulator(scenes.PAUSES, clock=clock, seed=1) as simulator:
        simulator.start_run()
        clock.sleep(60)
        job = play(simulator, clock, tmp_path)
        assert (job.code, job.outputs["OPSERA_STATUS"]) == (8, "paused")
        assert "paused state" in job.outputs["OPSERA_MESSAGE"]
        assert "reset: auto" in job.log


def test_reset_auto_gives_a_paused_run_up(tmp_path):
    """With reset: auto, a paused pipeline is reset and run."""
    clock = FakeClock()
    with Simulator(scenes.PAUSES, clock=clock, seed=1) as simulator:
        simulator.start_run()
        clock.sleep(60)
        job = play(simulator, clock, tmp_path, reset="auto")
        assert (simulator.count("reset"), job.outputs["OPSERA_RUN_COUNT"]) == (1, "43")


@pytest.mark.parametrize(
    ("command", "code", "status"),
    [
        ("status", 0, "success"),
        ("logs", 0, "success"),
        ("watch", 0, "success"),
        ("stop", 0, "success"),
        ("reset", 0, "success"),
    ],
)
def test_the_other_commands(tmp_path, command, code, status):
    """Each command works as the input `command` and sets its outputs."""
    clock = FakeClock()
    with Simulator(scenes.PASSES, clock=clock, seed=1) as simulator:
        simulator.start_run()
        clock.sleep(60)
        job = play(simulator, clock, tmp_path, command=command)
        assert (job.code, job.outputs["OPSERA_STATUS"]) == (code, status)
        if command in ("logs", "watch"):
            assert job.log.count("compiling\n") == 1
        assert simulator.count("run") == 0


def test_watching_a_run_that_has_ended(tmp_path):
    """The duration is that of the run, not of the reading of its log."""
    clock = FakeClock()
    with Simulator(scenes.PASSES, clock=clock, seed=1) as simulator:
        simulator.start_run()
        clock.sleep(60)
        job = play(simulator, clock, tmp_path, command="watch")
    assert float(job.outputs["OPSERA_DURATION"]) > 1
    assert re.search(r"^\[opsera\] Run 42 of “.*” succeeded in 3s\.$", job.log, re.MULTILINE)


def test_a_stop_with_nothing_to_stop(tmp_path):
    """Without a run in progress, no stop call is sent: it could only hit the next run."""
    clock = FakeClock()
    with Simulator(scenes.PASSES, clock=clock, seed=1) as simulator:
        simulator.start_run()
        clock.sleep(60)
        job = play(simulator, clock, tmp_path, command="stop")
        assert (job.code, simulator.count("stop")) == (0, 0)
        assert "Nothing to stop: run 42 already finished" in job.outputs["OPSERA_MESSAGE"]
        assert job.log.count("Nothing to stop") == 1


def test_the_status_of_a_run_in_progress(tmp_path):
    """The running state is printed once, with the steps, without the duration of the command."""
    clock = FakeClock()
    faults = [Fault(call="status", kind="latency", seconds=3)]
    with Simulator(scenes.SLOW, clock=clock, seed=1, faults=faults) as simulator:
        simulator.start_run()
        clock.sleep(60)
        job = play(simulator, clock, tmp_path, command="status")
        name = job.outputs["OPSERA_PIPELINE_NAME"]
    assert (job.code, job.log.count("is running")) == (0, 1)
    assert job.outputs["OPSERA_MESSAGE"] == f"Run 42 of “{name}” is running."
    assert re.search(r"^\[opsera\] · .* · running since \d\d:\d\d UTC$", job.log, re.MULTILINE)


def test_the_status_of_a_run_that_ended(tmp_path):
    """The steps are listed with their times, and the run with the time that it took itself."""
    clock = FakeClock()
    faults = [Fault(call="status", kind="latency", seconds=3)]
    with Simulator(scenes.PASSES, clock=clock, seed=1, faults=faults) as simulator:
        simulator.start_run()
        clock.sleep(60)
        job = play(simulator, clock, tmp_path, command="status")
    assert re.search(r"^\[opsera\] ✓ .* · succeeded in \d+s$", job.log, re.MULTILINE)
    assert re.search(r"^\[opsera\] Run 42 of “.*” succeeded in 3s\.$", job.log, re.MULTILINE)


def test_stop_of_a_run_in_progress(tmp_path):
    """A run in progress is stopped with one call."""
    clock = FakeClock()
    with Simulator(scenes.PASSES, clock=clock, seed=1) as simulator:
        simulator.start_run()
        clock.sleep(0.5)
        job = play(simulator, clock, tmp_path, command="stop")
        assert (job.code, simulator.count("stop")) == (0, 1)


def test_a_misspelled_variable_brings_a_warning(tmp_path):
    """It is ignored, and a typo would otherwise go unnoticed."""
    clock = FakeClock()
    with Simulator(scenes.PASSES, clock=clock, seed=1) as simulator:
        job = play(simulator, clock, tmp_path, on_pause="wait")
        assert "OPSERA_ON_PAUSE (ignored). Did you mean OPSERA_ON_PAUSED?" in job.log


def test_a_run_that_never_was(tmp_path):
    """Watching a pipeline that never ran is an error with advice."""
    never = scenes.scenario(scenes.BUILD)
    never["pipelines"][0]["run_count"] = 0
    job, _ = run(never, tmp_path, command="watch")
    assert job.code == 3
    assert "has never run" in job.log


def test_an_unrecognized_status_is_not_success(tmp_path):
    """An unrecognized final status does not count as success, and is shown unchanged."""
    clock = FakeClock()
    flags = {"spelling": {"success": "frobnicated"}}
    with Simulator(scenes.PASSES, clock=clock, seed=1, flags=flags) as simulator:
        job = play(simulator, clock, tmp_path)
        assert job.code == 3
        assert "frobnicated" in job.log
