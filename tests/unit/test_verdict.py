"""The end of the job log: one look at it tells how it ended and what to do."""

from __future__ import annotations

import pytest

from opsera_step import events
from opsera_step.outcome import Outcome
from opsera_step.render.verdict import tell_verdict, verdict_sentence
from tests.unit.sheet import Sheet, joblog

RUN = Outcome(
    "success", 0, "It was successful.", pipeline_name="Deploy shop", run_count=42, duration=75.4,
    url="https://app.opsera.io/x", log_complete=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (RUN, "Run 42 of “Deploy shop” succeeded after 1m15s."),
        (
            RUN.but(status="failed", exit_code=1, failed_step="Test", message="It failed."),
            "Run 42 of “Deploy shop” failed in step “Test” after 1m15s. It failed.",
        ),
        (
            RUN.but(status="failed", exit_code=1, message=""),
            "Run 42 of “Deploy shop” failed after 1m15s.",
        ),
        (
            RUN.but(status="stopped", exit_code=1, message="By Robin."),
            "Run 42 of “Deploy shop” was stopped after 1m15s. By Robin.",
        ),
        (
            RUN.but(status="paused", exit_code=8, message="", waits_for="Approve"),
            (
                "Run 42 of “Deploy shop” is paused at “Approve” after 1m15s; the job does not wait "
                "for it (on_paused: fail)."
            ),
        ),
        (
            RUN.but(status="paused", exit_code=0, message="", duration=0.2),
            "Run 42 of “Deploy shop” is paused.",
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
        ("timeout", 124, "!error Opsera pipeline timeout: "),
        ("error", 3, "!error opsera-step: "),
        ("paused", 8, "!warning Opsera pipeline paused: "),
        ("cancelled", 143, "warning: "),
    ],
)
def test_only_what_fails_the_job_is_shown_as_an_error(status, code, shown):
    """A job that ends with 0 shows no error: who asks how a failed run stands gets an answer."""
    sheet = Sheet()
    outcome = RUN.but(status=status, exit_code=code, message="M.", hint="Do this.")
    tell_verdict(outcome, joblog(sheet), log_wanted=True)
    verdict, page = f"{shown}{verdict_sentence(outcome)} Do this.", "https://app.opsera.io/x"
    # An annotation is read far from the log, so the address is in it.
    told = [f"{verdict} {page}"] if shown.startswith("!error") else [verdict, f"Pipeline: {page}"]
    assert sheet.printed == told


def test_a_failure_shows_the_last_lines_of_its_step():
    """Just above the verdict stand the last lines of the step that failed."""
    sheet = Sheet(folds=True)
    log = joblog(sheet)
    log.show(events.LogLines("1", "Test", "", ("ok", "boom")))
    tell_verdict(RUN.but(status="failed", exit_code=1, failed_step="Test"), log, log_wanted=True)
    assert sheet.printed[3:7] == ["]", "The last lines of “Test”:", "» ok", "» boom"]
    assert sheet.printed[7].startswith("!error")


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
    tell_verdict(outcome, joblog(sheet), log_wanted=wanted)
    assert any("Opsera log incomplete" in line for line in sheet.printed) is warned


def test_no_address_no_line():
    """Where the pipeline's page is not known nothing points to it."""
    sheet = Sheet()
    tell_verdict(RUN.but(url=""), joblog(sheet), log_wanted=True)
    assert len(sheet.printed) == 1
