"""Results and times of the steps of a run, collected from its activity records. Pure.

What no record shows stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opsera_step.api import LogRecord, Pipeline, Run, State, Step, format_timestamp, state_of
from opsera_step.runs.log_cursor import WINDOW, plausible

_MAX_MESSAGE = 1000
"""Characters that are kept of a message; less of it is shown."""
_MAX_RECORDS = 50_000
"""Records with a status that are remembered, so that memory is bounded."""
_MAX_STEPS = 20_000


class StepResult(NamedTuple):
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
    """Why it failed, stopped, or waited, from its own record; else empty."""
    waited: float | None = None
    out_of_reach: bool = False
    """Whether it may have records that could not be read."""

    @property
    def finished_at(self) -> float | None:
        """When it ended, in seconds since 1970 UTC; None if unknown or still in progress."""
        over = self.state is not None and self.state.final
        known = over and self.started_at is not None and self.seconds is not None
        return (self.started_at or 0.0) + (self.seconds or 0.0) if known else None

    @property
    def not_started(self) -> bool:
        """Whether it certainly did not start: it has no records, and none are out of reach."""
        is_unknown = self.state is None and self.seconds is None and self.started_at is None
        return is_unknown and not self.out_of_reach

    def but_safe(self, inline: Callable[[str], str]) -> StepResult:
        """Return it with its texts made safe to show."""
        name, tool, message = inline(self.name), inline(self.tool), inline(self.message)
        return self._replace(name=name, tool=tool, message=message)

    def settled(self, state: State) -> StepResult:
        """Return it as a run of this final state leaves it: nothing is in progress any more."""
        if self.state not in (State.RUNNING, State.PAUSED) or not state.final:
            return self
        if state is State.STOPPED:
            # Its records ended before it did: how long it took is unknown.
            return self._replace(state=state, seconds=None)
        return self.lost()

    def lost(self) -> StepResult:
        """Return it as a run whose end is unknown leaves it: whether it still runs is unknown."""
        if self.state not in (State.RUNNING, State.PAUSED):
            return self
        return self._replace(state=None, seconds=self.seconds or None)

    def to_json(self) -> dict[str, Any]:
        """Return it for the output `result`, where space is scarce: rare keys only if needed."""
        return {
            "name": self.name,
            "tool": self.tool,
            "state": self.state.value if self.state else None,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "startedAt": None if self.started_at is None else format_timestamp(self.started_at),
            **({} if self.waited is None else {"waitedSeconds": round(self.waited, 1)}),
            **({"message": self.message} if self.message else {}),
        }


class Failure(NamedTuple):
    """Where a run failed, and the message of that step's record."""

    step: Step
    message: str = ""


class Pause(NamedTuple):
    """Where and since when a run is waiting for approval, and who was asked, from a record."""

    step_id: str
    since: float | None = None
    user: str = ""


