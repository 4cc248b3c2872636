"""Approve and reject a waiting run: over HTTP, on the command line and as a job's command."""

from __future__ import annotations

import json

import pytest

from opsera_step.clock import FakeClock
from opsera_step.simulator import Fault, Simulator
from tests.support import scenes
from tests.support.shell import command, opsera


@pytest.fixture
def waiting():
    """A pipeline whose run 42 waits for approval."""
    clock = FakeClock()
    with Simulator(scenes.PAUSES, clock=clock, seed=1) as simulator:
        simulator.start_run()
        clock.sleep(60)
        yield simulator, clock


def test_approve(waiting):
    """What is waiting is shown, and the run continues."""
    waiting, clock = waiting
    typed = opsera(waiting, "approve", "--yes")
    assert typed.code == 0, typed.err
    assert "is waiting for approval at “Approve production”" in typed.err
    assert "Approved run 42 at “Approve production”." in typed.err + typed.out
    clock.sleep(60)
    assert opsera(waiting, "status", "--exit-status").code == 0


def test_reject(waiting):
    """A rejected run does not continue."""
    waiting, clock = waiting
    typed = opsera(waiting, "reject", "--message", "Wrong version", "--yes")
    assert typed.code == 0, typed.err
    clock.sleep(60)
    assert opsera(waiting, "status", "--exit-status").code == 1


def test_a_step_by_its_id(waiting):
    """--step takes the ID of the approval step, too."""
    waiting, _ = waiting
    plan = opsera(waiting, "pipeline", "show", "--format", "json").json["workflow"]["plan"]
    assert opsera(waiting, "approve", "--yes", "--step", plan[1]["_id"]).code == 0
    assert waiting.count("actions") == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("approve",), "not a terminal; pass --yes to confirm"),
        (("approve", "--yes", "--run-count", "41"), "run 42 is waiting for approval, not run 41"),
        (
            ("approve", "--yes", "--step", "Deploy"),
            "waiting at “Approve production”, not at “Deploy”",
        ),
    ],
)
def test_nothing_else_is_approved(waiting, words, reason):
    """Without confirmation, or if another run or step is waiting, nothing is sent."""
    waiting, _ = waiting
    typed = opsera(waiting, *words)
    assert (typed.code, waiting.count("actions")) == (2, 0)
    assert reason in typed.err


def test_a_run_that_does_not_wait_is_not_approved():
    """An approval of a run that is not paused is invalid input."""
    with Simulator(scenes.PASSES, clock=FakeClock(), seed=1) as simulator:
        typed = opsera(simulator, "approve", "--yes")
        assert (typed.code, simulator.count("actions")) == (2, 0)


@pytest.mark.parametrize("form", ["envelope", "plain"])
@pytest.mark.parametrize(
    ("words", "done"), [(("approve",), "Approved"), (("reject", "--message", "no"), "Rejected")]
)
def test_either_form_of_response(form, words, done):
    """What the response of the v2 endpoint looks like is not documented."""
    clock = FakeClock()
    with Simulator(scenes.PAUSES, clock=clock, seed=1, flags={"v2_format": form}) as simulator:
        simulator.start_run()
        clock.sleep(60)
        typed = opsera(simulator, *words, "--yes", "--format", "json")
        assert typed.code == 0, typed.err
        message = f"{done} run 42 at “Approve production”. The pipeline step has been"
        assert typed.json["message"].startswith(message)


@pytest.mark.parametrize("form", ["envelope", "plain"])
@pytest.mark.parametrize("answer", ["failed", "400", "409"])
def test_another_user_was_faster(form, answer):
    """If Opsera refuses the decision, its message is reported, and nothing is sent again."""
    flags = {"decision_not_paused": answer, "v2_format": form, "summary_lag": 600.0}
    clock = FakeClock()
    with Simulator(scenes.PAUSES, clock=clock, seed=1, flags=flags) as simulator:
        simulator.start_run()
        clock.sleep(900)
        assert simulator.approve()
        typed = opsera(simulator, "approve", "--yes")
        assert (typed.code, simulator.count("actions")) == (3, 1), typed.err
        assert "Approved" not in typed.out + typed.err


def test_as_the_command_of_a_job(waiting):
    """A workflow can approve, with all outputs."""
    waiting, _ = waiting
    typed = command(waiting, "approve --yes --step 'Approve production'", GITHUB_ACTIONS="true")
    assert typed.code == 0, typed.out
    assert "Approved run 42" in typed.out


def test_a_lost_response_is_not_sent_again(waiting):
    """If the response is lost but the run continues, the approval counts as given."""
    waiting, _ = waiting
    waiting.add_fault(Fault(call="actions", kind="http", status=502, effect=True, times=1))
    typed = opsera(waiting, "approve", "--yes", "--format", "json")
    assert (typed.code, waiting.count("actions")) == (0, 1), typed.err
    assert json.loads(typed.out)["exitCode"] == 0
