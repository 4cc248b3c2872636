"""`docker run`, as used by Jenkins, Kubernetes, and people."""

from __future__ import annotations

import json

import pytest

from tests.platforms.containers import dotenv, inputs, until

LOCKED = (
    "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
)  # fmt: skip
"""A read-only root file system, and no capabilities."""
RESULTS = [("success", 0, "success"), ("failure", 1, "failed"), ("pause", 8, "paused")]


@pytest.fixture
def workspace(tmp_path):
    """A directory that every user may write to."""
    tmp_path.chmod(0o777)
    return tmp_path


def mounted(workspace, *more):
    return ("--volume", f"{workspace}:/work", "--workdir", "/work", *more)


@pytest.mark.parametrize(("scenario", "code", "status"), RESULTS)
def test_the_exit_code_is_the_result(containers, simulate, workspace, scenario, code, status):
    """Exit code, outputs, and report are right, also for an arbitrary user."""
    simulator = simulate(scenario)
    files = {"output_file": "opsera.env", "report_dir": "report"}
    options = mounted(workspace, "--user", "1001:1001", *LOCKED)
    done = containers.run(options=options, **inputs(simulator, **files))
    outputs = dotenv(workspace / "opsera.env")
    assert (done.code, outputs["OPSERA_STATUS"]) == (code, status), done
    assert json.loads((workspace / "report/result.json").read_text())["status"] == status
    assert simulator.token not in done.output


def test_the_file_of_the_organization(containers, simulate, workspace):
    """A mounted /etc/opsera-step.yml limits the pipelines of a job."""
    simulator = simulate()
    (workspace / "opsera-step.yml").write_text(f"allowed_pipelines: [{'a' * 24}]\n")
    options = ("--volume", f"{workspace}/opsera-step.yml:/etc/opsera-step.yml:ro")
    done = containers.run(options=options, **inputs(simulator))
    assert (done.code, simulator.requests) == (2, []), done
    assert "allowed_pipelines" in done.output


def test_the_restrictions_of_kubernetes(containers, simulate, evidence):
    """It works with an arbitrary user ID, a read-only file system, and 96 MB of memory."""
    simulator = simulate()
    options = ("--user", "1000650000:0", "--workdir", "/", "--memory", "96m", *LOCKED)
    done = containers.run(options=options, **inputs(simulator))
    assert done.code == 0, done
    evidence("ran as 1000650000:0 with a read-only root, no capabilities and 96 MB of memory")


@pytest.mark.parametrize(("name", "code"), [("INT", 130), ("TERM", 143)])
def test_a_signal_reaches_process_1(containers, simulate, name, code, evidence):
    """SIGINT and SIGTERM to process 1 stop the remote run once, without delay."""
    simulator = simulate("slow", speed=1.0)
    job = containers.start(**inputs(simulator))
    until(lambda: simulator.count("logs") > 1)
    sent = simulator.now
    job.signal(name)
    done = job.wait(20)
    stop = next(one for one in simulator.requests if one.call == "stop")
    evidence(f"SIG{name}: stopped after {stop.time - sent:.2f} s, ended after "
             f"{simulator.now - sent:.2f} s")  # fmt: skip
    assert (done.code, simulator.count("stop")) == (code, 1), done


def test_a_signal_while_it_starts_is_not_lost(containers, simulate):
    """A signal during start-up ends it too, and leaves no run behind."""
    simulator = simulate("slow", speed=1.0)
    job = containers.start(**inputs(simulator))
    until(lambda: simulator.requests)
    job.signal("TERM")
    done = job.wait(30)
    assert done.code == 143, done
    assert simulator.count("run") == simulator.count("stop")


def test_a_killed_container_leaves_what_cleanup_needs(containers, simulate, workspace):
    """After SIGKILL the command `cleanup` finds the run in the output file and stops it."""
    simulator = simulate("slow", speed=1.0)
    given = inputs(simulator, output_file="opsera.env")
    job = containers.start(options=mounted(workspace), **given)
    until(lambda: simulator.count("logs") > 1)
    job.signal("KILL")
    job.wait(20)
    done = containers.run("cleanup", options=mounted(workspace), **given)
    assert (done.code, simulator.count("stop")) == (0, 1), done
