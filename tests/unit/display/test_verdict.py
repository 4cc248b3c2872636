"""The end of the job log: one look at it tells how it ended and what to do."""

from __future__ import annotations

import pytest

from opsera_step.api import State
from opsera_step.display import print_result, print_steps, reason_of, verdict_sentence
from opsera_step.outcome import Outcome
from opsera_step.runs import StepResult, events
from tests.support.sheet import Sheet, joblog

STOPPED = State.STOPPED
RUN = Outcome(
    "success", 0, "It was successful.", pipeline_name="Deploy shop", run_count=42, duration=75.4,
    url="https://app.opsera.io/x", log_complete=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (RUN, "Run 42 of “Deploy shop” succeeded after 1m15s."),
        (
            RUN.but(status="failed", exit_code=1, failed_step="Test", message="Ask Robin."),
            "Run 42 of “Deploy shop” failed in step “Test” after 1m15s. Ask Robin.",
        ),
        (
            RUN.but(
                status="failed", exit_code=1, message="Pipeline: Deploy shop's Run 42 has failed."
            ),
            "Run 42 of “Deploy shop” failed after 1m15s.",
        ),
        (
            RUN.but(status="failed", exit_code=1, failed_step="Test", reason="2 tests failed."),
            "Run 42 of “Deploy shop” failed in step “Test” after 1m15s: 2 tests failed.",
        ),
        (
            RUN.but(status="failed", exit_code=1, message=""),
            "Run 42 of “Deploy shop” failed after 1m15s.",
        ),
        (
            RUN.but(status="stopped", exit_code=1, message="By Robin."),
            (
                "Run 42 of “Deploy shop” was stopped after 1m15s, by somebody in Opsera or by "
                "another job. By Robin."
            ),
        ),
        (
            RUN.but(
                status="stopped",
                exit_code=1,
                message="Pipeline: Deploy shop's Run 42 was stopped",
                steps=(StepResult("Build", state=State.SUCCESS), StepResult("T", "", STOPPED)),
            ),
            (
                "Run 42 of “Deploy shop” was stopped in step “T” after 1m15s, by somebody in "
                "Opsera or by another job."
            ),
        ),
        (
            RUN.but(status="stopped", exit_code=0, message="It was stopped."),
            "Run 42 of “Deploy shop” was stopped after 1m15s.",
        ),
        (
            RUN.but(status="paused", exit_code=8, message="", waits_for="Approve"),
            (
                "Run 42 of “Deploy shop” is paused at “Approve” after 1m15s: somebody has to let "
                "it go on. This job fails for that (on_paused: fail)."
            ),
        ),
        (
            RUN.but(
                status="paused",
                exit_code=8,
                message="",
                waits_for="Approve",
                steps=(StepResult("Approve", "", State.PAUSED, 0.0, 1_700_000_000.0),),
            ),
            (
                "Run 42 of “Deploy shop” is paused at “Approve” since 22:13 UTC: somebody has to "
                "let it go on. This job fails for that (on_paused: fail)."
            ),
        ),
        (
            RUN.but(status="paused", exit_code=0, message="", duration=0.2),
            "Run 42 of “Deploy shop” is paused: somebody has to let it go on.",
        ),
        (RUN.but(status="timeout", exit_code=124, message="Time is up."), "Time is up."),
        (RUN.but(status="cancelled", exit_code=130, message="Cancelled."), "Cancelled."),
        (RUN.but(status="running", message="Started."), "Started."),
        (RUN.but(status="error", exit_code=3, message="502."), "502."),
        (RUN.but(pipeline_name="", duration=0.3), "Run 42 succeeded."),
        (Outcome("success", 0, "Nothing to clean up."), "Nothing to clean up."),
    ],
)
def test_each_status_has_its_sentence(outcome, sentence):
    """The sentence says which run, how it ended, where, after how long, and what Opsera says."""
    assert verdict_sentence(outcome) == sentence


@pytest.mark.parametrize(
    ("status", "code", "shown"),
    [
        ("success", 0, ""),
        ("running", 0, ""),
        ("failed", 0, ""),
        ("paused", 0, ""),
        ("cancelled", 0, ""),
        ("failed", 1, "!error Opsera pipeline failed: "),
        ("stopped", 1, "!error Opsera pipeline stopped: "),
        ("timeout", 124, "!error Opsera pipeline not finished in time: "),
        ("error", 3, "!error opsera-step: "),
        ("paused", 8, "!warning Opsera pipeline paused: "),
        ("cancelled", 143, "warning: "),
    ],
)
def test_only_what_fails_the_job_is_shown_as_an_error(status, code, shown):
    """A job that ends with 0 shows no error: who asks how a failed run stands gets an answer."""
    sheet = Sheet()
    outcome = RUN.but(status=status, exit_code=code, message="M.", hint="Do this.")
    print_result(outcome, joblog(sheet), log_wanted=True)
    verdict, page = f"{shown}{verdict_sentence(outcome)} Do this.", "https://app.opsera.io/x"
    # An annotation is read far from the log, so the address is in it.
    told = [f"{verdict} {page}"] if shown.startswith("!error") else [verdict, f"Pipeline: {page}"]
    assert sheet.printed == told


