"""The outcome, and the outputs that follow from it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from opsera_step.api import RunStatus, State
from opsera_step.errors import ApiError, ExitCode
from opsera_step.outcome import (
    EXIT_CODE_OF_STATE,
    OUTPUTS,
    SCHEMA_VERSION,
    Outcome,
    moment_text,
    outcome_of,
    sentence,
    step_result,
)
from opsera_step.runs import Ended, EndReason, StepResult, StopResult

FULL = Outcome(
    "failed", 1, "It “failed”.", "Look.", "65a4", "Déploy shop", 42, "https://app/x",
    started_at=1_767_225_600.0, finished_at=1_767_225_675.46, elapsed=80.04,
    failed_step="Test", log_lines=1234, log_complete=True,
    steps=(StepResult("Build", "jenkins", State.SUCCESS, 5.04), StepResult("Test")),
)  # fmt: skip


def test_outputs_of_a_run():
    """Each output is text: numbers whole, switches in lower case."""
    outputs = FULL.outputs()
    outputs.pop("result")
    assert outputs == {
        "runCount": "42", "url": "https://app/x", "status": "failed", "message": "It “failed”.",
        "pipelineId": "65a4", "pipelineName": "Déploy shop", "duration": "75",
        "startedAt": "2026-01-01T00:00:00.000Z", "finishedAt": "2026-01-01T00:01:15.460Z",
        "failedStep": "Test", "logLines": "1234", "logComplete": "true",
    }  # fmt: skip


def test_the_result_is_the_whole_outcome():
    """The output `result` is JSON in one line, readable without decoding, with all there is."""
    result = FULL.outputs()["result"]
    assert json.loads(result) == {
        "schemaVersion": 1,
        "status": "failed", "exitCode": 1, "message": "It “failed”.", "hint": "Look.",
        "pipelineId": "65a4", "pipelineName": "Déploy shop", "runCount": 42,
        "url": "https://app/x", "duration": 75.5, "failedStep": "Test", "reason": "",
        "startedAt": "2026-01-01T00:00:00.000Z", "finishedAt": "2026-01-01T00:01:15.460Z",
        "elapsed": 80.0, "stoppedBy": "",
        "waitsFor": "",
        "logLines": 1234, "logComplete": True,
        "steps": [
            {
                "name": "Build", "tool": "jenkins", "state": "success", "seconds": 5.0,
                "startedAt": None,
            },
            {"name": "Test", "tool": "", "state": None, "seconds": None, "startedAt": None},
        ],
    }  # fmt: skip
    assert "\n" not in result
    assert "Déploy shop" in result


def test_outputs_of_nothing():
    """What is not known is empty, never `None`."""
    outputs = Outcome("error", 2).outputs()
    assert (outputs["runCount"], outputs["url"], outputs["failedStep"]) == ("", "", "")
    assert (outputs["duration"], outputs["logLines"], outputs["logComplete"]) == ("", "0", "false")
    assert "None" not in "".join(value for name, value in outputs.items() if name != "result")


def test_early_outputs_are_the_same_later():
    """What is written as soon as the run is known is what is written at the end."""
    assert FULL.early_outputs() == {"runCount": "42", "url": "https://app/x"}
    assert FULL.early_outputs().items() <= FULL.outputs().items()


def test_an_outcome_never_changes():
    """To learn more makes a new outcome."""
    later = FULL.but(status="success", exit_code=0)
    assert (FULL.status, later.status, later.run_count) == ("failed", "success", 42)
    with pytest.raises(AttributeError):
        FULL.status = "success"  # type: ignore[misc]


@pytest.mark.parametrize("state", [State.RUNNING, State.UNKNOWN])
def test_no_exit_code_for_a_run_in_progress(state):
    """Only a state in which a run is idle has an exit code, and only success has 0."""
    assert state not in EXIT_CODE_OF_STATE
    assert [one for one, code in EXIT_CODE_OF_STATE.items() if code == 0] == [State.SUCCESS]


def test_the_schema_has_every_value():
    """The published schema has every exit code, every status and every state of a step."""
    file = Path(__file__).parents[2] / "docs" / "result.schema.json"
    schema = json.loads(file.read_text("utf-8"))
    codes = set(schema["properties"]["exitCode"]["enum"])
    assert codes == set(map(int, ExitCode))
    shown = re.findall(r"\w+", OUTPUTS["status"].partition(":")[2].replace(" or ", " "))
    assert schema["properties"]["status"]["enum"] == shown
    states = {state.value for state in State} | {None}
    assert set(schema["$defs"]["step"]["properties"]["state"]["enum"]) == states
    assert schema["properties"]["schemaVersion"]["const"] == SCHEMA_VERSION


@pytest.mark.parametrize(
    ("stop", "message", "state"),
    [
        (
            StopResult("Run 42 stopped.", RunStatus(State.STOPPED, "stopped")),
            "Timed out: run 42 did not finish within 5m and was stopped.",
            State.STOPPED,
        ),
        (
            StopResult("Run 42 is being stopped.", RunStatus(State.RUNNING, "running")),
            "Timed out: run 42 did not finish within 5m. Run 42 is being stopped.",
            State.RUNNING,
        ),
        (None, "Timed out: run 42 did not finish within 5m. Left.", State.RUNNING),
    ],
)
def test_a_run_that_timed_out(stop, message, state):
    """A run that was stopped has no step in progress; how long that took is unknown."""
    known = FULL.but(steps=(StepResult("Build", "", State.RUNNING, 3.0),))
    ended = Ended(EndReason.TIMEOUT, RunStatus(State.RUNNING, "running"), log_complete=False)
    outcome = outcome_of(known, ended, stop, left="Left.", timeout=300.0)
    assert (outcome.status, outcome.exit_code, outcome.message) == ("timeout", 124, message)
    (step,) = outcome.steps
    assert (step.state, step.seconds) == (state, None if state is State.STOPPED else 3.0)


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        (
            StopResult("Run 42 stopped.", RunStatus(State.STOPPED, "stopped")),
            "HTTP 429. The timeout (5m) expired, and run 42 was stopped.",
        ),
        (
            StopResult("Run 42 could not be stopped. HTTP 429.", None, ApiError("HTTP 429.")),
            (
                "HTTP 429. The timeout (5m) expired, and the result of run 42 is unknown. "
                "Run 42 could not be stopped."
            ),
        ),
        (None, "HTTP 429. The timeout (5m) expired, and the result of run 42 is unknown. Left."),
    ],
)
def test_a_timeout_during_an_outage_starts_with_the_cause(stop, message):
    """It is not known whether the run finished in time, so the message omits that."""
    ended = Ended(EndReason.TIMEOUT, None, log_complete=False, detail="HTTP 429.")
    outcome = outcome_of(FULL, ended, stop, left="Left.", timeout=300.0)
    assert (outcome.status, outcome.exit_code, outcome.message) == ("timeout", 124, message)
    assert "Increase" not in outcome.hint


def test_steps_of_a_lost_run_are_not_called_running():
    """The run is no longer watched, so whether they still run is unknown."""
    steps = (
        StepResult("Build", "jenkins", State.SUCCESS, 5.0, 1.0),
        StepResult("Test", "jenkins", State.RUNNING, started_at=6.0),
        StepResult("Approve", state=State.PAUSED, started_at=7.0),
    )
    ended = Ended(EndReason.LOST, None, log_complete=False, detail="Unknown final status “done?”")
    found = outcome_of(FULL.but(steps=steps), ended, None).steps
    assert [step_result(step, None) for step in found] == [
        "succeeded in 5s", "started (result unknown)", "started (result unknown)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (1_700_000_000.0, "22:13 UTC"),
        (1_700_003_600.0, "22:13 UTC"),
        (1_700_086_400.0, "2023-11-14 22:13 UTC"),
        (None, "2023-11-14 22:13 UTC"),
    ],
)
def test_a_moment_of_another_day_has_its_date(now, text):
    """A step that has waited since yesterday is not shown as started today."""
    assert moment_text(1_700_000_000.0, now) == text
    gate = StepResult("Approve", "", State.PAUSED, 0.0, 1_700_000_000.0)
    paused = FULL.but(status="paused", exit_code=8, waits_for="Approve", steps=(gate,), at=now)
    assert f"since {text}." in sentence(paused)
