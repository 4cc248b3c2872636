"""Defects that were found once, each as the process shows it, so that none comes back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from itertools import product

import pytest

from opsera_step.clock import FakeClock
from opsera_step.simulator import Fault, Simulator
from tests.oracles import github_files, secrets
from tests.support import long_after, scenes
from tests.support.jobs import Files, Process, play, wait_until
from tests.support.standin import PIPELINE, RESET, Opsera, Record, Reply, only

FAST = {"poll_interval": "0.2", "timeout": "30s"}
FOREIGN_TOKEN = "ghs_0123456789abcdefABCDEF0123456789abcd"


def github(tmp_path):
    """The files of a job on GitHub, as the runner creates them."""
    files = Files(tmp_path, "github")
    for name in ("github_output", "github_state", "github_step_summary"):
        (tmp_path / name).touch()
    return files


def post_step(opsera, files, **inputs):
    """Run the post step of the action, which gets the state that the job saved."""
    saved = github_files.state(files.text("github_state").encode()).values
    state = {f"STATE_{name}": value for name, value in saved.items()}
    return Process(opsera, files, arguments=("cleanup",), environ=state, **inputs).wait()


def output(files, name):
    """Return an output that the job set on GitHub."""
    return github_files.outputs(files.text("github_output").encode()).values[name]


class TestExcerpt:
    """What a failed job quotes as its cause."""

    @pytest.mark.parametrize(
        "noise", long_after(1, ["ERROR: retry {} of a download", "error TS{}: ignored"])
    )
    def test_noise_far_from_the_failure_is_not_quoted(self, tmp_path, noise):
        lines = [noise.format(number) for number in range(200)]
        lines += [f"test {number} passed" for number in range(100)]
        lines += ["AssertionError: expected 200, got 500", "  at checkout.spec.js:88"]
        lines += [f"removing container {number}" for number in range(40)]
        records = [Record(0, "\n".join(lines) + "\n")]
        with Opsera([(0, "failed")], records) as opsera:
            job = Process(opsera, github(tmp_path), **FAST).wait()
        (error,) = (line for line in job.log.splitlines() if line.startswith("::error"))
        assert "expected 200, got 500" in error
        assert "expected 200, got 500" in job.files.text("github_step_summary")

    @pytest.mark.parametrize("command", ["run", "watch"])
    def test_a_failed_step_is_shown_as_failed(self, tmp_path, command):
        """The run that is watched has no log."""
        records = [Record(0, "scanning\n")]
        with Opsera([(0, "failed")], records, ["Code scan"], latest="failed") as opsera:
            inputs = {"command": command, "report_dir": "report", **FAST}
            job = Process(opsera, github(tmp_path), **inputs).wait()
        summary = job.files.text("github_step_summary")
        (row,) = (line for line in summary.splitlines() if line.startswith("| Code scan"))
        assert "failed" in row
        assert "<failure" in job.files.text("report/junit.xml")


class TestFinalStatus:
    """A status that is final for a moment only, as between two steps."""

    @pytest.mark.parametrize(
        ("moment", "end", "code"),
        long_after(1, [("success", "failed", 1), ("failed", "success", 0),
                       ("stopped", "success", 0)]),
    )  # fmt: skip
    def test_a_moment_does_not_end_the_job(self, tmp_path, moment, end, code):
        timeline = [(0, "running"), (0.5, moment), (1.2, "running"), (2, end)]
        records = [Record(0.1, "one\n"), Record(1.5, "two\n", step=1)]
        with Opsera(timeline, records, ["Build", "Deploy"]) as opsera:
            job = Process(opsera, github(tmp_path), **FAST).wait()
        assert (job.code, output(job.files, "status")) == (code, end)
        assert "two" in job.log.splitlines()


REFUSED, UNAVAILABLE = Reply(400, {"message": "not running"}), Reply(503)


@pytest.mark.parametrize(
    ("reply", "end", "code"),
    long_after(2, [(REFUSED, "success", 0), (None, "failed", 1), (UNAVAILABLE, "success", 0),
                   (REFUSED, "failed", 1), (None, "success", 0), (UNAVAILABLE, "failed", 1)]),
)  # fmt: skip
def test_a_run_that_ends_at_the_timeout_is_reported_as_it_ended(tmp_path, reply, end, code):
    """The stop call comes too late, whatever it returns."""
    with Opsera([(0, "running"), (90, "success")]) as opsera:

        def ended(count, body):
            opsera.timeline = [(0, end)]
            return reply or Reply(200, {"status": "success", "message": "stopped"})

        opsera.scripts = {"stop": ended}
        job = Process(opsera, github(tmp_path), **{**FAST, "timeout": "2s"}).wait()
    assert (job.code, output(job.files, "status")) == (code, end)
    assert "imed out" not in job.log


def test_an_absurd_date_in_the_log_ends_nothing(tmp_path):
    """The job ends as the run did, and everything is written."""
    dates = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "NaN")
    odd = [Record(0.2, "odd\n", fields={"createdAt": date}) for date in dates]
    with Opsera(records=[Record(0.1, "one\n"), *odd, Record(0.3, "two\n")]) as opsera:
        job = Process(opsera, github(tmp_path), report_dir="report", **FAST).wait()
    assert job.code == 0
    assert "Can't write" not in job.log
    assert int(output(job.files, "duration")) < 10
    for name in ("result.json", "report.html", "junit.xml", "log.txt"):
        assert job.files.text(f"report/{name}")


@pytest.mark.parametrize("place", ["the API", "an input"])
def test_a_quoted_token_that_is_cut_shows_nowhere(tmp_path, place):
    """An error of the API, or a value in a wrong input, that is cut in the middle of the token."""
    with Opsera() as opsera:
        opsera.token = "opaque-" + "".join(f"{number * 7919:x}" for number in range(90))
        quoted = "".join(f"%{code:02X}" for code in opsera.token.encode())
        inputs = {"timeout": quoted} if place == "an input" else {}
        opsera.scripts = {"summary": lambda *_: Reply(400, {"message": f"no: {opsera.token}"})}
        job = Process(opsera, github(tmp_path), **inputs).wait()
    assert job.code in (2, 3)
    log = "\n".join(line for line in job.log.split("\n") if "::add-mask::" not in line)
    shown = log + job.files.text("github_output") + job.files.text("github_step_summary")
    assert secrets.find(opsera.token, shown.encode()) == []
    assert "***…" in shown


def test_the_token_of_a_file_in_a_wrong_place_shows_nowhere(tmp_path):
    """A token that is no JWT can't be recognized, so it is read from its file."""
    token = "opaque-0123456789abcdef"
    (tmp_path / "token").write_text(f"{token}\n")
    words = ("logs", PIPELINE, "--tail", token)
    job = Process(None, Files(tmp_path), arguments=words, environ={"OPSERA_TOKEN_FILE": "token",
                  "OPSERA_OUTPUT_FILE": "opsera.env"}).wait()  # fmt: skip
    assert job.code == 2
    assert "'***' is not a valid integer range" in job.errors
    assert token not in job.errors + job.log + job.files.text("opsera.env")


