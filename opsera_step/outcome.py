"""How a job ended: the outcome, the outputs that follow from it, and the sentences about it.

Plain data without effects. The texts in an outcome are safe to print already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsera_step.api import State, format_timestamp
from opsera_step.clock import format_duration
from opsera_step.errors import Cancelled, ExitCode
from opsera_step.runs import Ended, EndReason, StepResult, StopResult

OUTPUTS: Mapping[str, str] = {
    "runCount": "Run number.",
    "status": (
        "How the job ended: success, failed, stopped, paused, running, timeout, cancelled or error."
    ),
    "message": "One sentence about the result, from Opsera or opsera-step.",
    "pipelineId": "Pipeline ID.",
    "pipelineName": "Pipeline name.",
    "url": "URL of the pipeline in the Opsera portal; empty if it can't be derived.",
    "duration": "Seconds that the run took, from its first to its last record.",
    "startedAt": "When the run started (ISO 8601, UTC); empty if unknown.",
    "finishedAt": "When the run finished (ISO 8601, UTC); empty if unknown.",
    "failedStep": "Name of the failed step, if known.",
    "logLines": "Number of log lines read.",
    "logComplete": "true if all log lines were read, otherwise false.",
    "result": "The whole outcome as JSON.",
}
"""The names of all outputs, with their descriptions."""

SCHEMA_VERSION = 1
"""Version of the outcome as JSON; see docs/result.schema.json."""

EXIT_CODE_OF_STATE = {
    State.SUCCESS: ExitCode.SUCCESS,
    State.FAILED: ExitCode.FAILED,
    State.STOPPED: ExitCode.FAILED,
    State.PAUSED: ExitCode.PAUSED,
}
NOT_ACTIVE = ("success", "failed", "stopped")
"""The statuses of a run that is over."""
SIGNS = {State.SUCCESS: "✓", State.FAILED: "✗", State.STOPPED: "■", State.PAUSED: "‖"}
"""The result of a step, where there are no colors."""


@dataclass(frozen=True)
class Outcome:
    """The result of a job. `status` is a value of the output of that name; times are in seconds."""

    status: str
    exit_code: int
    message: str = ""
    hint: str = ""
    pipeline_id: str = ""
    pipeline_name: str = ""
    run_count: int | None = None
    url: str = ""
    started_at: float | None = None
    """When the run started, in seconds since 1970 UTC; None if unknown."""
    finished_at: float | None = None
    """When the run finished, in seconds since 1970 UTC; None if unknown."""
    at: float | None = None
    """When this was known, in seconds since 1970 UTC."""
    elapsed: float = 0.0
    """How long the job itself took."""
    failed_step: str = ""
    log_lines: int = 0
    log_complete: bool = False
    steps: tuple[StepResult, ...] = ()
    waits_for: str = ""
    """The approval step at which the run paused, if it is known."""
    stopped_by: str = ""
    """Who stopped the run, if a record shows it."""
    reason: str = ""
    """The message of the failed step's record."""
    answer: str = ""
    """The response to a query, as JSON."""
    about_run: bool = True
    """Whether the message is about the run; else it stands for itself, as after `stop`."""

    def but(self, **changes: Any) -> Outcome:
        """Return this outcome with some fields changed."""
        return replace(self, **changes)

    @property
    def duration(self) -> float | None:
        """Seconds that the run took; None if its start or its end is unknown."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(0.0, self.finished_at - self.started_at)

    @property
    def is_decided(self) -> bool:
        """Whether the approval at which the run paused was given or refused in the meantime."""
        states = (step.state for step in self.steps if step.name == self.waits_for)
        return self.status == "paused" and any(state and state.final for state in states)

    @property
    def paused_since(self) -> str:
        """When (UTC) the run paused; empty if unknown."""
        waiting = (step for step in self.steps if step.state is State.PAUSED)
        started = next((step.started_at for step in waiting if step.name == self.waits_for), None)
        return "" if started is None else moment_text(started, self.at)

    def to_json(self) -> dict[str, Any]:
        """Return the whole outcome for the output `result` and for result.json."""
        duration = self.duration
        return {
            "schemaVersion": SCHEMA_VERSION,
            "status": self.status,
            "exitCode": int(self.exit_code),
            "message": self.message,
            "hint": self.hint,
            "pipelineId": self.pipeline_id,
            "pipelineName": self.pipeline_name,
            "runCount": self.run_count,
            "url": self.url,
            "duration": None if duration is None else round(duration, 1),
            "startedAt": _timestamp(self.started_at) or None,
            "finishedAt": _timestamp(self.finished_at) or None,
            "elapsed": round(self.elapsed, 1),
            "failedStep": self.failed_step,
            "reason": self.reason,
            "waitsFor": "" if self.is_decided else self.waits_for,
            "stoppedBy": self.stopped_by,
            "logLines": self.log_lines,
            "logComplete": self.log_complete,
            "steps": [step.to_json() for step in self.steps],
        }

    def early_outputs(self) -> dict[str, str]:
        """Return what is written as soon as the run is known."""
        return {"runCount": str(self.run_count or ""), "url": self.url}

    def outputs(self) -> dict[str, str]:
        """Return all outputs as text."""
        duration = self.duration
        return {
            **self.early_outputs(),
            "status": self.status,
            "message": self.message,
            "pipelineId": self.pipeline_id,
            "pipelineName": self.pipeline_name,
            "duration": "" if duration is None else str(round(duration)),
            "startedAt": _timestamp(self.started_at),
            "finishedAt": _timestamp(self.finished_at),
            "failedStep": self.failed_step,
            "logLines": str(self.log_lines),
            "logComplete": "true" if self.log_complete else "false",
            "result": self.answer
            or json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":")),
        }


def _timestamp(moment: float | None) -> str:
    return "" if moment is None else format_timestamp(moment)


def outcome_of(
    known: Outcome,
    ended: Ended | None,
    stop: StopResult | None,
    *,
    cancelled: Cancelled | None = None,
    left: str = "",
    timeout: float | None = None,
) -> Outcome:
    """Turn the end of a run, a timeout, a cancellation, and a stop result into one outcome.

    `known` holds what else is known, with the message of the API. `left` is why a run was left
    alone at a timeout or a cancellation; `timeout` is the job's, in seconds. A run that turns out
    to have ended by itself is reported as it ended, with its exit code; after a signal the exit
    code stays 128 plus the signal's number.
    """
    state = _final_state(ended, stop)
    if _was_stopped(stop):
        known = known.but(steps=tuple(step.settled(State.STOPPED) for step in known.steps))
    if cancelled is not None:
        status = state.value if state is not None else "cancelled"
        message = " ".join(filter(None, ("Cancelled.", stop.sentence if stop else left)))
        return known.but(status=status, exit_code=cancelled.exit_code, message=message)
    if state is not None:
        return known.but(status=state.value, exit_code=EXIT_CODE_OF_STATE[state])
    if ended is not None and ended.reason is EndReason.PAUSED:
        return known.but(status="paused", exit_code=ExitCode.PAUSED, hint=_PAUSED_HINT)
    if ended is not None and ended.reason is EndReason.LOST:
        known = known.but(steps=tuple(step.lost() for step in known.steps))
        return known.but(status="error", exit_code=ExitCode.API, **_lost(known, ended))
    return known.but(
        status="timeout",
        exit_code=ExitCode.TIMEOUT,
        message=_timed_out(known, ended, stop, left, timeout),
        hint=(
            "Check in Opsera how the run ended."
            if ended is not None and ended.detail
            else "Increase `timeout`, or check why the run is stuck."
        ),
    )


_PAUSED_HINT = (
    "To make a job wait for the approval, re-run it with on_busy: attach and on_paused: wait "
    "before approving."
)


def _final_state(ended: Ended | None, stop: StopResult | None) -> State | None:
    """Return the state in which the run ended by itself; None if it did not, or was stopped."""
    if ended is not None and ended.reason is EndReason.FINAL and ended.status is not None:
        return ended.status.state
    if stop is None or stop.status is None:
        return None
    # A run that our stop call reached ends as stopped; anything else is its own result.
    return stop.status.state if stop.status.state in (State.SUCCESS, State.FAILED) else None


def _timed_out(
    known: Outcome, ended: Ended | None, stop: StopResult | None, left: str, timeout: float | None
) -> str:
    run = f"run {known.run_count}" if known.run_count else "the run"
    was_stopped, limit = _was_stopped(stop), format_duration(timeout or 0)
    if ended is not None and ended.detail:
        # The cause comes first: whether the run finished in time is not known.
        end = f"{run} was stopped" if was_stopped else f"the result of {run} is unknown"
        parts = [f"{ended.detail.rstrip('.')}. The timeout ({limit}) expired, and {end}."]
    else:
        end = " and was stopped" if was_stopped else ""
        parts = [f"Timed out: {run} did not finish within {limit}{end}."]
    if ended is not None and ended.status is not None and ended.status.state is State.PAUSED:
        where = f" at “{known.waits_for}”" if known.waits_for else ""
        parts.append(f"It {'was' if was_stopped else 'is'} waiting for approval{where}.")
    if not was_stopped:
        detail = ended.detail if ended is not None else ""
        # The stop call usually fails for the same reason.
        parts.append(stop.sentence.removesuffix(detail).rstrip() if stop is not None else left)
    return " ".join(filter(None, parts))


def _was_stopped(stop: StopResult | None) -> bool:
    """Whether our stop call is known to have ended the run."""
    return (
        stop is not None
        and stop.failure is None
        and stop.status is not None
        and stop.status.state is State.STOPPED
    )


def _lost(known: Outcome, ended: Ended) -> dict[str, str]:
    if ended.status is not None and ended.status.state is State.UNKNOWN:
        return {
            "message": (
                f"Unknown final status “{ended.status.value}” for run {known.run_count}; treating "
                "it as an error."
            ),
            "hint": (
                "Only recognized success statuses pass the job. Upgrade opsera-step, or report "
                "this status."
            ),
        }
    return {
        "message": f"The result of run {known.run_count} is unknown: {ended.detail}",
        "hint": "The run may still be in progress.",
    }


_UNINFORMATIVE = re.compile(
    r"pipeline|workflow|run|step|s|the|this|your|it|is|was|were|has|have|had|been|with|in|an?|of"
    r"|stopped|cancell?ed|aborted|failed|(?:un)?successful(?:ly)?",
    re.IGNORECASE,
)


def sentence(outcome: Outcome) -> str:
    """Return a sentence about the result."""
    if not outcome.about_run:
        return outcome.message
    name = f" of “{outcome.pipeline_name}”" if outcome.pipeline_name else ""
    run = f"Run {outcome.run_count}{name}" if outcome.run_count else ""
    where = outcome.failed_step or (_stopped_at(outcome) if outcome.status == "stopped" else "")
    step = f" at step “{where}”" if where else ""
    reason = f" ({outcome.reason.rstrip('.')})" if outcome.reason else ""
    by = f" by {outcome.stopped_by}" if outcome.stopped_by else ""
    took = f" in {format_duration(outcome.duration)}" if outcome.duration else ""
    sentences = {
        "success": f"{run} succeeded{took}.",
        "failed": f"{run} failed{step}{reason}.",
        "stopped": f"{run} was stopped{step}{by}{reason}.",
        "paused": _paused(outcome, run),
    }
    text = sentences.get(outcome.status, "") if run else ""
    parts = [text, "" if text and _is_redundant(outcome) else outcome.message]
    return " ".join(part for part in parts if part)


def with_hint(outcome: Outcome) -> str:
    """Return a sentence about the result, and the remedy if there is one."""
    return f"{sentence(outcome)} {outcome.hint}".strip()


def _stopped_at(outcome: Outcome) -> str:
    return next((step.name for step in outcome.steps if step.state is State.STOPPED), "")


def _paused(outcome: Outcome, run: str) -> str:
    where = f" at “{outcome.waits_for}”" if outcome.waits_for else ""
    since = outcome.paused_since
    # After `status --exit-status`, which has no such input, there is no hint either.
    fails = outcome.exit_code == ExitCode.PAUSED and outcome.hint
    consequence = " The job fails because on_paused is set to fail." if fails else ""
    if outcome.is_decided:
        when = f" since {since}" if since else ""
        return f"{run} was paused{where}{when}; the approval has been decided by now.{consequence}"
    if since:
        return f"{run} has been waiting for approval{where} since {since}.{consequence}"
    waiting = "is waiting for approval" if where else "is paused"
    return f"{run} {waiting}{where}.{consequence}"


def _is_redundant(outcome: Outcome) -> bool:
    """Whether the message of the API would only repeat the sentence."""
    if outcome.status in ("success", "paused") or outcome.reason:
        return True
    text = outcome.message
    for name in filter(None, (outcome.pipeline_name, outcome.failed_step)):
        text = text.replace(name, " ")
    words = re.findall(r"[^\W\d_]+", text)
    return all(map(_UNINFORMATIVE.fullmatch, words))


def reason_of(step_name: str, message: str) -> str:
    """Return the message of a step's record without the part that only names the failed step."""
    name = re.escape(step_name)
    named = re.match(
        rf"\s*(?:the )?(?:step )?[“\"'`]?{name}[”\"'`]? (?:has |was )?(?:failed|stopped)"
        r"(?P<end>\s*[:.,;–—-]+\s*|\s*$)",
        message,
        re.IGNORECASE,
    )
    return message[named.end() :].strip() if named is not None and step_name else message


def step_result(step: StepResult, now: float | None) -> str:
    """Return the result of a step as text: its state, and how long it took or since when it runs.

    What is unknown is called unknown, never skipped, failed, or not started.
    """
    if step.state in (State.RUNNING, State.PAUSED):
        word = "waiting for approval" if step.state is State.PAUSED else "running"
        if step.started_at is None:
            return word
        return f"{word} since {moment_text(step.started_at, now)}"
    if step.state is None or step.state is State.UNKNOWN:
        if step.not_started:
            return "not started"
        return "started (result unknown)" if step.started_at is not None else "result unknown"
    word = word_of(step.state)
    return word if step.seconds is None else f"{word} in {format_duration(step.seconds)}"


def word_of(state: State) -> str:
    """Return the word for a state that people read; the output `status` has its value."""
    return "succeeded" if state is State.SUCCESS else state.value


def moment_text(moment: float, now: float | None) -> str:
    """Format a moment as `23:09 UTC`, with the date unless it is the day of `now`.

    Both are in seconds since 1970 UTC.
    """
    day, time = format_timestamp(moment)[:16].split("T")
    is_today = now is not None and format_timestamp(now).startswith(day)
    return f"{time} UTC" if is_today else f"{day} {time} UTC"
