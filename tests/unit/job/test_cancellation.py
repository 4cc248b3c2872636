"""A thread that hangs: another stops the run for it, once, and leaves the outputs."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from opsera_step.clock import FakeClock
from opsera_step.job import cancellation as cancelling
from opsera_step.signals import Cancellation
from opsera_step.simulator import Fault, Simulator
from tests.support import scenes
from tests.support.jobs import Files, Finished, play_with

Deed = Callable[[Cancellation], None]


def stand_in(cancellation: Cancellation) -> None:
    """Do what the other thread does when the main one seems to hang."""
    cancellation.stand_in()


def last_words(cancellation: Cancellation) -> None:
    cancellation.last_words()


def sigterm(cancellation: Cancellation) -> None:
    cancellation.notice(signal.SIGTERM)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """The other thread lives in real time; a run on a fake clock does not end meanwhile."""
    monkeypatch.setattr(cancelling, "CANCEL_BUDGET", 1.0)


def play(
    folder: Path, *deeds: tuple[float, Deed], faults: tuple[Fault, ...] = (), **inputs: str
) -> tuple[Finished, Simulator]:
    """Play an hour-long run on which deeds come at their times."""
    clock, cancellation = FakeClock(), Cancellation()
    with Simulator(scenes.SLOW, clock=clock, seed=1, faults=list(faults)) as simulator:
        for at, deed in deeds:
            clock.call_at(at, lambda deed=deed: deed(cancellation))
        return play_with(simulator, clock, Files(folder), cancellation, **inputs), simulator


def test_whoever_stands_in_stops_the_run_and_the_job_says_so(tmp_path):
    """The main thread, back again, neither stops the run once more nor says something else."""
    job, simulator = play(tmp_path, (50.0, stand_in), (50.5, sigterm))
    assert (job.code, simulator.count("stop")) == (143, 1)
    assert job.outputs["OPSERA_MESSAGE"].startswith("The job was cancelled. Run 42 ")


def test_the_main_thread_that_was_first_is_not_stood_in_for(tmp_path):
    """One stop call, whoever sends it."""
    job, simulator = play(tmp_path, (50.0, sigterm), (50.6, stand_in))
    assert (job.code, simulator.count("stop")) == (143, 1)


@pytest.mark.parametrize(
    "inputs", [{"on_cancel": "leave"}, {"command": "logs"}, {"command": "status"}]
)
def test_nobody_stands_in_where_nothing_is_to_be_stopped(tmp_path, inputs):
    """Who stands in keeps to on_cancel, and to what the command is for."""
    deeds = [(at, stand_in) for at in (0.0, 0.5, 3.0)]
    _, simulator = play(tmp_path, *deeds, (4.0, sigterm), **inputs)
    assert simulator.count("stop") == 0


def test_nobody_stands_in_before_there_is_a_run(tmp_path):
    """While nothing was asked for, or no run is known, there is nothing to stop."""
    outage = Fault(call="summary", kind="http", status=503, until=60.0)
    job, simulator = play(tmp_path, (5.0, stand_in), (6.0, sigterm), faults=(outage,))
    assert (job.code, simulator.count("stop"), simulator.count("run")) == (143, 0, 0)


def test_last_words_stop_the_run_and_leave_the_outputs(tmp_path):
    """Where nobody stood in, the last words do."""
    seen: dict[str, str] = {}
    files = Files(tmp_path)
    peek = (50.1, lambda _: seen.update(files.outputs))
    _, simulator = play(tmp_path, (50.0, last_words), peek, (60.0, sigterm))
    assert simulator.count("stop") == 1
    assert seen["OPSERA_STATUS"] == "cancelled"
    assert "The job was cancelled and hung" in seen["OPSERA_MESSAGE"]


def test_last_words_after_the_verdict_change_nothing(tmp_path):
    """An outcome that stands in the outputs is not replaced."""
    clock, cancellation = FakeClock(), Cancellation()
    with Simulator(scenes.FAILS, clock=clock, seed=1) as simulator:
        job = play_with(simulator, clock, Files(tmp_path), cancellation)
        cancellation.last_words()
        assert (job.code, job.files.outputs["OPSERA_STATUS"]) == (1, "failed")
        assert simulator.count("stop") == 0


@pytest.mark.parametrize(("on_timeout", "stops"), [("stop", 1), ("leave", 0)])
def test_a_job_that_hangs_beyond_its_timeout_leaves_outputs(
    tmp_path, monkeypatch, on_timeout, stops
):
    """The run is stopped if that is wanted, and the outputs say timeout."""
    jobs, seen, files = [], {}, Files(tmp_path)
    monkeypatch.setattr(
        "opsera_step.job.runner.prepare_for_the_worst", lambda job, **_: jobs.append(job)
    )
    monkeypatch.setattr(cancelling, "OVERTIME_WORDS", 2.0)

    def hang(_: Cancellation) -> None:
        cancelling.overtime_words(jobs[0])
        seen.update(files.outputs)

    _, simulator = play(tmp_path, (50.0, hang), (60.0, sigterm), on_timeout=on_timeout)
    assert seen["OPSERA_STATUS"] == "timeout"
    assert "perhaps since nobody reads its log" in seen["OPSERA_MESSAGE"]
    # The signal that ends this test stops the run, too, where nobody has.
    assert simulator.count("stop") == 1
    assert ("Run 42 was asked to stop" in seen["OPSERA_MESSAGE"]) == bool(stops)
