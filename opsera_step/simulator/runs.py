"""One run of a pipeline: its states, its log, and how it is played through the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from opsera_step.simulator import places
from opsera_step.simulator.records import CONSOLE, LogStore, Record, Shape, Truth
from opsera_step.simulator.scenario import PipelineSpec, StepSpec, User
from opsera_step.simulator.switches import Switches
from opsera_step.simulator.timeline import Emission, LogEntry, emissions

FINAL = ("success", "failed", "stopped", "rejected")
"""The states in which a run stays."""


@dataclass
class Run:
    """One run, as far as it has come; times are seconds of the world."""

    count: int
    user: User
    accepted: float
    log: LogStore
    started: float | None = None
    ended: float | None = None
    truth: Truth = field(default_factory=Truth)
    changes: list[tuple[float, str]] = field(default_factory=list)

    @property
    def state(self) -> str:
        """The state that it is in now."""
        return self.changes[-1][1]

    def state_at(self, moment: float) -> str:
        """Return the state that it was in at a moment, or its first one."""
        past = [state for at, state in self.changes if at <= moment]
        return past[-1] if past else self.changes[0][1]


class Stage(Protocol):
    """What a run is played on: the world, as far as a run needs it."""

    switches: Switches

    @property
    def now(self) -> float:
        """Seconds since the world began."""
        ...

    def schedule(self, at: float, action: Callable[[], None]) -> None:
        """Have something done when the world has come to a time."""
        ...

    def move_to(self, at: float) -> bool:
        """Move on to a time at once if it has come and nothing else happens up to it."""
        ...

    def new_record(self, shape: Shape, text: str, *, with_id: bool) -> Record:
        """Make a log record that was written now."""
        ...

    def milliseconds(self) -> int:
        """Return the wall clock of this moment."""
        ...


class Writer:
    """Writes the log of one run."""

    def __init__(self, stage: Stage, pipeline: PipelineSpec, run: Run) -> None:
        """Write for a run on a stage."""
        self._stage = stage
        self._pipeline = pipeline
        self._run = run
        self._growing: dict[int, Record] = {}
        self._shapes: dict[tuple[int, int], Shape] = {}
        self._era = 0

    def hush(self) -> None:
        """End all that is being written; what is played from now on is heard again."""
        self._era += 1

    def note(self, action: str, status: str, message: str, index: int | None = None) -> None:
        """Write an activity record, of a step when there is an index."""
        shape = self._shape(index)
        spelled = self._stage.switches.spell(status)
        shape = replace(shape, action=action, status=spelled, message=message)
        if index is None:
            shape = replace(shape, step_name=action)
        self._show(self._stage.new_record(shape, "", with_id=True), "", 0.0)

    def play(self, entries: tuple[LogEntry, ...], index: int) -> None:
        """Write log entries of a step from now on, each in its time."""
        coming, began = emissions(entries), self._stage.now
        for first in coming:
            resume = partial(self._resume, self._era, first, coming, began, index)
            self._stage.schedule(began + first.at, resume)
            return

    def _resume(
        self, era: int, due: Emission, coming: Iterator[Emission], began: float, index: int
    ) -> None:
        if era != self._era:
            return
        self._write(due, index)
        for emission in coming:
            at = began + emission.at
            # Thousands of records in a row need no detour by the schedule.
            if not self._stage.move_to(at):
                resume = partial(self._resume, era, emission, coming, began, index)
                self._stage.schedule(at, resume)
                return
            self._write(emission, index)

    def _write(self, emission: Emission, index: int) -> None:
        entry, text = emission.entry, emission.text
        if self._stage.switches.line_ends == "crlf":
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        if not emission.first:
            self._grow(self._growing[id(entry)], text, emission)
            return
        record = self._stage.new_record(self._shape_of(entry, index), text, with_id=entry.with_id)
        if entry.growing:
            self._growing[id(entry)] = record
        self._show(record, text, entry.late, finished=emission.last)

    def _show(self, record: Record, text: str, late: float, finished: bool = True) -> None:
        wait = late + self._stage.switches.log_lag
        if wait:
            shown = partial(self._publish, record, text, finished)
            self._stage.schedule(self._stage.now + wait, shown)
        else:
            self._publish(record, text, finished)

    def _publish(self, record: Record, text: str, finished: bool) -> None:
        self._run.log.add(record)
        if record.shape.action == CONSOLE:
            self._run.truth.add(record, places.shown(text, record.shape.place), finished)

    def _grow(self, record: Record, text: str, emission: Emission) -> None:
        updated = self._stage.milliseconds()
        wait = emission.entry.late + self._stage.switches.log_lag
        grown = partial(self._extend, record, text, updated, emission.last)
        if wait:
            self._stage.schedule(self._stage.now + wait, grown)
        else:
            grown()

    def _extend(self, record: Record, text: str, updated: int, finished: bool) -> None:
        record.text += text
        record.updated = updated
        self._run.log.touch(record)
        self._run.truth.add(record, text, finished)

    def _shape_of(self, entry: LogEntry, index: int) -> Shape:
        known = self._shapes.get((id(entry), index))
        return known or self._shapes.setdefault((id(entry), index), self._new_shape(entry, index))

    def _new_shape(self, entry: LogEntry, index: int) -> Shape:
        shape = self._shape(index)
        return replace(
            shape,
            action=entry.action or CONSOLE,
            status=entry.status or shape.status,
            message=entry.message or shape.message,
            step_name=entry.step_name or shape.step_name,
            place=entry.place or shape.place,
            extra=entry.record,
        )

    def _shape(self, index: int | None) -> Shape:
        switches = self._stage.switches
        named = switches.start_records != "without_user"
        shape = Shape(
            pipeline_id=self._pipeline.id,
            run_count=self._run.count,
            user_id=self._run.user.id if named else "",
            place=switches.place,
            status=switches.spell("running"),
        )
        if index is None:
            return shape
        step: StepSpec = self._pipeline.plan[index]
        return replace(
            shape,
            step_id=step.id,
            step_name=step.name,
            step_index=index if switches.step_index == "from_zero" else None,
            tool=step.tool_object,
            place=step.place or shape.place,
        )
