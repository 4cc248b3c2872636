"""The real entry point as a process, in real time, started as each platform does."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from opsera_step.api import OpseraClient
from opsera_step.clock import Deadline, SystemClock
from opsera_step.simulator import Fault, Simulator, SpeedClock
from tests.oracles import github_files, github_runner, gitlab_dotenv, gitlab_log, secrets
from tests.support import ROOT, scenes
from tests.support.jobs import Files, Process, wait_until
from tests.support.shell import TOOL

# Simulated runs take about a second.
SPEED = 4.0
FAST = {"poll_interval": "0.2"}


@pytest.fixture
def passing():
    """A simulator whose pipeline succeeds."""
    with Simulator(scenes.PASSES, clock=SpeedClock(SPEED), seed=1) as simulator:
        yield simulator


@pytest.fixture
def failing():
    """A simulator whose pipeline fails."""
    with Simulator(scenes.FAILS, clock=SpeedClock(SPEED), seed=1) as simulator:
        yield simulator


@pytest.fixture
def slow():
    """A simulator whose pipeline takes an hour of real time."""
    with Simulator(scenes.SLOW, clock=SpeedClock(1.0), seed=1) as simulator:
        yield simulator


def test_github(failing, tmp_path):
    """On GitHub: groups, annotations, outputs, state, summary, and mask."""
    job = Process(failing, Files(tmp_path, "github"), **FAST).wait()
    runner = github_runner.Runner()
    runner.feed(job.log.encode())
    outputs = github_files.outputs(job.files.text("github_output").encode())
    state = github_files.state(job.files.text("github_state").encode())
    summary = github_files.summary(job.files.text("github_step_summary").encode())
    assert (job.code, job.errors) == (1, "")
    assert failing.token in runner.masks
    assert [group.title for group in runner.groups] == ["Build · jenkins", "Unit tests · jenkins"]
    assert runner.balanced
    assert [one.level for one in runner.annotations] == ["error"]
    assert "at step “Unit tests”" in runner.annotations[0].message
    assert outputs.error is None
    assert outputs.values["runCount"] == "42"
    assert outputs.values["status"] == "failed"
    assert outputs.values["failedStep"] == "Unit tests"
    assert outputs.values["logComplete"] == "true"
    assert set(outputs.values) == set(scenes.OUTPUTS)
    assert state.values["opsera_done"] == "true"
    assert summary.error is None
    for word in ("Deploy shop", "42", "failed", "Unit tests"):
        assert word in summary.text


def test_gitlab(passing, tmp_path):
    """On GitLab: balanced sections, and a valid dotenv report."""
    job = Process(passing, Files(tmp_path, "gitlab"), **FAST).wait()
    log = gitlab_log.parse(job.log.encode())
    report = gitlab_dotenv.check((tmp_path / "opsera.env").read_bytes())
    assert (job.code, job.errors) == (0, "")
    assert log.balanced
    assert len(log.sections) == 2
    assert not log.leaks
    assert report.ok, report.violations
    assert report.variables["OPSERA_STATUS"] == "success"
    assert report.variables["OPSERA_PIPELINE_NAME"] == "Deploy%20shop"


def test_plain_and_jenkins(passing, tmp_path):
    """Elsewhere: a log without escape sequences, and the output file."""
    job = Process(passing, Files(tmp_path), **FAST).wait()
    assert (job.code, job.errors) == (0, "")
    assert "\x1b" not in job.log
    assert "compiling\nlinking\nbuilt\n" in job.log
    assert job.outputs["OPSERA_RUN_COUNT"] == "42"
    assert secrets.find(passing.token, (tmp_path / "opsera.env").read_bytes()) == []
    assert secrets.find(passing.token, job.log.encode()) == []


def test_lines_are_printed_while_the_run_is_in_progress(slow, tmp_path):
    """A line and the run number are available while the run is in progress."""
    process = Process(slow, Files(tmp_path), **FAST)
    wait_until(lambda: process.files.outputs.get("OPSERA_RUN_COUNT") == "42")
    assert "OPSERA_STATUS" not in process.files.outputs
    wait_until(lambda: slow.count("logs") > 6)
    process.send(signal.SIGTERM)
    job = process.wait()
    assert "working" in job.log


def test_bad_input_is_refused_before_the_first_request(passing, tmp_path):
    """All invalid inputs are reported at once, with exit code 2 and without a request."""
    job = Process(
        passing, Files(tmp_path), timeout="soon", on_paused="hope", pipeline=" ", log_limit="-1"
    ).wait()
    assert job.code == 2
    assert job.outputs["OPSERA_STATUS"] == "error"
    for name in ("timeout", "on_paused", "log_limit"):
        assert f"for {name} (from OPSERA_{name.upper()})" in job.log
    assert "No pipeline." in job.log
    assert passing.requests == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_stops_the_run(slow, tmp_path, number, code):
    """One stop call within a second, outputs, and the end within five."""
    process = Process(slow, Files(tmp_path))
    wait_until(lambda: slow.count("logs") > 0)
    sent = slow.now
    process.send(number)
    process.send(number)
    job = process.wait(10)
    stops = [one for one in slow.requests if one.call == "stop"]
    assert job.code == code
    assert job.outputs["OPSERA_STATUS"] == "cancelled"
    assert len(stops) == 1
    assert stops[0].time - sent < 1
    assert slow.now - sent < 5


def test_a_signal_leaves_the_run_with_on_cancel_leave(slow, tmp_path):
    """With on_cancel: leave, no stop call is sent."""
    process = Process(slow, Files(tmp_path), on_cancel="leave")
    wait_until(lambda: slow.count("logs") > 0)
    process.send(signal.SIGTERM)
    job = process.wait(10)
    assert (job.code, slow.count("stop")) == (143, 0)


def test_a_signal_ends_it_even_when_the_api_hangs(slow, tmp_path):
    """If the API hangs, the process ends within five seconds and writes its outputs."""
    process = Process(slow, Files(tmp_path))
    wait_until(lambda: slow.count("logs") > 0)
    slow.add_fault(Fault(kind="hang", seconds=60))
    sent = slow.now
    process.send(signal.SIGTERM)
    job = process.wait(10)
    assert job.code == 143
    assert slow.now - sent < 5.5
    assert job.outputs["OPSERA_STATUS"] == "cancelled"


@pytest.mark.long
def test_a_hanging_api_does_not_make_it_late(slow, tmp_path):
    """If the API hangs at the timeout, the last requests have ten seconds."""
    process = Process(slow, Files(tmp_path), timeout="2s")
    wait_until(lambda: slow.count("logs") > 0)
    slow.add_fault(Fault(kind="hang", seconds=60))
    job = process.wait(60)
    assert job.code == 124
    # A busy machine may start it slowly; a request that is not cut off takes 30 seconds.
    assert job.seconds < 2 + 10 + 12
    assert "could not be stopped and may still be in progress" in job.outputs["OPSERA_MESSAGE"]


def test_a_signal_before_anything_starts_no_run(tmp_path):
    """A signal during the first request ends the job without a run."""
    faults = [Fault(call="summary", kind="hang", seconds=60)]
    with Simulator(scenes.SLOW, clock=SpeedClock(1.0), faults=faults) as simulator:
        process = Process(simulator, Files(tmp_path))
        wait_until(lambda: simulator.count("summary") > 0)
        process.send(signal.SIGINT)
        job = process.wait(10)
        assert (job.code, simulator.count("run"), simulator.count("stop")) == (130, 0, 0)
        assert "No run was started" in job.outputs["OPSERA_MESSAGE"]


def test_a_signal_while_the_request_is_on_the_wire(tmp_path):
    """A run that started although its response was never read is found and stopped."""
    faults = [Fault(call="run", kind="hang", seconds=30, effect=True)]
    with Simulator(scenes.SLOW, clock=SpeedClock(1.0), faults=faults) as simulator:
        process = Process(simulator, Files(tmp_path))
        wait_until(lambda: simulator.count("run") > 0)
        process.send(signal.SIGTERM)
        job = process.wait(10)
        assert (job.code, simulator.count("stop")) == (143, 1)
        assert job.outputs["OPSERA_RUN_COUNT"] == "42"


LATE = {"run_count_lag": 4.0}


def test_the_post_step_stops_what_a_killed_job_left_on_github(slow, tmp_path):
    """After SIGKILL the post step reads the saved state and stops the run."""
    process = Process(slow, Files(tmp_path, "github"))
    wait_until(lambda: slow.count("logs") > 0)
    process.kill()
    process.wait()
    state = github_files.state(process.files.text("github_state").encode()).values
    states = {f"STATE_{name}": value for name, value in state.items()}
    post = Process(slow, Files(tmp_path, "github"), arguments=("cleanup",), environ=states).wait()
    assert (post.code, slow.count("stop")) == (0, 1)


def test_the_post_step_stops_a_run_that_appeared_after_a_cancellation(tmp_path):
    """If the request was in flight and no run was visible, the post step waits for it."""
    lost = Fault(call="run", kind="hang", seconds=60, effect=True)
    with Simulator(scenes.SLOW, clock=SpeedClock(1.0), faults=[lost], flags=LATE) as simulator:
        process = Process(simulator, Files(tmp_path, "github"))
        wait_until(lambda: simulator.count("run") > 0)
        process.send(signal.SIGTERM)
        assert "no new run has appeared" in process.wait(10).log
        state = github_files.state(process.files.text("github_state").encode()).values
        states = {f"STATE_{name}": value for name, value in state.items()}
        Process(simulator, Files(tmp_path, "github"), arguments=("cleanup",), environ=states).wait()
        assert [one.run_count for one in simulator.requests if one.call == "stop"] == [42]


def test_cleanup_after_a_killed_job_elsewhere(slow, tmp_path):
    """Elsewhere, cleanup takes the run number from the output file."""
    process = Process(slow, Files(tmp_path, "gitlab"))
    wait_until(lambda: "OPSERA_RUN_COUNT" in process.files.outputs)
    process.kill()
    process.wait()
    Process(slow, Files(tmp_path, "gitlab"), arguments=("cleanup",)).wait()
    assert slow.count("stop") == 1


def test_cleanup_does_nothing_after_a_job_that_ended(failing, tmp_path):
    """After a job that ended by itself, cleanup sends no request."""
    Process(failing, Files(tmp_path), **FAST).wait()
    before = len(failing.requests)
    post = Process(failing, Files(tmp_path), arguments=("cleanup",)).wait()
    assert (post.code, len(failing.requests)) == (0, before)


def test_modules_in_the_checkout_shadow_nothing(passing, tmp_path):
    """Modules in the checkout with the same names, and a hostile PYTHONPATH, change nothing."""
    for name in ("requests", "opsera_step", "json", "signal", "click", "ssl"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    environ = {"PYTHONPATH": str(tmp_path), "HOME": "/nonexistent", "PYTHONSTARTUP": "x"}
    job = Process(passing, Files(tmp_path), environ=environ, wait="false").wait()
    assert (job.code, passing.count("run")) == (0, 1)


def test_modules_in_the_checkout_do_not_shadow_a_module_run(tmp_path):
    """`python -m opsera_step` takes no module from the directory in which it is called either."""
    for name in ("click", "requests", "yaml", "signal", "typing", "threading", "pathlib", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    done = subprocess.run(
        [sys.executable, "-m", "opsera_step", "pipeline", "list"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "No access token" in done.stderr) == (2, True), done.stderr


def test_a_closed_stdout(failing, tmp_path: Path):
    """If stdout is closed, the run is still followed and the outputs are written."""
    process = Process(failing, Files(tmp_path), **FAST)
    process.close_log()
    job = process.wait()
    assert (job.code, job.outputs["OPSERA_STATUS"]) == (1, "failed")


def test_a_locale_without_utf8(passing, tmp_path):
    """Without a locale, as in containers, the log is UTF-8."""
    environ = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    job = Process(passing, Files(tmp_path), environ=environ, wait="false").wait()
    assert "“Deploy shop”" in job.log


@pytest.mark.parametrize("command", ["status", "logs"])
def test_cancelling_a_query_stops_nothing(tmp_path, command):
    """Ctrl-C on a command that only reads doesn't stop the run."""
    faults = [Fault(call="status", kind="latency", seconds=30)]
    with Simulator(scenes.SLOW, clock=SpeedClock(1.0), faults=faults) as simulator:
        simulator.start_run()
        process = Process(simulator, Files(tmp_path), command=command)
        wait_until(lambda: simulator.count("status") > 0)
        process.send(signal.SIGINT)
        job = process.wait(10)
        assert (job.code, simulator.count("stop")) == (130, 0)
        assert "No changes were made" in job.log


