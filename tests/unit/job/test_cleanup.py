"""The cleanup on GitHub, on a fake clock: a run that appears late, while API calls fail."""

from __future__ import annotations

import io

import pytest

from opsera_step.clock import FakeClock
from opsera_step.config import Setting
from opsera_step.job import Output, run_job
from opsera_step.signals import Signals
from opsera_step.simulator import Fault, Simulator
from tests.support import scenes
from tests.support.jobs import MARKS, inputs_for


@pytest.mark.parametrize(
    "fault",
    [
        None,
        Fault(call="summary", status=401, nth=2, times=1),
        Fault(call="summary", status=502, after=0.5, until=8.0),
    ],
    ids=["no fault", "one 401", "an outage"],
)
def test_a_run_whose_request_was_in_flight_is_found_and_stopped(fault):
    """It appears a few seconds later; an API error doesn't end the search."""
    clock, log = FakeClock(), io.StringIO()
    faults = [fault] if fault else []
    with Simulator(
        scenes.SLOW, clock=clock, seed=1, faults=faults, flags={"run_count_lag": 2.5}
    ) as simulator:
        simulator.start_run(user="Alex Kim")
        state = {"STATE_opsera_before": "41", "STATE_opsera_pipeline": simulator.pipeline_id}
        environ = {**MARKS["github"], **inputs_for(simulator), **state}
        options = {"command": Setting("cleanup", "the command line")}
        code = run_job(environ, Output(log), Signals(), options=options, clock=clock)
        assert (code, simulator.count("stop")) == (0, 1), log.getvalue()
