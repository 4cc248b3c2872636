"""The step of the native action, started as GitHub's runner starts it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts import package
from scripts.generate import NATIVE
from tests.oracles import github_files
from tests.support import ROOT
from tests.support.jobs import Files, inputs_for, wait_until
from tests.support.standin import PIPELINE, Opsera


@pytest.fixture(scope="module")
def action(tmp_path_factory):
    """The directory of a released action, in which the requirements come from the environment."""
    directory = tmp_path_factory.mktemp("native")
    (directory / "run.py").write_bytes((ROOT / "native/run.py").read_bytes())
    (directory / "opsera-step.pyz").write_bytes(package.archive(dict(package.own_files())))
    return directory


class Step:
    """The step as a process: bash runs the script of the action."""

    def __init__(self, action, directory, path="", **inputs):
        (step,) = yaml.safe_load((ROOT / NATIVE).read_text("utf-8"))["runs"]["steps"]
        script = directory / "step.sh"
        script.write_text(step["run"], "utf-8")
        self.output = directory / "output"
        self.output.touch()
        given = dict.fromkeys(step["env"], "")
        given |= {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
        path = path or f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
        environ = {
            "PATH": path, "HOME": str(directory), "GITHUB_ACTIONS": "true", "CI": "true",
            "GITHUB_ACTION_PATH": str(action), "GITHUB_OUTPUT": str(self.output), **given,
        }  # fmt: skip
        self.process = subprocess.Popen(
            ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=directory, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8",
        )  # fmt: skip

    def wait(self):
        self.log, _ = self.process.communicate(timeout=60)
        return self.process.returncode

    @property
    def outputs(self):
        return github_files.outputs(self.output.read_bytes()).values


def inputs(opsera):
    return {"base_url": opsera.url, "token": opsera.token, "pipeline": PIPELINE}


def test_inputs_and_outputs_get_through(action, tmp_path):
    with Opsera() as opsera:
        step = Step(action, tmp_path, **inputs(opsera), wait="false")
        assert step.wait() == 0, step.log
    assert (step.outputs["status"], step.outputs["runCount"]) == ("running", "7")


def test_a_cancelled_step_stops_its_run(action, tmp_path):
    """The runner signals the process that it started, which is Python by then."""
    with Opsera([(0, "running"), (90, "success")]) as opsera:
        step = Step(action, tmp_path, **inputs(opsera))
        wait_until(lambda: opsera.count("logs") > 0)
        step.process.send_signal(signal.SIGINT)
        assert step.wait() == 130, step.log
        assert opsera.stopped
    assert step.outputs["status"] == "cancelled"


@pytest.mark.parametrize("on_busy", ["queue", "attach"])
def test_a_cleanup_step_stops_what_a_killed_step_left(action, tmp_path, on_busy):
    """A composite action has no post step; a run to which the step may have attached is left."""
    with Opsera([(0, "running"), (90, "success")]) as opsera:
        given = {**inputs(opsera), "on_busy": on_busy}
        step = Step(action, tmp_path, **given)
        wait_until(lambda: opsera.count("logs") > 0)
        step.process.kill()
        step.wait()
        assert not opsera.stopped
        count = step.outputs["runCount"]
        cleanup = Step(action, tmp_path, **given, command="cleanup", run_count=count)
        assert cleanup.wait() == 0, cleanup.log
        assert opsera.stopped == (on_busy == "queue")


def test_a_cleanup_step_without_a_run_asks_nothing(action, tmp_path):
    with Opsera() as opsera:
        step = Step(action, tmp_path, **inputs(opsera), command="cleanup")
        assert step.wait() == 0, step.log
        assert opsera.requests == []
    assert "Nothing to clean up." in step.log


@pytest.mark.parametrize("version", [None, (3, 9)])
def test_an_old_python_on_the_runner_is_reported(action, tmp_path, version):
    if version is not None:
        (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n", "utf-8")
        (tmp_path / "python3").chmod(0o755)
    step = Step(action, tmp_path, path=str(tmp_path))
    assert step.wait() == 2
    assert step.log.startswith("::error title=opsera-step::This action needs Python 3.10 or newer")


def test_a_newer_python_under_another_name_is_found(action, tmp_path):
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n", "utf-8")
    (tmp_path / "python3.12").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', "utf-8")
    for name in ("python3", "python3.12"):
        (tmp_path / name).chmod(0o755)
    step = Step(action, tmp_path, path=str(tmp_path), command="status")
    assert step.wait() == 2
    assert "token" in step.log


@pytest.mark.long
def test_the_first_request_takes_less_than_a_second(tmp_path):
    """From a release's file: processor time of the whole step, since other tests are running."""
    released = tmp_path / "native"
    released.mkdir()
    (released / "run.py").write_bytes((ROOT / "native/run.py").read_bytes())
    package.build(released / "opsera-step.pyz")
    seconds = []
    for number in range(5):
        directory = tmp_path / str(number)
        directory.mkdir()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with Opsera() as opsera:
            step = Step(released, directory, **inputs(opsera), command="status")
            assert step.wait() == 0, step.log
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 1.0


# Takes away what Windows doesn't have, then runs the entry point.
WITHOUT_POSIX = """
import os, runpy, select, signal, sys

for name in ("fcntl", "grp", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None
for name in (
    "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "chown", "fchown", "fork", "getegid", "geteuid",
    "getgid", "getpgid", "getuid", "killpg", "mkfifo", "set_blocking",
):
    delattr(os, name)
del select.poll
signal.SIGBREAK = signal.SIGUSR1
os.supports_dir_fd = set()
os.supports_follow_symlinks = set()
for name in ("pthread_kill", "pthread_sigmask", "setitimer", "siginterrupt", "sigwait"):
    delattr(signal, name)
entry = sys.argv.pop(1)
sys.argv[0] = entry
runpy.run_path(entry, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("interrupt", "code"), [(None, 1), (signal.SIGINT, 130), (signal.SIGUSR1, 143)]
)
def test_a_job_needs_nothing_that_windows_does_not_have(tmp_path, interrupt, code):
    """A substitute for Windows runners, which only the CI has."""
    files = Files(tmp_path, "github")
    with Opsera([(0, "running"), (90 if interrupt else 0.1, "failed")]) as opsera:
        environ = {
            "PATH": os.defpath, **files.environment(),
            **inputs_for(opsera, report_dir="report", poll_interval="0.2"),
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-Iu", "-c", WITHOUT_POSIX, str(ROOT / "entrypoint.py")],
            cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8",
        )  # fmt: skip
        if interrupt:
            wait_until(lambda: opsera.count("logs") > 1)
            process.send_signal(interrupt)
        log, _ = process.communicate(timeout=50)
        assert process.returncode == code, log
        assert opsera.stopped == bool(interrupt)
    outputs = github_files.outputs((tmp_path / "github_output").read_bytes()).values
    assert outputs["status"] == ("cancelled" if interrupt else "failed")
    assert (tmp_path / "report/report.html").exists()
    assert (tmp_path / "github_step_summary").read_text("utf-8")
