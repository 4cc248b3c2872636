"""What became of each step of a run, from its activity records and the pipeline's plan. Pure.

What can't be known is left out rather than made up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opsera_step.json_values import spell_time
from opsera_step.logs import WINDOW, in_order
from opsera_step.models import LogRecord, Pipeline, Run, State, Step, state_of


@dataclass(frozen=True)
class StepResult:
    """A step of a run; `state`, `seconds` and `began` are None where nothing tells.

    `began` is in seconds since 1970 UTC, by Opsera's clock.
    """

    name: str
    tool: str = ""
    state: State | None = None
    seconds: float | None = None
    began: float | None = None

    def but_safe(self, inline: Callable[[str], str]) -> StepResult:
        """Return it with its texts made safe to show."""
        return replace(self, name=inline(self.name), tool=inline(self.tool))

    def to_json(self) -> dict[str, Any]:
        """Return it for the output `result`."""
        return {
            "name": self.name,
            "tool": self.tool,
            "state": self.state.value if self.state else None,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "startedAt": None if self.began is None else spell_time(self.began),
        }


@dataclass
class _Seen:
    """What the records say of a step so far."""

    first: float | None = None
    last: float | None = None
    state: State | None = None
    clipped: bool = False

    def add(self, record: LogRecord) -> None:
        if record.created is not None:
            self.first = record.created if self.first is None else self.first
            self.last = record.created
        told = state_of(record.status) if record.status and not record.is_console else None
        if told not in (None, State.UNKNOWN):
            self.state = told

    @property
    def began(self) -> float | None:
        return None if self.clipped else self.first

    @property
    def seconds(self) -> float | None:
        if self.began is None or self.last is None:
            return None
        return max(0.0, self.last - self.began)


def steps_of(pipeline: Pipeline, records: Sequence[LogRecord]) -> tuple[StepResult, ...]:
    """Tell how each active step of the plan went, as far as the records tell."""
    seen: dict[str, _Seen] = {}
    ordered = in_order(records)
    for record in ordered:
        if record.step_id:
            seen.setdefault(record.step_id, _Seen()).add(record)
    if len(records) >= WINDOW and ordered[0].step_id in seen:
        # The records before the window are gone, so when this step began is not known.
        seen[ordered[0].step_id].clipped = True
    active = [(step, seen.get(step.id, _Seen())) for step in pipeline.plan if step.active]
    return tuple(
        StepResult(step.name, step.tool, it.state, it.seconds, it.began) for step, it in active
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
