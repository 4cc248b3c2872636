"""Jenkins: the Jenkinsfiles, run by Groovy with real `sh` steps."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from scripts import package
from tests.platforms.containers import SECONDS, dotenv, until
from tests.platforms.running import ROOT, run

EXAMPLES = ROOT / "examples/jenkins"
SCRIPT = ROOT / "tests/platforms/jenkins/Jenkins.groovy"
LIBRARY = ROOT / "jenkins"

SINGLE_FILE = """\
@Library('opsera-step@v0.1.0') _
pipeline {{
  agent {{ label 'any' }}
  stages {{
    stage('Deploy') {{
      steps {{
        opseraRun(pipeline: '65a4f00dc0ffee0123456789', single_file: '{program}')
      }}
    }}
  }}
}}
"""


@pytest.fixture
def jenkins(facts, tmp_path):
    """Returns the command that runs a Jenkinsfile in an empty workspace."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()

    def start(name, simulator, **environ):
        env = {
            "PATH": f"{facts['docker'].rpartition('/')[0]}:/usr/local/bin:/usr/bin:/bin",
            "JAVA_HOME": facts["java_home"], "WORKSPACE": str(workspace), "HOME": str(tmp_path),
            "OPSERA_IMAGE": facts["image"], "OPSERA_BASE_URL": simulator.url,
            "CREDENTIAL_opsera_token": simulator.token, "LC_ALL": "C.UTF-8", **environ,
        }  # fmt: skip
        return workspace, [facts["groovy"], SCRIPT, EXAMPLES / name, LIBRARY], env

    return start


@pytest.mark.parametrize(
    ("name", "scenario", "result", "expected"),
    [
        ("Jenkinsfile", "success", "SUCCESS", "Run 42 ended with success"),
        ("Jenkinsfile", "failure", "FAILURE", "Run 42 ended with failed"),
        ("Jenkinsfile", "pause", "FAILURE", "Run 42 ended with paused"),
        ("deploy-after-build.Jenkinsfile", "success", "SUCCESS", "Deployed by run 42"),
        ("matrix.Jenkinsfile", "two", "SUCCESS", "search: success"),
        ("approval.Jenkinsfile", "pause", "SUCCESS", "Approved run 42"),
        ("rerun.Jenkinsfile", "busy", "SUCCESS", "succeeded"),
    ],
)
def test_the_result_of_the_build(jenkins, simulate, name, scenario, result, expected):
    """The build's result follows the exit code, and the outputs can be read."""
    simulator = simulate(scenario)
    workspace, command, env = jenkins(name, simulator)
    done = run(command, 170, cwd=workspace, env=env)
    assert f"Finished: {result}" in done.output, done
    assert expected in done.output, done
    assert "null" not in done.output.replace("description: null", ""), done
    assert simulator.token not in done.output


def test_the_results_are_published(jenkins, simulate):
    """The JUnit file and the report are in the workspace."""
    simulator = simulate("failure")
    workspace, command, env = jenkins("Jenkinsfile", simulator)
    done = run(command, 170, cwd=workspace, env=env)
    assert re.search(r"^junit: \d+ tests, 1 failed$", done.output, re.MULTILINE), done
    assert "result.json" in done.output
    assert dotenv(workspace / "opsera.env")["OPSERA_MESSAGE"] in done.output


def test_a_build_without_a_run(jenkins, simulate):
    """The build prints that no run was started, and not “Run null”."""
    simulator = simulate("success")
    workspace, command, env = jenkins("Jenkinsfile", simulator, CREDENTIAL_opsera_token="f" * 24)
    done = run(command, 170, cwd=workspace, env=env)
    assert "No run was started." in done.output, done
    assert "Run null" not in done.output


def test_an_aborted_build_stops_the_run(jenkins, simulate, facts):
    """If the container is killed, the library stops its run."""
    simulator = simulate("slow", speed=1.0)
    workspace, command, env = jenkins("Jenkinsfile", simulator)
    process = subprocess.Popen(
        command, cwd=workspace, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    until(lambda: simulator.count("logs") > 1 or process.poll() is not None, SECONDS)
    listed = run([facts["docker"], "ps", "--no-trunc", "--format", "{{.ID}} {{.Mounts}}"], 30)
    for line in listed.output.splitlines():
        if str(workspace) in _mounts(facts, line.split()[0]):
            run([facts["docker"], "kill", "--signal", "KILL", line.split()[0]], 30)
    output, _ = process.communicate(timeout=SECONDS)
    assert "Finished: ABORTED" in output, output
    assert simulator.count("stop") == 1, output


@pytest.mark.parametrize("kind", ["container", "single file"])
def test_an_abort_reaches_the_job(jenkins, simulate, tmp_path, kind):
    """Jenkins signals every process of the step, and the job stops its own run."""
    simulator = simulate("slow", speed=1.0)
    name = "Jenkinsfile"
    if kind == "single file":
        package.build(tmp_path / "opsera-step.pyz")
        name = tmp_path / "Jenkinsfile"
        name.write_text(SINGLE_FILE.format(program=tmp_path / "opsera-step.pyz"), "utf-8")
    workspace, command, env = jenkins(name, simulator)
    process = subprocess.Popen(
        command, cwd=workspace, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    until(lambda: simulator.count("logs") > 1 or process.poll() is not None, SECONDS)
    abort(workspace)
    output, _ = process.communicate(timeout=SECONDS)
    assert "Finished: ABORTED" in output, output
    assert simulator.count("stop") == 1, output
    assert "Received SIGTERM" in output, output


def abort(workspace):
    """Send SIGTERM to all processes with the step's cookie, as Jenkins' ProcessTree does."""
    marks = (b"JENKINS_SERVER_COOKIE=durable-", f"WORKSPACE={workspace}".encode())
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            content = environ.read_bytes()
            if all(mark in content for mark in marks):
                os.kill(int(environ.parent.name), signal.SIGTERM)


def test_every_example_is_run():
    """These tests run all examples."""
    source = (ROOT / "tests/platforms/test_jenkins.py").read_text("utf-8")
    assert [one.name for one in EXAMPLES.iterdir() if f'"{one.name}"' not in source] == []


def _mounts(facts, container):
    return run([facts["docker"], "inspect", "--format", "{{json .Mounts}}", container], 30).output
