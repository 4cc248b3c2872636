"""Branch and parameters of a run, with every way in which the API may treat them."""

from __future__ import annotations

import pytest

from opsera_step.clock import FakeClock
from opsera_step.simulator import Simulator
from tests.support.jobs import play


def run(directory, run_settings="honored", **inputs):
    clock = FakeClock()
    flags = {"run_settings": run_settings}
    with Simulator("parameters", clock=clock, seed=1, flags=flags) as simulator:
        job = play(simulator, clock, directory, **inputs)
        sent = [one.body for one in simulator.requests if one.call == "run"]
        return job, sent, simulator.count("stop")


def test_they_are_sent_as_the_portal_sends_them(tmp_path):
    """The step is the longest known name that matches; values are sent as written."""
    job, sent, _ = run(tmp_path, branch="release/1.10", parameters="Build.LOG_LEVEL=1.10")
    assert job.code == 0, job.log
    assert sent[0]["settings"] == {
        "branch": "release/1.10",
        "steps": [{"name": "Build", "stepParameters": [{"name": "LOG_LEVEL", "value": "1.10"}]}],
    }
    assert "confirms" not in job.log


def test_an_unknown_parameter_is_invalid_input(tmp_path):
    """It is rejected with a near match before a run is started."""
    job, sent, _ = run(tmp_path, parameters="Build.LOGLEVEL=debug")
    assert (job.code, sent) == (2, [])
    assert "LOG_LEVEL" in job.log


@pytest.mark.parametrize("flag", ["400", "422"])
def test_a_refusal_is_an_api_error(tmp_path, flag):
    """Where the API refuses the settings, the job ends with its message."""
    job, sent, _ = run(tmp_path, flag, branch="main")
    assert (job.code, len(sent)) == (3, 1)


def test_ignored_settings_stop_the_run(tmp_path):
    """A record that shows another branch contradicts the job: its run is stopped, and it fails."""
    job, _, stops = run(tmp_path, "ignored", branch="release")
    assert job.code == 3, job.log
    assert "uses branch “main”, not “release”" in job.log
    assert stops <= 1