@pytest.mark.parametrize(
    ("command", "call", "expected"),
    [
        ("reset", "reset", "the pipeline was being reset"),
        ("stop", "stop", "run 42 was being stopped"),
        ("cleanup", "stop", "run 42 was being stopped"),
        (f"tool update {TOOL} --set active=false --yes", "tool_update",
         "the tool was being changed"),
    ],
)  # fmt: skip
def test_a_cancelled_change_is_reported_as_possibly_made(tmp_path, command, call, expected):
    """Whether a request that was in flight was accepted can't be known."""
    faults = [Fault(call=call, kind="latency", seconds=30)]
    with Simulator(scenes.SLOW, clock=SpeedClock(1.0), faults=faults) as simulator:
        client = OpseraClient(simulator.url, simulator.token, SystemClock())
        client.run(simulator.pipeline_id, Deadline.after(SystemClock(), 10))
        page = f"{simulator.url}/workflow/details/{simulator.pipeline_id}/summary"
        left = f"OPSERA_URL={page}\nOPSERA_RUN_COUNT=42\n"
        (tmp_path / "opsera.env").write_text(left, "utf-8")
        process = Process(simulator, Files(tmp_path), command=command)
        wait_until(lambda: simulator.count(call) > 0)
        process.send(signal.SIGINT)
        job = process.wait(10)
    assert (job.code, simulator.count("stop")) == (130, int(call == "stop"))
    assert f"The signal arrived while {expected}, which may have taken effect." in job.log