class RunDetails(NamedTuple):
    """What the records say about a run, beyond its status; None and empty mean unknown.

    Times are in seconds since 1970 UTC, by Opsera's clock. Names are only those that a record of
    the run carries.
    """

    steps: tuple[StepResult, ...] = ()
    failure: Failure | None = None
    started_at: float | None = None
    finished_at: float | None = None
    """When its last record was written; None while the run is in progress."""
    stopped_by: str = ""
    waiting_for: str = ""
    """Name of the approval step at which the run is paused, or was when it was stopped."""

    @property
    def duration(self) -> float | None:
        """Seconds from the first to the last record of the run."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(0.0, self.finished_at - self.started_at)

    def settled(self, state: State) -> RunDetails:
        """Return the details as a run of this final state leaves them."""
        return self._replace(steps=tuple(step.settled(state) for step in self.steps))


class _Status(NamedTuple):
    """A record with a status."""

    created: float | None
    number: int
    step_id: str
    state: State
    message: str
    user: str


@dataclass
class _Times:
    """When the records of a step, or of a run, were written."""

    first: float | None = None
    last: float | None = None
    first_line: float | None = None
    is_cut: bool = False
    """Whether earlier lines may be missing."""

    def add(self, created: float | None, *, is_line: bool = False) -> None:
        if created is None:
            return
        self.first = created if self.first is None else min(self.first, created)
        self.last = created if self.last is None else max(self.last, created)
        if is_line:
            line = self.first_line
            self.first_line = created if line is None else min(line, created)


@dataclass
class StepHistory:
    """Collects the records of one run while it is followed; feed it each record at least once."""

    pipeline: Pipeline | None = None
    """The latest pipeline object: its plan has the order and names of the steps."""
    branch: str = ""
    """Git branch of the run."""
    _steps: dict[str, _Times] = field(default_factory=dict)
    _names: dict[str, tuple[str, str]] = field(default_factory=dict)
    _run: _Times = field(default_factory=_Times)
    _statuses: dict[object, _Status] = field(default_factory=dict)
    _starter: str = ""
    """Who started the run, by name."""
    _latest: frozenset[object] = frozenset()
    """Keys of the latest snapshot with records of all types."""
    _read: bool = False
    _places_of: Sequence[Step] = ()
    _places: dict[str, int] = field(default_factory=dict)
    _clipped_at: list[str] = field(default_factory=list)
    """IDs of the steps whose records follow a gap; they and earlier steps may have more."""

    def index(self, step_id: str) -> int:
        """Return the place of a step in the plan; -1 if unknown."""
        plan = () if self.pipeline is None else self.pipeline.plan
        if self._places_of is not plan:
            self._places_of = plan
            self._places = {step.id: place for place, step in enumerate(plan)}
        return self._places.get(step_id, -1)

    def saw_line(self, record: LogRecord, *, follows_gap: bool = False) -> None:
        """Note that a console record was read, maybe after others that are out of reach."""
        created = plausible(record.created)
        self._run.add(created)
        if record.step_id in self._steps or len(self._steps) < _MAX_STEPS:
            times = self._steps.setdefault(record.step_id, _Times())
            times.is_cut |= follows_gap and times.first_line is None
            times.add(created, is_line=True)

    def add(self, snapshot: Sequence[LogRecord], *, is_cut: bool = False) -> int:
        """Take the records of all types, latest first; return how many were not in the last ones.

        `is_cut`: older records may exist although the window is not full.
        """
        keys = [_key(record) for record in snapshot]
        present = frozenset(keys)
        if (is_cut or len(snapshot) >= WINDOW) and not present & self._latest:
            self._clipped_at.append(next((r.step_id for r in reversed(snapshot) if r.step_id), ""))
        new = len(present - self._latest)
        for key, record in zip(reversed(keys), reversed(snapshot), strict=True):
            self._take(key, record)
        self._latest, self._read = present or self._latest, True
        return new

    def _take(self, key: object, record: LogRecord) -> None:
        created = plausible(record.created)
        self._run.add(created)
        self.branch = record.branch or self.branch
        if not self._starter and record.step_name.strip().lower() == "start pipeline":
            self._starter = _name(record)
        if record.step_id in self._steps or (record.step_id and len(self._steps) < _MAX_STEPS):
            times = self._steps.setdefault(record.step_id, _Times())
            times.add(created)
            self._names[record.step_id] = (record.step_name, record.tool)
        state = State.UNKNOWN if record.is_console else state_of(record.status)
        if state is not State.UNKNOWN and (
            key in self._statuses or len(self._statuses) < _MAX_RECORDS
        ):
            number = self._statuses[key].number if key in self._statuses else len(self._statuses)
            self._statuses[key] = _Status(
                created, number, record.step_id, state, record.message[:_MAX_MESSAGE], _name(record)
            )

    @property
    def has_later_steps(self) -> bool:
        """Whether the plan has active steps after the last one that has any record."""
        plan = () if self.pipeline is None else self.pipeline.plan
        started = [place for place, step in enumerate(plan) if step.id in self._steps]
        return any(step.active for step in plan[max(started, default=-1) + 1 :])

    @property
    def pause(self) -> Pause | None:
        """Where the run is waiting for approval, according to the latest status of a step."""
        latest = {one.step_id: one for one in self._in_order()}
        paused = [one for one in latest.values() if one.state is State.PAUSED and one.step_id]
        if not paused:
            return None
        one = paused[-1]
        # A record may as well name who started the run.
        return Pause(one.step_id, one.created, one.user if one.user != self._starter else "")

    def details(self, run: Run | None, state: State | None) -> RunDetails:
        """Return what is known of the run, whose state this is."""
        plan = self.pipeline.plan if self.pipeline is not None else ()
        ordered = self._in_order()
        statuses: dict[str, list[_Status]] = {}
        for one in ordered:
            statuses.setdefault(one.step_id, []).append(one)
        clipped = self._clipped_up_to(plan)
        steps = [
            self._result(step, statuses.get(step.id, []), clipped=index <= clipped)
            for index, step in enumerate(plan)
            if step.active
        ]
        over = state is not None and state.final
        failure = self._failure(run, ordered)
        if failure is not None and state is State.FAILED:
            # If no record shows it, the pipeline does.
            steps = [_failed(step) if step.id == failure.step.id else step for step in steps]
        stops = [one.user for one in ordered if one.state is State.STOPPED and one.user]
        waiting = next((step.name for step in steps if step.state is State.PAUSED), "")
        details = RunDetails(
            steps=tuple(steps),
            failure=failure,
            started_at=None if self._clipped_at else self._run.first,
            finished_at=self._run.last if over else None,
            stopped_by=stops[-1] if stops and state is State.STOPPED else "",
            waiting_for="" if state in (State.SUCCESS, State.FAILED) else waiting,
        )
        return details.settled(state) if state is not None else details

    def _in_order(self) -> list[_Status]:
        """Return the records with a status, oldest first; those without a time keep their place."""
        last = float("-inf")
        keyed = []
        for one in self._statuses.values():
            last = last if one.created is None else one.created
            keyed.append((last, one.number, one))
        return [one for _, _, one in sorted(keyed, key=lambda item: item[:2])]

    def _clipped_up_to(self, plan: Sequence[Step]) -> int:
        """Return the index of the last step whose records may be incomplete; -1 for none."""
        if not self._read:
            return len(plan)
        return max((max(0, self.index(step_id)) for step_id in self._clipped_at), default=-1)

    def _result(self, step: Step, statuses: list[_Status], *, clipped: bool) -> StepResult:
        times = self._steps.get(step.id, _Times())
        state = statuses[-1].state if statuses else None
        waited = _waited(statuses)
        started_at = times.first
        if clipped:
            early = [one.created for one in statuses if not one.state.final and one.created]
            early += [] if times.first_line is None or times.is_cut else [times.first_line]
            started_at = min(early, default=None)
        seconds = None
        if started_at is not None and times.last is not None and self._read:
            # A single record after a gap does not show how long the step took.
            took = times.last - started_at
            seconds = took if took or not clipped else None
        has_message = state in (State.FAILED, State.STOPPED, State.PAUSED) or waited is not None
        return StepResult(
            step.name,
            step.tool,
            state,
            seconds,
            started_at,
            id=step.id,
            message=statuses[-1].message if statuses and has_message else "",
            waited=waited,
            out_of_reach=clipped and not (state is not None and state.final),
        )

    def _failure(self, run: Run | None, ordered: Sequence[_Status]) -> Failure | None:
        """Find where the run failed: from its records, or from the pipeline's last step."""
        known = {} if self.pipeline is None else {step.id: step for step in self.pipeline.plan}
        for one in reversed(ordered):
            if one.state is State.FAILED and one.step_id:
                name, tool = self._names.get(one.step_id, ("", ""))
                named = Step(one.step_id, name or one.step_id, tool)
                return Failure(known.get(one.step_id, named), one.message)
        pipeline = self.pipeline
        if pipeline is None or run is None or pipeline.run_count != run.count:
            return None
        step = known.get(pipeline.failed_step_id)
        return None if step is None else Failure(step)


def steps_of(pipeline: Pipeline, records: Sequence[LogRecord]) -> tuple[StepResult, ...]:
    """Return what the latest records of a run, latest first, say about each active step."""
    history = StepHistory(pipeline)
    history.add(records)
    return history.details(None, None).steps


def _failed(step: StepResult) -> StepResult:
    is_unknown = step.state in (None, State.RUNNING, State.PAUSED)
    return step._replace(state=State.FAILED, out_of_reach=False) if is_unknown else step


def _key(record: LogRecord) -> object:
    text = hash(record.text)
    return record.id or (record.created, record.step_id, record.action, record.status, text)


def _name(record: LogRecord) -> str:
    """Return the name of the user that a record carries; an ID alone is none."""
    return record.user if record.user != record.user_id else ""


def _waited(statuses: Iterable[_Status]) -> float | None:
    """Add up the time from each paused status to the next other one; None if there is none."""
    spans = list(_waits(statuses))
    return sum(spans) if spans else None


def _waits(statuses: Iterable[_Status]) -> Iterator[float]:
    since: float | None = None
    for one in statuses:
        if one.state is State.PAUSED:
            since = one.created if since is None else since
        elif since is not None and one.created is not None:
            yield max(0.0, one.created - since)
            since = None
