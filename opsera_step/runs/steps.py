"""What became of each step of a run, from its activity records and the pipeline's plan. Pure.

What can't be known is left out rather than made up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from types import MappingProxyType
from typing import Any

from opsera_step.api import LogRecord, Pipeline, Run, State, Step, format_timestamp, state_of
from opsera_step.runs.log_cursor import WINDOW, in_order

LineTimes = Mapping[str, tuple[float, float]]
"""When the first and the last line of each step were written, by the steps' IDs."""
_NO_TIMES: LineTimes = MappingProxyType({})


@dataclass(frozen=True)
class StepResult:
    """A step of a run. None means unknown.

    `started_at` is in seconds since 1970 UTC, by Opsera's clock; `seconds` is how long the step
    took, and `waited` how many of those it waited for approval.
    """

    name: str
    tool: str = ""
    state: State | None = None
    seconds: float | None = None
    started_at: float | None = None
    id: str = ""
    message: str = ""
    """Why it failed, stopped or waited, as its own record says; else empty."""
    waited: float | None = None
    out_of_reach: bool = False
    """Whether it may have records that are older than those that could be read."""

    @property
    def finished_at(self) -> float | None:
        """When it ended, in seconds since 1970 UTC; None if unknown or still in progress."""
        over = self.state is not None and self.state.final
        known = over and self.started_at is not None and self.seconds is not None
        return (self.started_at or 0.0) + (self.seconds or 0.0) if known else None

    @property
    def not_started(self) -> bool:
        """Whether it certainly did not start: it has no records, and none are out of reach."""
        return self.state is None and self.seconds is None and not self.out_of_reach

    def but_safe(self, inline: Callable[[str], str]) -> StepResult:
        """Return it with its texts made safe to show."""
        name, tool, message = inline(self.name), inline(self.tool), inline(self.message)
        return replace(self, name=name, tool=tool, message=message)

    def settled(self, *, run_stopped: bool) -> StepResult:
        """Return it as its run leaves it: of one that was stopped nothing goes on or waits."""
        goes_on = self.state in (State.RUNNING, State.PAUSED)
        return replace(self, state=State.STOPPED) if run_stopped and goes_on else self

    def to_json(self) -> dict[str, Any]:
        """Return it for the output `result`, where room is scarce: the rare keys only if needed."""
        return {
            "name": self.name,
            "tool": self.tool,
            "state": self.state.value if self.state else None,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "startedAt": None if self.started_at is None else format_timestamp(self.started_at),
            **({} if self.waited is None else {"waitedSeconds": round(self.waited, 1)}),
            **({"message": self.message} if self.message else {}),
        }


@dataclass
class _Seen:
    """What the records say of a step so far."""

    first: float | None = None
    last: float | None = None
    state: State | None = None
    clipped: bool = False
    first_line: float | None = None
    said: str = ""
    paused_at: float | None = None
    waited: float | None = None

    def add(self, record: LogRecord) -> None:
        if record.created is not None:
            self.first = record.created if self.first is None else self.first
            self.last = record.created
        told = state_of(record.status) if record.status and not record.is_console else None
        if told not in (None, State.UNKNOWN):
            self._wait(told, record.created)
            self.state, self.said = told, record.message

    def _wait(self, told: State | None, now: float | None) -> None:
        """Add up how long it waited, from each word that it is paused to the next other word."""
        if told is State.PAUSED:
            self.paused_at = now if self.paused_at is None else self.paused_at
        elif self.paused_at is not None and now is not None:
            self.waited = (self.waited or 0.0) + max(0.0, now - self.paused_at)
            self.paused_at = None

    @property
    def message(self) -> str:
        telling = self.state in (State.FAILED, State.STOPPED, State.PAUSED)
        return self.said if telling or self.waited is not None else ""

    @property
    def began(self) -> float | None:
        return self.first_line if self.clipped else self.first

    @property
    def seconds(self) -> float | None:
        if self.began is None or self.last is None:
            return None
        took = max(0.0, self.last - self.began)
        # A single line does not tell how long its step took.
        return took if took or not self.clipped else None

    def add_lines(self, first: float, last: float) -> None:
        """Take when its lines were written, of which the records are out of reach by now."""
        self.first_line, self.last = first, max(last, self.last or last)