class TestGithubOutput:
    """The file to which outputs are written."""

    def test_a_missing_file_is_reported(self, tmp_path):
        files = github(tmp_path)
        with Opsera() as opsera:
            job = Process(opsera, files, environ={"GITHUB_OUTPUT": ""}, wait="false").wait()
        assert job.code == 0
        assert "GITHUB_OUTPUT" in job.log

    def test_a_last_line_without_an_end_stays_whole(self, tmp_path):
        files = github(tmp_path)
        (tmp_path / "github_output").write_text("mine=1")
        with Opsera() as opsera:
            Process(opsera, files, wait="false").wait()
        assert output(files, "mine") == "1"
        assert output(files, "status") == "running"


class TestForeignInputs:
    """Variables that belong to another program."""

    @pytest.mark.parametrize("environ", [{"GITHUB_ACTIONS": "true"}, {}])
    def test_inputs_of_another_action_are_not_read(self, tmp_path, environ):
        foreign = {"INPUT_TOKEN": FOREIGN_TOKEN, "INPUT_RESET": "always", **environ}
        with Opsera() as opsera:
            words = ("run", PIPELINE, "--no-wait")
            job = Process(opsera, Files(tmp_path), arguments=words, environ=foreign).wait()
        assert (job.code, opsera.count("run"), opsera.count("reset")) == (0, 1, 0)
        assert {request.authorization for request in opsera.requests} == {f"Bearer {opsera.token}"}

    @pytest.mark.parametrize("command", ["watch", "status", "logs"])
    def test_the_run_number_of_another_pipeline_is_not_used(self, tmp_path, command):
        inherited = {
            "OPSERA_RUN_COUNT": "3",
            "OPSERA_STATUS": "success",
            "OPSERA_PIPELINE_ID": PIPELINE.replace("9", "0"),
        }
        with Opsera(latest="failed") as opsera:
            files = Files(tmp_path, "gitlab")
            arguments = (command, PIPELINE)
            job = Process(opsera, files, arguments=arguments, environ=inherited, **FAST).wait()
        numbers = {request.body.get("runCount") for request in opsera.requests}
        assert 3 not in numbers
        assert "OPSERA_RUN_COUNT" in job.log + job.errors
        if command == "watch":
            assert job.code == 1


