"""One run of a pipeline: its states over time, and the records that it writes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, Protocol, TypeVar

from opsera_step.simulator.scenario.flags import Flags
from opsera_step.simulator.scenario.spec import PipelineSpec, RunSettings, User
from opsera_step.simulator.scenario.timeline import Emission, LogEntry, emissions
from opsera_step.simulator.world.log_store import (
    CONSOLE,
    ExpectedLog,
    LogStore,
    Record,
    RecordTemplate,
    visible_text,
)

FINAL = ("success", "failed", "stopped", "rejected")
"""The states that end a run."""

T = TypeVar("T")


class History(Generic[T]):
    """A value and its past values."""

    def __init__(self, at: float, value: T) -> None:
        self._times = [at]
        self._values = [value]

    @property
    def current(self) -> T:
        """The latest value."""
        return self._values[-1]

    def set(self, at: float, value: T) -> None:
        """Change the value."""
        self._times.append(at)
        self._values.append(value)

    def at(self, moment: float) -> T:
        """Return the value at a moment, or the first one."""
        return self._values[max(0, bisect_right(self._times, moment) - 1)]


@dataclass(eq=False)
class Run:
    """One run so far. Times are seconds since the start of the simulation."""

    number: int
    user: User
    accepted: float
    log: LogStore
    settings: RunSettings = field(default_factory=RunSettings)
    started: float | None = None
    ended: float | None = None
    deleted: bool = False
    expected: ExpectedLog = field(default_factory=ExpectedLog)
    state: str = "queued"
    step_states: dict[int, str] = field(default_factory=dict)
    """The state of each step that has started, by its index."""
    shown: History[str] = field(init=False)
    """The state that the status call shows; it can flicker."""

    def __post_init__(self) -> None:
        """Start as queued."""
        self.shown = History(self.accepted, self.state)

    def set_state(self, at: float, state: str) -> None:
        """Change the state."""
        self.state = state
        self.shown.set(at, state)


class RunHost(Protocol):
    """What a run needs of the world around it."""

    flags: Flags

    @property
    def now(self) -> float:
        """Seconds since the start of the simulation."""
        ...

    def schedule(self, at: float, action: Callable[[], None]) -> None:
        """Call an action when a time has come."""
        ...

    def move_to(self, at: float) -> bool:
        """Move to a time at once if it has come and nothing else happens before it."""
        ...

    def new_record(self, template: RecordTemplate, text: str, *, with_id: bool) -> Record:
        """Create a log record at the current time."""
        ...

    def milliseconds(self) -> int:
        """Return the wall clock in milliseconds."""
        ...


class LogWriter:
    """Writes the log of one run."""

    def __init__(self, host: RunHost, pipeline: PipelineSpec, run: Run) -> None:
        self._host = host
        self._pipeline = pipeline
        self._run = run
        self._growing: dict[int, Record] = {}
        self._templates: dict[tuple[int, int], RecordTemplate] = {}
        self._step_templates: dict[int | None, RecordTemplate] = {}
        self._generation = 0

    def cancel(self) -> None:
        """Stop writing everything that `play` has started so far."""
        self._generation += 1

    def note(
        self,
        action: str,
        status: str,
        message: str,
        index: int | None = None,
        user: User | None = None,
    ) -> None:
        """Write an activity record: of a step if there is an index, and of a user who acted."""
        flags = self._host.flags
        actor = user if user is not None and flags.record_actors == "actor" else self._run.user
        template = replace(
            self._template(index),
            action=action,
            status=flags.spell(status),
            message=message,
            user=self._user_fields(actor),
        )
        if index is None:
            template = replace(template, step_name=action)
        self._show(self._host.new_record(template, "", with_id=True), "", 0.0)

    def play(self, entries: tuple[LogEntry, ...], index: int) -> None:
        """Write log entries of a step from now on, each at its time."""
        coming, start = emissions(entries), self._host.now
        first = next(coming, None)
        if first is not None:
            resume = partial(self._resume, self._generation, first, coming, start, index)
            self._host.schedule(start + first.at, resume)

    def _resume(
        self, generation: int, due: Emission, coming: Iterator[Emission], start: float, index: int
    ) -> None:
        if generation != self._generation:
            return
        self._write(due, index)
        for emission in coming:
            at = start + emission.at
            # Thousands of records in a row need no detour by the schedule.
            if not self._host.move_to(at):
                resume = partial(self._resume, generation, emission, coming, start, index)
                self._host.schedule(at, resume)
                return
            self._write(emission, index)

    def _write(self, emission: Emission, index: int) -> None:
        entry, text = emission.entry, emission.text
        if self._pipeline.branch:
            branch = self._run.settings.branch or self._pipeline.branch
            text = text.replace("{branch}", branch)
        if self._host.flags.line_ends == "crlf":
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        if not emission.first:
            self._grow(self._growing[id(entry)], text, emission)
            return
        template = self._template_of(entry, index)
        record = self._host.new_record(template, text, with_id=entry.id)
        if entry.growing:
            self._growing[id(entry)] = record
        self._show(record, text, entry.late, finished=emission.last)

    def _show(self, record: Record, text: str, late: float, finished: bool = True) -> None:
        self._after(late, partial(self._publish, record, text, finished))

    def _grow(self, record: Record, text: str, emission: Emission) -> None:
        updated = self._host.milliseconds()
        grow = partial(self._extend, record, text, updated, emission.last)
        self._after(emission.entry.late, grow)

    def _after(self, late: float, action: Callable[[], None]) -> None:
        wait = late + self._host.flags.log_lag
        if wait:
            self._host.schedule(self._host.now + wait, action)
        else:
            action()

    def _publish(self, record: Record, text: str, finished: bool) -> None:
        self._run.log.add(record)
        if record.template.action == CONSOLE:
            visible = visible_text(text, record.template.place)
            self._run.expected.add(record, visible, finished)

    def _extend(self, record: Record, text: str, updated: int, finished: bool) -> None:
        record.text += text
        record.updated = updated
        self._run.log.touch(record)
        self._run.expected.add(record, text, finished)

    def _template_of(self, entry: LogEntry, index: int) -> RecordTemplate:
        key = (id(entry), index)
        if key not in self._templates:
            template = self._template(index)
            self._templates[key] = replace(
                template,
                action=entry.action or CONSOLE,
                status=entry.status or template.status,
                message=entry.message or template.message,
                step_name=entry.step_name or template.step_name,
                place=entry.place or template.place,
                extra=entry.record,
            )
        return self._templates[key]

    def _template(self, index: int | None) -> RecordTemplate:
        if index not in self._step_templates:
            self._step_templates[index] = self._new_template(index)
        return self._step_templates[index]

    def _new_template(self, index: int | None) -> RecordTemplate:
        flags = self._host.flags
        template = RecordTemplate(
            pipeline_id=self._pipeline.id,
            run_number=self._run.number,
            user=self._user_fields(self._run.user),
            place=flags.place,
            status=flags.spell("running"),
        )
        if index is None:
            return template
        step = self._pipeline.plan[index]
        return replace(
            template,
            step_id=step.id,
            step_name=step.name,
            step_index=index if flags.step_index == "from_zero" else None,
            tool=step.tool_object(self._run.settings),
            place=step.place or template.place,
        )

    def _user_fields(self, user: User) -> dict[str, object]:
        fields: dict[str, dict[str, object]] = {
            "id": {"user_id": user.id},
            "name": {"user_id": user.name},
            "both": {"user_id": user.id, "user_name": user.name},
        }
        return fields.get(self._host.flags.record_users, {})
