"""The end of the job log: how it ended, why, and what to do next."""

from __future__ import annotations

import re

from opsera_step.api import State, format_timestamp
from opsera_step.clock import format_duration
from opsera_step.display.job_log import JobLog
from opsera_step.errors import ExitCode
from opsera_step.outcome import Outcome
from opsera_step.runs import StepResult

SIGNS = {State.SUCCESS: "✓", State.FAILED: "✗", State.STOPPED: "■", State.PAUSED: "‖"}
"""How a step went, where there are no colours."""

_SHOWN_BAD = ("failed", "stopped", "error", "timeout")
ENDED = ("success", "failed", "stopped")
"""The words of a run that does not go on."""
_BAD = (State.FAILED, State.STOPPED, State.PAUSED)
_MOST_STEPS = 20
_TITLES = {
    "failed": "Opsera pipeline failed",
    "stopped": "Opsera pipeline stopped",
    "paused": "Opsera pipeline paused",
    "timeout": "Opsera pipeline not finished in time",
}
_SAYS_NOTHING_NEW = re.compile(
    r"pipeline|workflow|run|step|s|the|this|your|it|is|was|were|has|have|had|been|with|in|an?|of"
    r"|stopped|cancell?ed|aborted|failed|(?:un)?successful(?:ly)?",
    re.IGNORECASE,
)


def print_result(
    outcome: Outcome,
    log: JobLog,
    *,
    log_wanted: bool,
    most_errors: int | None = None,
    followed: bool = True,
) -> None:
    """Print the verdict so that somebody who reads only this knows what to do.

    The outcome's texts are safe already. `most_errors` is how many annotations are shown;
    `followed` says that the outcome's duration is that of the run, not of a question about it.
    """
    log.end_group()
    sentence = verdict_sentence(outcome if followed else outcome.but(duration=0.0))
    if outcome.exit_code == ExitCode.SUCCESS:
        # Good news, or the answer to a question: no error, whatever became of the run.
        log.say(with_advice(outcome, sentence))
    elif outcome.status in _SHOWN_BAD:
        _tell_failure(outcome, log, sentence, most_errors)
    elif outcome.status == "paused":
        log.annotate("warning", _TITLES["paused"], with_advice(outcome, sentence))
    else:
        log.say(with_advice(outcome, sentence), "warning")
    if log_wanted and not outcome.log_complete and outcome.status in (*ENDED, "paused"):
        log.annotate(
            "warning",
            "Opsera log incomplete",
            "Not every line of the log could be read; the pipeline's page has them all.",
        )
    is_error = outcome.status in _SHOWN_BAD and outcome.exit_code != ExitCode.SUCCESS
    if outcome.url and not is_error:
        log.say(f"Pipeline: {outcome.url}")


def print_steps(outcome: Outcome, log: JobLog) -> None:
    """Print how each step went; of very many those that went well are only counted."""
    steps = outcome.steps
    if not any(step.state for step in steps):
        # The plan alone tells nothing of the run.
        return
    told = [step for step in steps if len(steps) <= _MOST_STEPS or step.state in _BAD]
    for step in told[:_MOST_STEPS]:
        sign = SIGNS.get(step.state, "·") if step.state else "·"
        log.say(" · ".join(filter(None, (f"{sign} {step.name}", _how(step, outcome)))))
    if len(told[:_MOST_STEPS]) < len(steps):
        log.say(f"· and {len(steps) - len(told[:_MOST_STEPS])} more steps")


def _how(step: StepResult, outcome: Outcome) -> str:
    if step.state is State.PAUSED:
        return "waits"
    if step.not_started:
        return "did not begin" if outcome.status in ENDED else "has not begun"
    return took(step)


def took(step: StepResult) -> str:
    """Tell how long a step took, or since when it goes on; empty where nothing tells."""
    if step.state in (State.RUNNING, State.PAUSED):
        return "" if step.started_at is None else f"since {_time_of_day(step.started_at)}"
    return "" if step.seconds is None else format_duration(step.seconds)


def _time_of_day(moment: float) -> str:
    return f"{format_timestamp(moment)[11:16]} UTC"


