"""One run of an Opsera as a schedule: what each request returns from which second on."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

from opsera_step.api import Listing, LogRecord, Pipeline, Run, RunStatus, State, Step, state_of
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import (
    ApiError,
    Forbidden,
    NotFound,
    Redirected,
    Rejected,
    Unauthorized,
    Unavailable,
)
from opsera_step.runs import STARTED, FollowPolicy, RunState, events, follow

RUN = Run("65a4f00dc0ffee0123456789", 42)
FOREVER = float("inf")
BUILD, APPROVAL, DEPLOY = (
    Step("s1", "Build", "jenkins"),
    Step("s2", "Approve production", "approval"),
    Step("s3", "Deploy", "kubernetes"),
)
PLAN = (BUILD, APPROVAL, DEPLOY)
T = TypeVar("T")
E = TypeVar("E", bound=events.Event)


def http(status: int, retry_after: float | None = None) -> ApiError:
    """Make the error that the client makes of an HTTP status."""
    kinds = {400: Rejected, 401: Unauthorized, 403: Forbidden, 404: NotFound, 302: Redirected}
    error = kinds.get(status, Unavailable)(f"the request failed (HTTP {status}).")
    if isinstance(error, Unavailable):
        error.throttled, error.retry_after = status == 429, retry_after
    return error


def record(
    number: int, text: str = "", step: Step = BUILD, created: float | None = None, **fields: Any
) -> LogRecord:
    """Make a console record of a step, or one of another action."""
    values = {
        "id": f"65000000{'ab' * 5}{number:06x}",
        "created": float(number) if created is None else created,
        "step_id": step.id,
        "step_name": step.name,
        "step_index": PLAN.index(step) if step in PLAN else None,
        "action": "console output",
        "status": "",
        "message": "",
        "tool": step.tool,
        "user_id": "",
        "text": text,
    }
    return LogRecord(**{**values, **fields})


def pipeline(state: State, count: int = RUN.count, **fields: Any) -> Pipeline:
    """Make the pipeline object of a state."""
    made = Pipeline(RUN.pipeline_id, "Deploy shop", count, state, PLAN, current_step_id="s1")
    return replace(made, **fields)


@dataclass
class ScriptedOpsera:
    """A pipeline with one run that we follow; each request takes `latency` seconds."""

    clock: FakeClock
    statuses: list[tuple[float, str | ApiError]]
    """What the status call returns: a status, with `|` and a message, or an error."""
    lines: list[tuple[float, str] | tuple[float, str, Step]] = field(default_factory=list)
    """When each console record appears; of the first step by default."""
    activity: list[tuple[float, LogRecord]] = field(default_factory=list)
    """When each other record appears."""
    pipelines: list[tuple[float, Pipeline]] = field(default_factory=list)
    """What the summary returns; without any, what follows from the status."""
    runs_ahead: dict[int, list[tuple[float, str | ApiError]]] = field(default_factory=dict)
    status_errors: list[tuple[float, float, ApiError]] = field(default_factory=list)
    log_errors: list[tuple[float, float, ApiError]] = field(default_factory=list)
    summary_errors: list[tuple[float, float, ApiError]] = field(default_factory=list)
    latency: float = 0.1
    requests: list[tuple[float, str]] = field(default_factory=list)
    ever_responded: bool = True

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self.clock.monotonic()

    def times(self, name: str) -> list[float]:
        """Return when requests were sent: status, status ahead, log, activity, summary."""
        return [at for at, one in self.requests if one == name]

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Return the status of a run."""
        self._request("status" if run == RUN else "status ahead", self.status_errors)
        said = self._at_present(self.statuses if run == RUN else self.runs_ahead[run.count])
        if isinstance(said, ApiError):
            raise said
        value, _, message = said.partition("|")
        return RunStatus(state_of(value), value, message)

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Return the pipeline."""
        self._request("summary", self.summary_errors)
        if self.pipelines:
            return self._at_present(self.pipelines)
        said = self._at_present(self.statuses)
        state = State.RUNNING if isinstance(said, ApiError) else state_of(said.partition("|")[0])
        step = APPROVAL.id if state is State.PAUSED else BUILD.id
        state = State.RUNNING if state is State.UNKNOWN else state
        return pipeline(state, current_step_id=step)

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> Listing[LogRecord]:
        """Return the latest records, latest first."""
        self._request("log" if console_only else "activity", self.log_errors)
        there = [
            (at, record(number, line[1], *line[2:], created=at))
            for number, line in enumerate(self.lines)
            if (at := line[0]) <= self.now
        ]
        if not console_only:
            there += [(at, one) for at, one in self.activity if at <= self.now]
            there.sort(key=lambda one: one[0])
        return Listing(tuple(one for _, one in reversed(there[-1000:])))

    def _request(self, name: str, errors: list[tuple[float, float, ApiError]]) -> None:
        self.requests.append((self.now, name))
        self.clock.sleep(self.latency)
        for since, until, error in errors:
            if since <= self.now < until:
                raise error

    def _at_present(self, schedule: list[tuple[float, T]]) -> T:
        return [what for at, what in schedule if at <= self.now or at == 0][-1]


@dataclass
class Followed:
    """What following yielded, with times."""

    all: list[tuple[float, events.Event]]
    state: RunState

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of a kind."""
        return [one for _, one in self.all if isinstance(one, kind)]

    def times(self, kind: type[events.Event]) -> list[float]:
        """Return when they came."""
        return [at for at, one in self.all if isinstance(one, kind)]

    @property
    def lines(self) -> list[str]:
        """The lines of the log."""
        return [line for one in self.of(events.LogLines) for line in one.lines]

    @property
    def ended(self) -> events.Ended:
        """The end, which is the last event and the only one of its kind."""
        ends = self.of(events.Ended)
        assert len(ends) == 1 and isinstance(self.all[-1][1], events.Ended)
        return ends[0]

    @property
    def end(self) -> float:
        """When it came."""
        return self.all[-1][0]

    @property
    def silences(self) -> list[float]:
        """The times between what is shown."""
        times = [0.0, *(at for at, one in self.all if not isinstance(one, events.Tick))]
        return [later - at for at, later in pairwise(times)]


def follow_run(
    opsera: ScriptedOpsera,
    timeout: float | None = 3600.0,
    *,
    is_new: bool = True,
    behind: int | None = None,
    until: Callable[[], bool] = lambda: False,
    **policy: Any,
) -> Followed:
    """Follow to the end, or until something is so."""
    state = RunState(pipeline=pipeline(State.RUNNING), run=RUN, behind=behind)
    state.origin = STARTED if is_new else "watched"
    deadline = Deadline.after(opsera.clock, timeout)
    seen = Followed([], state)
    jitter = random.Random(3).random
    for event in follow(opsera, state, FollowPolicy(**policy), opsera.clock, deadline, jitter):
        seen.all.append((opsera.now, event))
        if until():
            break
    return seen