@pytest.mark.parametrize(
    ("status", "code", "complete", "wanted", "warned"),
    [
        ("success", 0, False, True, True),
        ("failed", 1, False, True, True),
        ("success", 0, True, True, False),
        ("success", 0, False, False, False),
        ("cancelled", 143, False, True, False),
        ("timeout", 124, False, True, False),
        ("error", 3, False, True, False),
    ],
)
def test_an_incomplete_log_is_told(status, code, complete, wanted, warned):
    """That lines are missing is told where they were wanted and the run had ended."""
    sheet = Sheet()
    outcome = RUN.but(status=status, exit_code=code, log_complete=complete)
    print_result(outcome, joblog(sheet), log_wanted=wanted)
    assert any("Opsera log incomplete" in line for line in sheet.printed) is warned


def test_no_address_no_line():
    """Where the pipeline's page is not known nothing points to it."""
    sheet = Sheet()
    print_result(RUN.but(url=""), joblog(sheet), log_wanted=True)
    assert len(sheet.printed) == 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Step Unit tests failed: 2 of 9 failed.", "2 of 9 failed."),
        ("The step “Unit tests” has failed – no host", "no host"),
        ("unit tests failed.", ""),
        ("Step Unit tests failed", ""),
        ("Step Unit tests failed to start", "Step Unit tests failed to start"),
        ("2 of 9 failed", "2 of 9 failed"),
        ("", ""),
    ],
)
def test_a_reason_does_not_name_its_step_again(message, reason):
    """What a record says is told without the words that only say which step failed."""
    assert reason_of("Unit tests", message) == reason


def test_a_failure_quotes_what_tells_of_it():
    """The annotation of a failure has the lines that matter; it is read far from the log."""
    sheet = Sheet(folds=True)
    log = joblog(sheet)
    log.show(events.LogLines("1", "Test", "", ("fine", "ERROR: boom", "bye")))
    failed = StepResult("Test", "", State.FAILED, id="1")
    outcome = RUN.but(status="failed", exit_code=1, failed_step="Test", steps=(failed,))
    print_result(outcome, log, log_wanted=True)
    assert sheet.details == [["ERROR: boom"]]


def test_each_failed_step_has_an_error_as_far_as_they_are_shown():
    """Of steps that failed side by side each has its own; how many are not shown is told."""
    steps = tuple(
        StepResult(f"S{number}", "", State.FAILED, id=str(number), message=f"S{number} failed: why")
        for number in range(20)
    )
    outcome = RUN.but(status="failed", exit_code=1, failed_step="S3", steps=steps)
    for most, shown in ((None, 20), (10, 10)):
        sheet = Sheet()
        print_result(outcome, joblog(sheet), log_wanted=True, most_errors=most)
        told = [line for line in sheet.printed if line.startswith("!error")]
        assert len(told) == shown
        assert told[1] == "!error Opsera step “S0” failed: why"
        assert ("10 more steps failed." in told[-1]) is (most == 10)


def test_the_steps_are_told_a_line_each():
    """Where no page shows a summary the log does: how each step went, and how long it took."""
    steps = (
        StepResult("Build", "", State.SUCCESS, 5.0),
        StepResult("Test", "", State.FAILED, 65.0),
        StepResult("Approve", "", State.PAUSED, 9.0),
        StepResult("Scan", out_of_reach=True),
        StepResult("Deploy"),
    )
    told = {}
    for status in ("failed", "timeout"):
        sheet = Sheet()
        print_steps(RUN.but(status=status, steps=steps), joblog(sheet))
        told[status] = sheet.printed
    assert told["failed"] == [
        "✓ Build · 5s", "✗ Test · 1m05s", "‖ Approve · waits", "· Scan", "· Deploy · did not begin",
    ]  # fmt: skip
    assert told["timeout"][-1] == "· Deploy · has not begun"


def test_steps_of_which_nothing_is_known_are_not_listed():
    """The plan alone, as after a cancelled job, tells nothing of the run."""
    sheet = Sheet()
    steps = (StepResult("Build", out_of_reach=True, started_at=1.0), StepResult("Deploy"))
    print_steps(RUN.but(status="cancelled", exit_code=143, steps=steps), joblog(sheet))
    assert sheet.printed == []


def test_a_gate_that_was_decided_on_meanwhile_waits_for_nobody():
    """While the last lines are read somebody may approve: nobody is sent to do it again."""
    gate = StepResult("Approve", "", State.SUCCESS, 3.0, waited=2.0)
    outcome = RUN.but(status="paused", exit_code=8, waits_for="Approve", steps=(gate,))
    assert verdict_sentence(outcome) == (
        "Run 42 of “Deploy shop” paused at “Approve” after 1m15s; that has been decided on since. "
        "This job fails for that (on_paused: fail)."
    )
    assert outcome.to_json()["waitsFor"] == ""


def test_of_very_many_steps_the_bad_ones_are_told():
    """A list that nobody would read is cut to what did not go well."""
    steps = [StepResult(f"S{number}", "", State.SUCCESS, 1.0) for number in range(99)]
    steps[70] = StepResult("Test", "", State.FAILED, 2.0)
    sheet = Sheet()
    print_steps(RUN.but(status="failed", steps=tuple(steps)), joblog(sheet))
    assert sheet.printed == ["✗ Test · 2s", "· and 98 more steps"]


def test_an_address_does_not_run_into_what_follows_it():
    """A sentence that ends with the page's address is kept apart from the advice after it."""
    sheet = Sheet()
    outcome = RUN.but(status="error", exit_code=3, message=f"See {RUN.url}", hint="Update.")
    print_result(outcome, joblog(sheet), log_wanted=False)
    assert sheet.printed == [f"!error opsera-step: See {RUN.url} – Update."]