def steps_of(
    pipeline: Pipeline, records: Sequence[LogRecord], lines: LineTimes = _NO_TIMES
) -> tuple[StepResult, ...]:
    """Tell how each active step of the plan went, as far as the records tell.

    Where its records are out of reach, the lines that were read in time tell when it went on.
    """
    seen: dict[str, _Seen] = {}
    ordered = in_order(records)
    for record in ordered:
        if record.step_id:
            seen.setdefault(record.step_id, _Seen()).add(record)
    if len(records) >= WINDOW:
        # The records before the window are gone, and with them the beginning of its first step.
        oldest = next((one.step_id for one in ordered if pipeline.step(one.step_id)), "")
        for step in takewhile(lambda step: step.id != oldest, pipeline.plan):
            seen.setdefault(step.id, _Seen()).clipped = True
        seen.setdefault(oldest, _Seen()).clipped = True
    for step_id, one in seen.items():
        if one.clipped and step_id in lines:
            one.add_lines(*lines[step_id])
    return tuple(_result(step, seen.get(step.id, _Seen())) for step in pipeline.plan if step.active)


def steps_without_records(pipeline: Pipeline, lines: LineTimes) -> tuple[StepResult, ...]:
    """Tell the active steps of the plan, and when they began, where no records could be read."""
    active = [step for step in pipeline.plan if step.active]
    begins = [lines[step.id][0] if step.id in lines else None for step in active]
    return tuple(
        StepResult(step.name, step.tool, started_at=began, id=step.id, out_of_reach=True)
        for step, began in zip(active, begins, strict=True)
    )


def _result(step: Step, seen: _Seen) -> StepResult:
    return StepResult(
        step.name,
        step.tool,
        seen.state,
        seen.seconds,
        seen.began,
        id=step.id,
        message=seen.message,
        waited=seen.waited,
        out_of_reach=seen.clipped,
    )


@dataclass(frozen=True)
class Failure:
    """Where a run failed, and what the step's own record says about it."""

    step: Step
    message: str = ""


def failure_of(pipeline: Pipeline, run: Run, records: Sequence[LogRecord]) -> Failure | None:
    """Find where a run failed: from its records, or from the pipeline's last step."""
    for record in reversed(in_order(records)):
        if record.step_id and not record.is_console and state_of(record.status) is State.FAILED:
            named = Step(record.step_id, record.step_name or record.step_id, record.tool)
            return Failure(pipeline.step(record.step_id) or named, record.message)
    step = pipeline.step(pipeline.failed_step_id) if pipeline.run_count == run.count else None
    return Failure(step) if step is not None else None


@dataclass(frozen=True)
class RunDetails:
    """What the records say about a run, beyond its status; None and empty mean unknown.

    Times are in seconds since 1970 UTC, by Opsera's clock. Names are only those that a record of
    the run carries.
    """

    steps: tuple[StepResult, ...] = ()
    failure: Failure | None = None
    started_at: float | None = None
    finished_at: float | None = None
    stopped_by: str = ""
    waiting_for: str = ""
    """Name of the approval step at which the run is paused."""
    branch: str = ""
    """Git branch of the run, if a record carries it."""

    @property
    def duration(self) -> float | None:
        """Seconds from the first to the last record of the run."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(0.0, self.finished_at - self.started_at)

    def settled(self, *, run_stopped: bool) -> RunDetails:
        """Return the details as the run leaves them: a stopped run has no step in progress."""
        return replace(self, steps=tuple(s.settled(run_stopped=run_stopped) for s in self.steps))


def details_of(
    pipeline: Pipeline, run: Run, records: Sequence[LogRecord], lines: LineTimes = _NO_TIMES
) -> RunDetails:
    """Collect what the pipeline and the latest records of a run say about it."""
    times = [one.created for one in records if one.created is not None]
    steps = steps_of(pipeline, records, lines)
    stopped = pipeline.state is State.STOPPED and pipeline.run_count == run.count
    return RunDetails(
        tuple(step.settled(run_stopped=stopped) for step in steps),
        failure_of(pipeline, run, records),
        started_at=min(times, default=None) if len(records) < WINDOW else None,
        finished_at=max(times, default=None),
        waiting_for=next((step.name for step in steps if step.state is State.PAUSED), ""),
    )