class TestPostStep:
    """The post step of the action on GitHub."""

    def test_it_needs_neither_inputs_nor_token_file_after_a_job_that_ended(self, tmp_path):
        files = github(tmp_path)
        with Opsera([(0, "failed")]) as opsera:
            (tmp_path / "token").write_text(opsera.token)
            inputs = {"token": None, "token_file": "token", **FAST}
            assert Process(opsera, files, **inputs).wait().code == 1
            (tmp_path / "token").unlink()
            for done in (post_step(opsera, files, **inputs), post_step(None, files)):
                assert done.code == 0, done.log

    def test_after_a_killed_job_it_needs_the_token_only(self, tmp_path):
        files = github(tmp_path)
        with Opsera([(0, "running"), (90, "success")]) as opsera:
            job = Process(opsera, files, **FAST)
            wait_until(lambda: opsera.count("logs") > 1)
            job.kill()
            job.wait()
            done = post_step(opsera, files, pipeline=None, base_url=None)
        assert (done.code, opsera.stopped) == (0, True), done.log


LEFT = [
    ("github", signal.SIGKILL, "watch"), ("gitlab", signal.SIGTERM, "attach"),
    ("plain", "timeout", "watch"), ("github", "timeout", "attach"),
]  # fmt: skip
FOREIGN = product(
    ("github", "gitlab", "plain"), (signal.SIGTERM, signal.SIGKILL, "timeout"), ("watch", "attach")
)


class TestForeignRun:
    """A run that the job did not start, which the cleanup after the job leaves alone, too."""

    @pytest.mark.parametrize(
        ("platform", "end", "how"),
        long_after(4, [*LEFT, *(case for case in FOREIGN if case not in LEFT)]),
    )
    def test_it_is_left(self, tmp_path, platform, end, how):
        inputs = {"command": "watch"} if how == "watch" else {"on_busy": "attach"}
        opsera = self.play(tmp_path, platform, end, **inputs)
        assert not opsera.count("stop")

    @pytest.mark.parametrize("platform", ["github", "gitlab"])
    def test_it_is_stopped_if_that_is_wanted(self, tmp_path, platform):
        opsera = self.play(tmp_path, platform, signal.SIGKILL, command="watch", on_cancel="stop")
        assert opsera.count("stop") == 1

    @pytest.mark.parametrize("platform", ["github", "gitlab"])
    def test_a_killed_query_leaves_it(self, tmp_path, platform):
        hang = {"logs": lambda count, body: time.sleep(2)}
        opsera = self.play(tmp_path, platform, signal.SIGKILL, scripts=hang, command="status")
        assert not opsera.count("stop")

    def play(self, tmp_path, platform, end, scripts=None, **inputs):
        """Follow run 6, which is in progress, to some end, and clean up as the platform does."""
        files = github(tmp_path) if platform == "github" else Files(tmp_path, platform)
        limit = "2s" if end == "timeout" else "30s"
        with Opsera(scripts=scripts, latest="running") as opsera:
            job = Process(opsera, files, **{**FAST, **inputs, "timeout": limit})
            if end != "timeout":
                wait_until(lambda: opsera.count("logs") > 0)
                job.send(end)
            job.wait()
            # The script names the command; the cleanup has the job's variables, and not that.
            post_step(opsera, files, **{**FAST, **inputs, "command": None})
        return opsera