def test_an_old_output_file_is_not_taken_for_this_jobs(slow, tmp_path):
    """Outputs of an earlier job are removed before a run is started."""
    (tmp_path / "opsera.env").write_text("OPSERA_STATUS=success\nOPSERA_RUN_COUNT=7\n", "utf-8")
    slow.add_fault(Fault(call="run", kind="hang", seconds=60))
    process = Process(slow, Files(tmp_path))
    wait_until(lambda: slow.count("run") > 0)
    process.kill()
    process.wait()
    assert process.files.outputs == {}


FLOOD = scenes.scenario(
    scenes.step("Build", {"text": "y" * 2000 + "\n", "rate": 300, "seconds": 60}, duration=600)
)


def _wait_for_full_pipe(simulator: Simulator) -> None:
    """Wait until the job, which writes far more than a pipe holds, sends no more requests."""
    wait_until(lambda: simulator.count("logs") > 0)
    wait_until(lambda: simulator.now - simulator.requests[-1].time > 1.5)


def test_a_full_pipe_does_not_keep_a_run_alive(tmp_path):
    """If the pipe of the log is full, a cancelled job still stops its run at once."""
    with Simulator(FLOOD, clock=SpeedClock(1.0), seed=1) as simulator:
        process = Process(simulator, Files(tmp_path), **FAST)
        _wait_for_full_pipe(simulator)
        sent = simulator.now
        process.send(signal.SIGTERM)
        process.send(signal.SIGTERM)
        wait_until(lambda: simulator.count("stop") > 0, 10)
        # Long before the grace period ends; 0.7 s on a quiet machine.
        assert simulator.now - sent < 3
        job = process.wait(10)
        assert (job.code, simulator.count("stop")) == (143, 1)
        assert job.outputs["OPSERA_STATUS"] == "cancelled"
        assert "Run 42" in job.outputs["OPSERA_MESSAGE"]


def test_a_full_pipe_leaves_the_run_with_on_cancel_leave(tmp_path):
    """The watchdog respects on_cancel: leave."""
    with Simulator(FLOOD, clock=SpeedClock(1.0), seed=1) as simulator:
        process = Process(simulator, Files(tmp_path), on_cancel="leave", **FAST)
        _wait_for_full_pipe(simulator)
        process.send(signal.SIGTERM)
        job = process.wait(10)
        assert (job.code, simulator.count("stop")) == (143, 0)


@pytest.mark.parametrize("arguments", [(), ("run",), ("status",)], ids=["job", "run", "status"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_is_loaded(passing, tmp_path, arguments, number):
    """A signal while modules are loaded ends it without output, and starts no run."""
    process = Process(passing, Files(tmp_path), arguments=arguments)
    wait_until(lambda: process.handles(signal.SIGTERM))
    process.send(number)
    job = process.wait(10)
    assert (job.code, job.errors) == (128 + number, "")
    assert passing.count("run") == 0
