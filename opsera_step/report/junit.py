"""junit.xml: the steps of a run as tests, for the viewers of Jenkins, GitLab and others.

What has no test of its own, such as a timeout, becomes a test named for the run; so there is always
at least one test, and a failure or an error whenever the run failed. A run that waits for somebody
has not failed: its gate counts as skipped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from opsera_step.api import State, format_timestamp
from opsera_step.outcome import Outcome, sentence
from opsera_step.report.jinja import fill
from opsera_step.report.log_blocks import StepLog
from opsera_step.runs import StepResult

# What XML 1.0 has no way to write: https://www.w3.org/TR/xml/#charsets
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FAILING = (State.FAILED, State.STOPPED)


@dataclass(frozen=True)
class Case:
    """One test; `element` is failure, error or skipped, or empty where all is well."""

    name: str
    time: str = ""
    element: str = ""
    kind: str = ""
    message: str = ""
    text: str = ""


def junit(outcome: Outcome, logs: Sequence[StepLog], now: float) -> str:
    """Return the file; `now` is in seconds since 1970, for a run whose beginning is not known."""
    cases = _cases(outcome, logs)
    told = [case.element for case in cases]
    began = min(
        (step.started_at for step in outcome.steps if step.started_at is not None), default=None
    )
    names = (outcome.pipeline_name, outcome.pipeline_id, "Opsera pipeline")
    values = {
        "suite": next(name for name in names if name.strip()),
        "cases": cases,
        "failures": told.count("failure"),
        "errors": told.count("error"),
        "skipped": told.count("skipped"),
        "time": f"{outcome.duration or 0.0:.3f}",
        # The common schema knows no zone: it is UTC.
        "timestamp": format_timestamp(now - outcome.elapsed if began is None else began)[:19],
        "properties": _properties(outcome),
    }
    return _ILLEGAL.sub("\ufffd", fill("junit.xml.j2", values))


def _properties(outcome: Outcome) -> dict[str, object]:
    return {
        "opsera.pipelineId": outcome.pipeline_id,
        "opsera.runCount": outcome.run_count or "",
        "opsera.url": outcome.url,
        "opsera.status": outcome.status,
        "opsera.exitCode": int(outcome.exit_code),
        "opsera.logComplete": "true" if outcome.log_complete else "false",
    }


def _cases(outcome: Outcome, logs: Sequence[StepLog]) -> list[Case]:
    """Make a test of each step, and one of the run where the steps do not tell how it ended."""
    tails = {log.step_id: log for log in logs if log.step_id}
    names = _distinct([step.name for step in outcome.steps])
    cases = [
        _case(name, step, outcome, tails.get(step.id))
        for name, step in zip(names, outcome.steps, strict=True)
    ]
    run = _of_run(outcome)
    told = {case.element for case in cases} & {"failure", "error"}
    if not cases or (run.element == "failure" and not told) or run.element == "error":
        cases.insert(0, run)
    return cases


def _case(name: str, step: StepResult, outcome: Outcome, log: StepLog | None) -> Case:
    time = "" if step.seconds is None else f"{step.seconds:.3f}"
    if step.state in _FAILING:
        message = step.message or outcome.reason or f"{step.name}: {step.state.value}"
        return Case(name, time, "failure", step.state.value, message, _tail(message, log))
    if step.state is State.SUCCESS:
        return Case(name, time)
    if step.not_started:
        return Case(name, "0.000", "skipped", message="It did not begin.")
    if step.state is State.PAUSED:
        message = step.message or "It waits for somebody."
    elif step.state is State.RUNNING:
        message = "It had not ended."
    else:
        message = "It is not known how it ended."
    return Case(name, time, "skipped", message=message)


def _of_run(outcome: Outcome) -> Case:
    name = f"Run {outcome.run_count}" if outcome.run_count else "Run"
    time = f"{outcome.duration or 0.0:.3f}"
    message = sentence(outcome) or outcome.status
    text = "\n".join(part for part in (message, outcome.hint, outcome.url) if part)
    if outcome.status == "success":
        return Case(name, time)
    if outcome.status in ("paused", "running"):
        return Case(name, time, "skipped", message=message)
    element = "failure" if outcome.status in ("failed", "stopped") else "error"
    return Case(name, time, element, outcome.status, message, text)


def _tail(message: str, log: StepLog | None) -> str:
    lines = [message]
    if log is not None and log.tail:
        lines += ["", "The last lines of its log:"]
        lines += [f"{number}: {line}" for number, line in log.tail]
    return "\n".join(lines)


def _distinct(names: Sequence[str]) -> list[str]:
    """Add a number to names that come again: viewers take tests of one name for one."""
    seen: dict[str, int] = {}
    distinct = []
    for number, given in enumerate(names, 1):
        name = given if given.strip() else f"Step {number}"
        seen[name] = seen.get(name, 0) + 1
        distinct.append(f"{name} ({seen[name]})" if seen[name] > 1 else name)
    return distinct
