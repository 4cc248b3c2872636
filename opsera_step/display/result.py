"""The end of the job log: the result of each step, how the run ended, and what to do next."""

from __future__ import annotations

from opsera_step.api import State
from opsera_step.display.job_log import JobLog
from opsera_step.errors import ExitCode
from opsera_step.outcome import (
    NOT_ACTIVE,
    SIGNS,
    Outcome,
    reason_of,
    sentence,
    step_result,
    with_hint,
)
from opsera_step.runs import StepResult

_ERRORS = ("failed", "stopped", "error", "timeout", "paused")
_BAD = (State.FAILED, State.STOPPED, State.PAUSED)
_MOST_STEPS = 20

_TITLES = {
    "failed": "Opsera pipeline failed",
    "stopped": "Opsera pipeline stopped",
    "paused": "Opsera pipeline waiting for approval",
    "timeout": "Opsera pipeline timed out",
}


def print_result(
    outcome: Outcome,
    log: JobLog,
    *,
    log_wanted: bool,
    most_errors: int | None = None,
    with_link: bool = True,
) -> None:
    """Print the result so that a user who reads only this can act on it.

    The outcome's texts are safe already. `most_errors` is how many annotations the platform shows;
    `with_link` is off where the link was printed just before.
    """
    log.end_group()
    if outcome.exit_code == ExitCode.SUCCESS:
        # A success, or the response to a query: not an error, regardless of the run's result.
        log.print_message(with_hint(outcome))
    elif outcome.status in _ERRORS:
        _print_failure(outcome, log, most_errors)
    else:
        log.print_message(with_hint(outcome), "warning")
    incomplete = log_wanted and outcome.run_count and not outcome.log_complete
    if incomplete and outcome.status in (*NOT_ACTIVE, "paused"):
        log.annotate(
            "warning",
            "Opsera log incomplete",
            "Some lines of the log could not be read. The full log is in Opsera.",
        )
    if outcome.url and with_link:
        log.print_message(f"View in Opsera: {outcome.url}")


def print_steps(outcome: Outcome, log: JobLog) -> None:
    """Print the result of each step; of very many, the successful ones are only counted."""
    lines = step_lines(outcome)
    if lines:
        log.end_group()
    for line in lines:
        log.print_message(line)


def step_lines(outcome: Outcome) -> list[str]:
    """Return a line for each step with its result."""
    steps = outcome.steps
    if not any(step.state for step in steps):
        # The plan alone has no information about the run.
        return []
    shown = [step for step in steps if len(steps) <= _MOST_STEPS or step.state in _BAD]
    lines = [
        f"{SIGNS.get(step.state, '·') if step.state else '·'} {step.name} · "
        f"{step_result(step, outcome.at)}"
        for step in shown[:_MOST_STEPS]
    ]
    if len(lines) < len(steps):
        lines.append(f"· and {len(steps) - len(lines)} more steps")
    return lines


def _print_failure(outcome: Outcome, log: JobLog, most_errors: int | None) -> None:
    """Print an error for the run and one for each further step that failed."""
    failed = [step for step in outcome.steps if step.state is State.FAILED]
    first = next((step for step in failed if step.name == outcome.failed_step), None)
    first = first or StepResult(outcome.failed_step)
    log.repeat_last_lines(first.id, first.name)
    has_run = outcome.run_count is not None or outcome.status == "paused"
    is_about_run = outcome.about_run and has_run
    title = _TITLES.get(outcome.status, "opsera-step") if is_about_run else "opsera-step"
    text = "\n".join(filter(None, (sentence(outcome), outcome.hint)))
    log.annotate("error", title, text, _details(log, first))
    others = [step for step in failed if step is not first]
    shown = others if most_errors is None else others[: most_errors - 1]
    for step in shown:
        reason = reason_of(step.name, step.message) or "No further details."
        more = len(others) - len(shown) if step is shown[-1] else 0
        rest = f" {more} more steps failed." if more else ""
        title = f"Opsera step “{step.name}” failed"
        log.annotate("error", title, f"{reason}{rest}", _details(log, step))


def _details(log: JobLog, step: StepResult) -> list[str]:
    found = log.excerpts.of(step.id, step.name)
    return [found.headline] if found is not None and found.headline else []
