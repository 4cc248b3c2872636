"""The end of the job log: the result and the remedy, for users who read only this."""

from __future__ import annotations

import pytest

from opsera_step.api import State
from opsera_step.display import print_result, print_steps
from opsera_step.outcome import Outcome
from opsera_step.runs import StepResult, events
from tests.support.sheet import Sheet, joblog

LINK = "https://portal.opsera.io/x"
RUN = Outcome(
    "success", 0, "", "Do this.", pipeline_name="Shop", run_count=42, url=LINK, log_complete=True
)


def printed(outcome: Outcome, sheet: Sheet | None = None, **options) -> list[str]:
    sheet = sheet or Sheet()
    print_result(outcome, joblog(sheet), **{"log_wanted": True, **options})
    return sheet.printed


@pytest.mark.parametrize(
    ("status", "code", "shown"),
    [
        ("success", 0, "Run 42 of “Shop” succeeded. Do this."),
        ("paused", 0, "Run 42 of “Shop” is paused. Do this."),
        ("running", 0, "Do this."),
        ("failed", 1, "!error Opsera pipeline failed: Run 42 of “Shop” failed.\nDo this."),
        ("stopped", 1, "!error Opsera pipeline stopped: Run 42 of “Shop” was stopped.\nDo this."),
        ("timeout", 124, "!error Opsera pipeline timed out: M.\nDo this."),
        ("error", 3, "!error opsera-step: M.\nDo this."),
        ("cancelled", 143, "warning: M. Do this."),
    ],
)
def test_only_what_fails_the_job_is_an_error(status, code, shown):
    """A job that exits with 0 shows no error; the link follows in a line of its own."""
    message = "M." if status in ("timeout", "error", "cancelled") else ""
    outcome = RUN.but(status=status, exit_code=code, message=message)
    assert printed(outcome) == [shown, f"View in Opsera: {LINK}"]
    assert printed(outcome, with_link=False) == [shown]


def test_a_timeout_without_a_run_is_not_the_pipelines():
    """The time may have run out before any run was known, or in a query about a run."""
    outcome = RUN.but(status="timeout", exit_code=124, message="M.")
    for other in (outcome.but(run_count=None), outcome.but(about_run=False)):
        assert printed(other)[0] == "!error opsera-step: M.\nDo this."


def test_a_job_that_fails_because_of_a_pause_has_an_error_annotation():
    """It names the approval step, and what to do."""
    (error, _) = printed(RUN.but(status="paused", exit_code=8, waits_for="Approve"))
    assert error == (
        "!error Opsera pipeline waiting for approval: Run 42 of “Shop” is waiting for approval at "
        "“Approve”. The job fails because on_paused is set to fail.\nDo this."
    )


def test_who_stopped_the_run_is_shown_if_a_record_has_it():
    """Never a name that no record carries."""
    stopped = RUN.but(status="stopped", exit_code=1, hint="", url="")
    assert printed(stopped) == ["!error Opsera pipeline stopped: Run 42 of “Shop” was stopped."]
    (error,) = printed(stopped.but(stopped_by="Dana Ortiz"))
    assert error.endswith("Run 42 of “Shop” was stopped by Dana Ortiz.")


@pytest.mark.parametrize("quotes", [True, False])
def test_a_failure_quotes_its_cause(quotes):
    """The annotation has the line that names the cause; it is read apart from the log."""
    sheet = Sheet(folds=True, quotes_details=quotes)
    log = joblog(sheet)
    log.show(events.LogLines("1", "Test", "", ("fine", "ERROR: boom", "bye")))
    log.show(events.LogLines("2", "Clean up", "", ("gone",)))
    failed = StepResult("Test", "", State.FAILED, id="1")
    outcome = RUN.but(status="failed", exit_code=1, failed_step="Test", steps=(failed,))
    print_result(outcome, log, log_wanted=True)
    assert sheet.details == [["ERROR: boom"]]
    assert sheet.printed.count("» ERROR: boom") == (1 if quotes else 2)


def test_each_failed_step_has_an_error_as_far_as_they_are_shown():
    """Each step that failed in parallel has one; the last has the number of omitted ones."""
    steps = tuple(
        StepResult(f"S{number}", "", State.FAILED, id=str(number), message=f"S{number} failed: why")
        for number in range(20)
    )
    outcome = RUN.but(status="failed", exit_code=1, failed_step="S3", steps=steps)
    for most, shown in ((None, 20), (10, 10)):
        errors = [line for line in printed(outcome, most_errors=most) if line.startswith("!error")]
        assert len(errors) == shown
        assert errors[1] == "!error Opsera step “S0” failed: why"
        assert ("10 more steps failed." in errors[-1]) is (most == 10)


@pytest.mark.parametrize(
    ("status", "code", "complete", "wanted", "warned"),
    [
        ("failed", 1, False, True, True),
        ("success", 0, True, True, False),
        ("success", 0, False, False, False),
        ("cancelled", 143, False, True, False),
        ("timeout", 124, False, True, False),
    ],
)
def test_an_incomplete_log_is_reported(status, code, complete, wanted, warned):
    """Missing lines are reported if they were wanted and the run had ended."""
    outcome = RUN.but(status=status, exit_code=code, log_complete=complete)
    lines = printed(outcome, log_wanted=wanted)
    assert any("Opsera log incomplete" in line for line in lines) is warned


class TestSteps:
    """A line for each step, with one word per state."""

    STEPS = (
        StepResult("Build", "", State.SUCCESS, 5.0),
        StepResult("Test", "", State.FAILED, 65.0),
        StepResult("Lint", "", State.STOPPED, 1.0),
        StepResult("Approve", "", State.PAUSED, 9.0, 1_700_000_000.0),
        StepResult("Scan", out_of_reach=True),
        StepResult("Deploy"),
    )

    def test_each_step_has_a_line(self):
        """What is unknown is called unknown, never skipped, failed, or not started."""
        sheet = Sheet(folds=True)
        log = joblog(sheet)
        log.show(events.LogLines("1", "Test", "", ("x",)))
        print_steps(RUN.but(steps=self.STEPS, at=1_700_003_600.0), log)
        assert sheet.printed[2:] == [
            "]", "✓ Build · succeeded in 5s", "✗ Test · failed in 1m05s", "■ Lint · stopped in 1s",
            "‖ Approve · waiting for approval since 22:13 UTC", "· Scan · result unknown",
            "· Deploy · not started",
        ]  # fmt: skip

    def test_of_very_many_steps_the_bad_ones_are_listed(self):
        """A list that is too long to read is cut to what did not succeed."""
        steps = [StepResult(f"S{number}", "", State.SUCCESS, 1.0) for number in range(99)]
        steps[70] = StepResult("Test", "", State.FAILED, 2.0)
        sheet = Sheet()
        print_steps(RUN.but(status="failed", steps=tuple(steps)), joblog(sheet))
        assert sheet.printed == ["✗ Test · failed in 2s", "· and 98 more steps"]

    def test_steps_without_any_result_are_not_listed(self):
        """The plan alone, as after a cancellation, has no information about the run."""
        sheet = Sheet()
        print_steps(RUN.but(steps=self.STEPS[4:]), joblog(sheet))
        assert sheet.printed == []