def _tell_failure(outcome: Outcome, log: JobLog, sentence: str, most_errors: int | None) -> None:
    """Show an error for the run with what its step said, and one for each other step that failed.

    Only so many as the platform shows.
    """
    failed = [step for step in outcome.steps if step.state is State.FAILED]
    first = next((step for step in failed if step.name == outcome.failed_step), None)
    first = first or StepResult(outcome.failed_step)
    log.repeat_last_lines(first.id, first.name)
    title, text = _TITLES.get(outcome.status, "opsera-step"), _with_page(outcome, sentence)
    log.annotate("error", title, text, _details(log, first))
    others = [step for step in failed if step is not first]
    shown = others if most_errors is None else others[: most_errors - 1]
    for step in shown:
        reason = reason_of(step.name, step.message) or "It says no more."
        more = len(others) - len(shown) if step is shown[-1] else 0
        rest = f" {more} more steps failed." if more else ""
        title = f"Opsera step “{step.name}” failed"
        log.annotate("error", title, f"{reason}{rest}", _details(log, step))


def _details(log: JobLog, step: StepResult) -> list[str]:
    found = log.excerpts.of(step.id, step.name)
    return [found.headline] if found is not None and found.headline else []


def verdict_sentence(outcome: Outcome) -> str:
    """Say in a sentence how it ended."""
    name = f" of “{outcome.pipeline_name}”" if outcome.pipeline_name else ""
    run = f"Run {outcome.run_count}{name}" if outcome.run_count else ""
    after = f" after {format_duration(outcome.duration)}" if outcome.duration >= 1 else ""
    where = outcome.failed_step or (_stopped_at(outcome) if outcome.status == "stopped" else "")
    step = f" in step “{where}”" if where else ""
    reason = f": {outcome.reason.rstrip('.')}" if outcome.reason else ""
    judged = outcome.exit_code != ExitCode.SUCCESS
    by = ", by somebody in Opsera or by another job" if judged else ""
    sentences = {
        "success": f"{run} succeeded{after}.",
        "failed": f"{run} failed{step}{after}{reason}.",
        "stopped": f"{run} was stopped{step}{after}{by}{reason}.",
        "paused": _paused(outcome, run, after),
    }
    sentence = sentences.get(outcome.status, "") if run else ""
    parts = [sentence, "" if sentence and _is_told(outcome) else outcome.message]
    return " ".join(part for part in parts if part)


def _stopped_at(outcome: Outcome) -> str:
    return next((step.name for step in outcome.steps if step.state is State.STOPPED), "")


def reason_of(step_name: str, message: str) -> str:
    """Return what a step's record says without the words that say only which step failed."""
    name = re.escape(step_name)
    said = re.match(
        rf"\s*(?:the )?(?:step )?[“\"'`]?{name}[”\"'`]? (?:has |was )?(?:failed|stopped)"
        r"(?P<end>\s*[:.,;–—-]+\s*|\s*$)",
        message,
        re.IGNORECASE,
    )
    return message[said.end() :].strip() if said is not None and step_name else message


def _paused(outcome: Outcome, run: str, after: str) -> str:
    gate = f" at “{outcome.waits_for}”" if outcome.waits_for else ""
    since = paused_since(outcome)
    when = f" since {since}" if since else after
    judged = outcome.exit_code == ExitCode.PAUSED
    unawaited = " This job fails for that (on_paused: fail)." if judged else ""
    if outcome.is_decided:
        return f"{run} paused{gate}{when}; that has been decided on since.{unawaited}"
    return f"{run} is paused{gate}{when}: somebody has to let it go on.{unawaited}"


def paused_since(outcome: Outcome) -> str:
    """Tell since when the run waits, as a time of the day and UTC; empty where none knows."""
    waiting = (step for step in outcome.steps if step.state is State.PAUSED)
    began = next((step.started_at for step in waiting if step.name == outcome.waits_for), None)
    return "" if began is None else _time_of_day(began)


def _is_told(outcome: Outcome) -> bool:
    """Whether the sentence says it all, so that Opsera's message would only say it again."""
    if outcome.status in ("success", "paused") or outcome.reason:
        return True
    said = outcome.message
    for name in filter(None, (outcome.pipeline_name, outcome.failed_step)):
        said = said.replace(name, " ")
    words = re.findall(r"[^\W\d_]+", said)
    return all(map(_SAYS_NOTHING_NEW.fullmatch, words))


def _with_page(outcome: Outcome, sentence: str) -> str:
    """Add the address: an annotation is read far from the log."""
    text = with_advice(outcome, sentence)
    return f"{text} {outcome.url}" if outcome.url and outcome.url not in text else text


def with_advice(outcome: Outcome, sentence: str) -> str:
    """Add what to do, if that is known."""
    # An address runs together with what follows it.
    between = " – " if outcome.hint and outcome.url and sentence.endswith(outcome.url) else " "
    return f"{sentence}{between}{outcome.hint}".strip()
