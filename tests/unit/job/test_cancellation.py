"""A hanging main thread: the watchdog stops the run once, and writes the outputs."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from opsera_step.clock import FakeClock
from opsera_step.job import cancellation
from opsera_step.signals import Signals
from opsera_step.simulator import Fault, Simulator
from tests.support import scenes
from tests.support.jobs import Files, Finished, play_with

Action = Callable[[Signals], None]


def unheard_sigterm(signals: Signals) -> None:
    """Do what the watchdog does after a signal that the main thread does not handle."""
    signals.number = signal.SIGTERM
    signals.emergency.stop_run(1.0)


def sigterm(signals: Signals) -> None:
    signals.notice(signal.SIGTERM)


def overrun(signals: Signals) -> None:
    signals.emergency.stop_run(1.0)
    signals.emergency.write_outputs(124)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """The watchdog lives in real time; a run on a fake clock does not end meanwhile."""
    monkeypatch.setattr(cancellation, "CANCEL_BUDGET", 1.0)


def play(
    directory: Path, *actions: tuple[float, Action], faults: tuple[Fault, ...] = (), **inputs: str
) -> tuple[Finished, Simulator]:
    """Play an hour-long run in which actions come at their times."""
    clock, signals = FakeClock(), Signals()
    with Simulator(scenes.SLOW, clock=clock, seed=1, faults=list(faults)) as simulator:
        for at, action in actions:
            clock.call_at(at, lambda action=action: action(signals))
        return play_with(simulator, clock, Files(directory), signals, **inputs), simulator


def test_the_watchdog_stops_the_run_and_the_job_reports_it(tmp_path):
    """The main thread, back again, does not stop the run once more, and reports the same."""
    job, simulator = play(tmp_path, (50.0, unheard_sigterm), (50.5, sigterm))
    assert (job.code, simulator.count("stop")) == (143, 1)
    assert job.outputs["OPSERA_MESSAGE"].startswith("Cancelled. Run 42 ")


def test_the_main_thread_that_was_first_stops_the_run(tmp_path):
    """One stop call, whichever thread sends it."""
    job, simulator = play(tmp_path, (50.0, sigterm), (50.6, unheard_sigterm))
    assert (job.code, simulator.count("stop")) == (143, 1)


@pytest.mark.parametrize("on_cancel", ["auto", "leave"])
def test_a_run_that_looks_final_for_a_moment(tmp_path, on_cancel):
    """A status that was not confirmed is neither a reason to leave the run nor its result."""
    plan = scenes.scenario(scenes.step("One", duration=10.0), scenes.step("Two", duration=600.0))
    clock, signals = FakeClock(), Signals()
    flags = {"flicker_seconds": 2.0}
    with Simulator(plan, clock=clock, seed=1, flags=flags) as simulator:
        clock.call_at(11.9, lambda: sigterm(signals))
        inputs = {"on_cancel": on_cancel, "poll_interval": "0.5"}
        job = play_with(simulator, clock, Files(tmp_path), signals, **inputs)
        assert simulator.count("stop") == (on_cancel == "auto")
    assert job.outputs["OPSERA_STATUS"] == "cancelled"


@pytest.mark.parametrize("inputs", [{"on_busy": "attach"}, {"command": "watch"}])
def test_a_run_that_this_job_did_not_start_is_left(tmp_path, inputs):
    """By default, a cancelled job stops only the run that it started."""
    clock, signals = FakeClock(), Signals()
    with Simulator(scenes.SLOW, clock=clock, seed=1) as simulator:
        simulator.start_run()
        clock.call_at(50.0, lambda: sigterm(signals))
        job = play_with(simulator, clock, Files(tmp_path), signals, **inputs)
        assert (job.code, simulator.count("stop")) == (143, 0)
    assert "because this job did not start it" in job.log


@pytest.mark.parametrize(
    "inputs",
    [{"on_cancel": "leave"}, {"command": "logs"}, {"command": "status"}, {"command": "watch"}],
)
def test_the_watchdog_leaves_what_is_to_be_left(tmp_path, inputs):
    """It follows on_cancel, the command, and who started the run."""
    actions = [(at, unheard_sigterm) for at in (0.0, 0.5, 3.0)]
    _, simulator = play(tmp_path, *actions, (4.0, sigterm), **inputs)
    assert simulator.count("stop") == 0


def test_the_watchdog_stops_nothing_before_there_is_a_run(tmp_path):
    """While nothing was requested there is nothing to stop."""
    outage = Fault(call="summary", kind="http", status=503, until=60.0)
    job, simulator = play(tmp_path, (5.0, unheard_sigterm), (6.0, sigterm), faults=(outage,))
    assert (job.code, simulator.count("stop"), simulator.count("run")) == (143, 0, 0)


def test_the_watchdog_writes_the_outputs(tmp_path):
    """The outputs of a job that hangs have its result."""
    seen: dict[str, str] = {}
    files = Files(tmp_path)

    def hang(signals: Signals) -> None:
        unheard_sigterm(signals)
        signals.emergency.write_outputs(143)
        seen.update(files.outputs)

    _, simulator = play(tmp_path, (50.0, hang), (60.0, sigterm))
    assert simulator.count("stop") == 1
    assert seen["OPSERA_STATUS"] == "cancelled"
    assert "Cancelled while blocked on output; Run 42 " in seen["OPSERA_MESSAGE"]


def test_a_settled_outcome_stays(tmp_path):
    """An outcome that is in the outputs is not replaced, and its run not stopped."""
    clock, signals = FakeClock(), Signals()
    with Simulator(scenes.FAILS, clock=clock, seed=1) as simulator:
        job = play_with(simulator, clock, Files(tmp_path), signals)
        signals.emergency.stop_run(1.0)
        assert signals.emergency.write_outputs(124) == 1
        assert (job.code, job.files.outputs["OPSERA_STATUS"]) == (1, "failed")
        assert simulator.count("stop") == 0


@pytest.mark.parametrize(("on_timeout", "stops"), [("auto", 1), ("stop", 1), ("leave", 0)])
def test_a_job_that_overruns_its_timeout(tmp_path, on_timeout, stops):
    """The run is stopped if that is wanted, and the output status is timeout."""
    seen: dict[str, str] = {}
    counts: list[int] = []
    files = Files(tmp_path)

    def hang(signals: Signals) -> None:
        overrun(signals)
        seen.update(files.outputs)
        counts.append(simulators[0].count("stop"))

    simulators: list[Simulator] = []
    clock, signals = FakeClock(), Signals()
    with Simulator(scenes.SLOW, clock=clock, seed=1) as simulator:
        simulators.append(simulator)
        clock.call_at(50.0, lambda: hang(signals))
        clock.call_at(60.0, lambda: sigterm(signals))
        play_with(simulator, clock, files, signals, on_timeout=on_timeout)
    assert seen["OPSERA_STATUS"] == "timeout"
    assert "Timed out while blocked on output" in seen["OPSERA_MESSAGE"]
    assert counts == [stops]
