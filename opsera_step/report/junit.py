"""junit.xml: the steps of a run as tests, for the test viewers of Jenkins, GitLab, and others.

A step whose result is unknown is not a test, because every test in such a file has a result; the
output of the suite lists it. What is not about a step, such as a timeout, becomes a test named for
the run; so there is always at least one test, and a failure or an error whenever the run failed. An
approval step at which a run is paused has not failed: it counts as skipped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from opsera_step.api import State, format_timestamp
from opsera_step.outcome import Outcome, sentence
from opsera_step.report.jinja import fill
from opsera_step.report.log_blocks import StepLog
from opsera_step.report.words import NOT_STARTED, UNKNOWN, step_word
from opsera_step.runs import StepResult

# Characters that XML 1.0 has no way to write: https://www.w3.org/TR/xml/#charsets
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FAILING = (State.FAILED, State.STOPPED)
_MOST_NAMES = 1000


@dataclass(frozen=True)
class Case:
    """One test; `element` is failure, error, or skipped, or empty if it passed."""

    name: str
    time: str = ""
    element: str = ""
    kind: str = ""
    message: str = ""
    text: str = ""


def junit(outcome: Outcome, logs: Sequence[StepLog], now: float) -> str:
    """Return the file; `now` is in seconds since 1970, for a run whose start is not known."""
    cases = _cases(outcome, logs)
    elements = [case.element for case in cases]
    starts = [step.started_at for step in outcome.steps if step.started_at is not None]
    started = min(starts, default=outcome.started_at)
    names = (outcome.pipeline_name, outcome.pipeline_id, "Opsera pipeline")
    suite = next(name for name in names if name.strip())
    values = {
        "suite": suite,
        # Viewers split a class name at its dots into packages.
        "class_name": suite.replace(".", "_"),
        "cases": cases,
        "failures": elements.count("failure"),
        "errors": elements.count("error"),
        "skipped": elements.count("skipped"),
        "time": _seconds(outcome),
        # The common schema has no time zone: it is UTC.
        "timestamp": format_timestamp(now - outcome.elapsed if started is None else started)[:19],
        "properties": _properties(outcome),
        "output": "\n".join(f"Result unknown: {name}" for name in _unknown(outcome)),
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
    """Make a test of each step, and one of the run where the steps do not show how it ended."""
    tails = {log.step_id: log for log in logs if log.step_id}
    names = _distinct([step.name for step in outcome.steps])
    cases = [
        _case(name, step, outcome, tails.get(step.id))
        for name, step in zip(names, outcome.steps, strict=True)
        if step_word(step) != UNKNOWN
    ]
    run = _of_run(outcome)
    shown = {case.element for case in cases} & {"failure", "error"}
    if not cases or (run.element == "failure" and not shown) or run.element == "error":
        cases.insert(0, run)
    return cases


def _unknown(outcome: Outcome) -> list[str]:
    names = _distinct([step.name for step in outcome.steps])
    found = zip(names, outcome.steps, strict=True)
    return [name for name, step in found if step_word(step) == UNKNOWN][:_MOST_NAMES]


def _case(name: str, step: StepResult, outcome: Outcome, log: StepLog | None) -> Case:
    time = "" if step.seconds is None else f"{step.seconds:.3f}"
    word = step_word(step)
    if step.state in _FAILING:
        message = step.message or outcome.reason or f"Step {word}. No further details."
        return Case(name, time, "failure", word, message, _text(message, log))
    if step.state is State.SUCCESS:
        return Case(name, time)
    if word == NOT_STARTED:
        return Case(name, "0.000", "skipped", message="Not started.")
    message = (step.message if step.state is State.PAUSED else "") or f"{word.capitalize()}."
    return Case(name, time, "skipped", message=message)


def _of_run(outcome: Outcome) -> Case:
    name = f"Run {outcome.run_count}" if outcome.run_count else "Run"
    time = _seconds(outcome)
    message = sentence(outcome) or outcome.status
    text = "\n".join(part for part in (message, outcome.hint, outcome.url) if part)
    if outcome.status == "success":
        return Case(name, time)
    if outcome.status in ("paused", "running"):
        return Case(name, time, "skipped", message=message)
    element = "failure" if outcome.status in ("failed", "stopped") else "error"
    return Case(name, time, element, outcome.status, message, text)


def _seconds(outcome: Outcome) -> str:
    """Return how long the run took, or else how long it was watched."""
    return f"{outcome.elapsed if outcome.duration is None else outcome.duration:.3f}"


def _text(message: str, log: StepLog | None) -> str:
    lines = [message]
    if log is not None and log.tail:
        lines += ["", "Last lines:"]
        lines += [f"{number}: {line}" for number, line in log.tail]
    return "\n".join(lines)


def _distinct(names: Sequence[str]) -> list[str]:
    """Add a number to names that occur again: viewers take tests of one name for one."""
    seen: dict[str, int] = {}
    distinct = []
    for number, given in enumerate(names, 1):
        name = given if given.strip() else f"Step {number}"
        seen[name] = seen.get(name, 0) + 1
        distinct.append(f"{name} ({seen[name]})" if seen[name] > 1 else name)
    return distinct