@pytest.mark.parametrize(
    ("platform", "number"), [("github", signal.SIGINT), ("gitlab", signal.SIGTERM)]
)
@pytest.mark.parametrize(
    "reply", [Reply(503, {"message": "try later"}), Reply(429, {}, {"Retry-After": "1"}), RESET]
)
def test_a_stop_call_that_fails_once_is_repeated(tmp_path, platform, number, reply):
    """By the cancelled job itself if there is time, otherwise by the cleanup after it."""
    files = github(tmp_path) if platform == "github" else Files(tmp_path, platform)
    timeline = [(0, "running"), (90, "success")]
    with Opsera(timeline, scripts={"stop": only(0, reply)}) as opsera:
        job = Process(opsera, files, **FAST)
        wait_until(lambda: opsera.count("logs") > 1)
        job.send(number)
        done = job.wait(20)
        assert done.code == 128 + number
        if not opsera.stopped:
            post_step(opsera, files, **FAST)
        assert opsera.stopped, done.log


@pytest.mark.long
@pytest.mark.timeout(150)
@pytest.mark.parametrize("call", ["status", "logs"])
def test_a_retry_after_of_an_hour_does_not_cost_the_timeout(tmp_path, call):
    """No single wait is longer than two minutes, and what else shows the end is used."""
    slow = Reply(429, {"message": "slow down"}, {"Retry-After": "3600"})
    with Opsera([(0, "running"), (2, "success")], scripts={call: only(1, slow)}) as opsera:
        job = Process(opsera, github(tmp_path), timeout="90s").wait(130)
    assert job.code == 0, job.log
    assert job.seconds < 80


@pytest.mark.parametrize("logs", ["console", "all", "none"])
@pytest.mark.parametrize("kind", [{"status": 400}, {"status": 503}, {"kind": "close"}])
def test_requests_keep_their_pace_after_a_failed_log_call(tmp_path, logs, kind):
    clock, fault = FakeClock(), Fault(call="logs", times=1, **kind)
    with Simulator(scenes.PASSES, clock=clock, seed=1, faults=[fault]) as simulator:
        job = play(simulator, clock, tmp_path, logs=logs)
    assert job.code == 0, job.log
    assert simulator.count("logs") < 15


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, setpriv")
@pytest.mark.parametrize("umask", ["022", "077"])
def test_files_of_a_root_job_belong_to_the_owner_of_the_workspace(tmp_path, umask):
    """A container runs as root in a directory of the runner's user, who removes it later."""
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    os.chown(workspace, 1001, 1001)
    workspace.chmod(0o755)
    inputs = {"report_dir": "report", "output_file": "opsera.env", "wait": "false"}
    with Opsera() as opsera:
        wrapper = ("sh", "-c", f'umask {umask}; exec "$@"', "sh")
        Process(opsera, Files(workspace), wrapper=wrapper, **inputs).wait()
    user = ("setpriv", "--reuid=1001", "--regid=1001", "--clear-groups")
    for command in (["cat", "report/result.json"], ["rm", "-r", "report", "opsera.env"]):
        done = subprocess.run([*user, *command], cwd=workspace, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
