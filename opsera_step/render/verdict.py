"""The end of the job log: how it ended, why, and what to do next."""

from __future__ import annotations

from opsera_step.errors import ExitCode
from opsera_step.outcome import Outcome
from opsera_step.render.joblog import JobLog
from opsera_step.timing import spell_duration

_SHOWN_BAD = ("failed", "stopped", "error", "timeout")
_ENDED = ("success", "failed", "stopped", "paused")


def tell_verdict(outcome: Outcome, log: JobLog, *, log_wanted: bool) -> None:
    """Print the verdict so that somebody who reads only this knows what to do.

    The outcome's texts are safe already.
    """
    log.end_group()
    sentence = verdict_sentence(outcome)
    if outcome.exit_code == ExitCode.SUCCESS:
        # Good news, or the answer to a question: no error, whatever became of the run.
        log.say(_with_advice(outcome, sentence))
    elif outcome.status in _SHOWN_BAD:
        log.repeat_last_lines(outcome.failed_step)
        log.annotate("error", _title(outcome), _with_page(outcome, sentence))
    elif outcome.status == "paused":
        log.annotate("warning", _title(outcome), _with_advice(outcome, sentence))
    else:
        log.say(_with_advice(outcome, sentence), "warning")
    if log_wanted and not outcome.log_complete and outcome.status in _ENDED:
        log.annotate(
            "warning",
            "Opsera log incomplete",
            "Not every line of the log could be read; the pipeline's page has them all.",
        )
    is_error = outcome.status in _SHOWN_BAD and outcome.exit_code != ExitCode.SUCCESS
    if outcome.url and not is_error:
        log.say(f"Pipeline: {outcome.url}")


def verdict_sentence(outcome: Outcome) -> str:
    """Say in a sentence how it ended."""
    name = f" of “{outcome.pipeline_name}”" if outcome.pipeline_name else ""
    run = f"Run {outcome.run_count}{name}" if outcome.run_count else ""
    after = f" after {spell_duration(outcome.duration)}" if outcome.duration >= 1 else ""
    step = f" in step “{outcome.failed_step}”" if outcome.failed_step else ""
    gate = f" at “{outcome.waits_for}”" if outcome.waits_for else ""
    judged = outcome.exit_code == ExitCode.PAUSED
    unawaited = "; the job does not wait for it (on_paused: fail)" if judged else ""
    reason = f": {outcome.reason.rstrip('.')}" if outcome.reason else ""
    sentences = {
        "success": f"{run} succeeded{after}.",
        "failed": f"{run} failed{step}{after}{reason}.",
        "stopped": f"{run} was stopped{after}.",
        "paused": f"{run} is paused{gate}{after}{unawaited}.",
    }
    sentence = sentences.get(outcome.status, "") if run else ""
    # Where the sentence says it all Opsera's own message only says the same again.
    told = sentence and (outcome.status in ("success", "paused") or outcome.reason)
    parts = [sentence, "" if told else outcome.message]
    return " ".join(part for part in parts if part)


def _title(outcome: Outcome) -> str:
    return f"Opsera pipeline {outcome.status}" if outcome.status != "error" else "opsera-step"


def _with_page(outcome: Outcome, sentence: str) -> str:
    """Add the address: an annotation is read far from the log."""
    text = _with_advice(outcome, sentence)
    return f"{text} {outcome.url}" if outcome.url and outcome.url not in text else text


def _with_advice(outcome: Outcome, sentence: str) -> str:
    return f"{sentence} {outcome.hint}".strip()
