"""`docker run`, as Jenkins, Kubernetes and a person at a terminal use it."""

from __future__ import annotations

import json

import pytest

from tests.platforms.containers import dotenv, inputs, until

LOCKED = (
    "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
)  # fmt: skip
"""A root file system that can't be written, and no rights beyond those of its user."""
VERDICTS = [("success", 0, "success"), ("failure", 1, "failed"), ("pause", 8, "paused")]


@pytest.fixture
def workspace(tmp_path):
    """A folder of the job that any user may write to, mounted as the working folder."""
    tmp_path.chmod(0o777)
    return tmp_path


def mounted(workspace, *more):
    return ("--volume", f"{workspace}:/work", "--workdir", "/work", *more)


@pytest.mark.parametrize(("scenario", "code", "status"), VERDICTS)
def test_the_exit_code_is_the_verdict(containers, simulate, workspace, scenario, code, status):
    """The container's exit code and outputs tell how the run ended, to an arbitrary user too."""
    simulator = simulate(scenario)
    files = {"output_file": "opsera.env", "report_dir": "report"}
    options = mounted(workspace, "--user", "1001:1001", *LOCKED)
    done = containers.run(options=options, **inputs(simulator, **files))
    outputs = dotenv(workspace / "opsera.env")
    assert (done.code, outputs["OPSERA_STATUS"]) == (code, status), done
    assert json.loads((workspace / "report/result.json").read_text())["status"] == status
    assert simulator.token not in done.output


def test_kubernetes_way(containers, simulate, evidence):
    """An arbitrary user of the group root, nothing to write to, little memory: it still works."""
    simulator = simulate()
    options = ("--user", "1000650000:0", "--workdir", "/", "--memory", "96m", *LOCKED)
    done = containers.run(options=options, **inputs(simulator))
    assert done.code == 0, done
    evidence("ran as 1000650000:0 with a read-only root, no capabilities and 96 MB of memory")


@pytest.mark.parametrize(("name", "code"), [("INT", 130), ("TERM", 143)])
def test_a_signal_reaches_it_as_the_first_process(containers, simulate, name, code, evidence):
    """SIGINT and SIGTERM to PID 1 stop the remote run once, at once, and tell so."""
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
    """A signal in the first moment ends it too: no run is left that nobody follows."""
    simulator = simulate("slow", speed=1.0)
    job = containers.start(**inputs(simulator))
    until(lambda: simulator.requests)
    job.signal("TERM")
    done = job.wait(30)
    assert done.code == 143, done
    assert simulator.count("run") == simulator.count("stop")


def test_a_killed_container_leaves_what_the_clean_up_needs(containers, simulate, workspace):
    """After SIGKILL the command `cleanup` finds the run in the output file and stops it."""
    simulator = simulate("slow", speed=1.0)
    given = inputs(simulator, output_file="opsera.env")
    job = containers.start(options=mounted(workspace), **given)
    until(lambda: simulator.count("logs") > 1)
    job.signal("KILL")
    job.wait(20)
    done = containers.run("cleanup", options=mounted(workspace), **given)
    assert (done.code, simulator.count("stop")) == (0, 1), done


def test_output_that_cannot_be_written_does_not_change_the_verdict(containers, simulate):
    """Where the outputs can't be written it says so, and the verdict stays."""
    simulator = simulate()
    options = ("--user", "1001:1001", *LOCKED)
    done = containers.run(options=options, **inputs(simulator, output_file="/opsera.env"))
    assert done.code == 0, done
    assert "opsera.env" in done.output
