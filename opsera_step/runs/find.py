"""Find our run among the runs of a pipeline, or prove that there is none.

A run is ours if the user in its first log record is the owner of our token. If no record shows who
started it, it can be ours only as the single new run after our request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple, TypeVar

from opsera_step.api import (
    LogRecord,
    OpseraClient,
    Pipeline,
    Run,
    State,
    is_object_id,
    token_identities,
)
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import ApiError, RunUncertain, TimedOut
from opsera_step.runs.events import Event, Note
from opsera_step.runs.retry import Heartbeats, Jitter, call_with_retry

POLL_INTERVAL = 2.0
EAGER_FOR = 30.0
"""Seconds after which it polls less often: an API too busy to take requests is spared."""
SLOW_POLL_INTERVAL = 8.0
MAX_POLL_INTERVAL = 16.0
"""Seconds between two looks at most, behind a run that has been in progress for long."""
OWNER_KNOWN_WITHIN = 10.0
"""Seconds until the log of a new run shows who started it, if it ever does."""
MAX_CANDIDATES = 10
"""Most new runs to look through; with more, which is ours can't be known anyway."""
OWNER_CHECKED_FOR = 2.0
"""Seconds that a cancelled job, or its cleanup, waits for the log to show who started a run."""
_CALL_LIMIT = 10.0
_URGENT_INTERVAL = 0.3
"""Seconds between two requests of a job that is being cancelled."""
_MAX_DUPLICATES = 5

T = TypeVar("T")
Steps = Generator[Event, None, T]


class Idle(NamedTuple):
    """Our run has not appeared, and the pipeline was idle and untouched for long enough."""

    pipeline: Pipeline


class RunOwnership:
    """Picks our run out of the runs that appeared after our request."""

    def __init__(
        self, client: OpseraClient, identities: frozenset[str], clock: Clock, deadline: Deadline
    ) -> None:
        self._client, self._clock, self._deadline = client, clock, deadline
        self._identities = identities
        self._seen_at: dict[int, float] = {}
        self.others: set[int] = set()
        """Numbers of runs that other users started."""

    def pick_own_run(self, before: int, now: Pipeline) -> Steps[int | None]:
        """Return our run among those after `before`; None while no run can be taken as ours.

        Raises:
            RunUncertain: if several could be ours.
        """
        latest = now.run_count
        if latest - before > MAX_CANDIDATES + len(self.others):
            raise _ambiguous(f"{before + 1} to {latest}")
        candidates = sorted(set(range(before + 1, latest + 1)) - self.others)
        is_ours = {count: self.is_ours(Run(now.id, count)) for count in candidates}
        started_by_others = [count for count in candidates if is_ours[count] is False]
        if started_by_others:
            self.others.update(started_by_others)
            yield Note(f"{_name(started_by_others)} started by another user; still looking.", True)
        ours = [count for count in candidates if is_ours[count]]
        unknown = [count for count in candidates if is_ours[count] is None]
        if self._may_become_known(unknown, now, has_ours=bool(ours)):
            return None
        possible = ours or unknown
        if len(possible) > 1:
            raise _ambiguous(" and ".join(map(str, possible)))
        if not possible:
            return None
        yield _found(possible[0], known=bool(ours))
        return possible[0]

    def _may_become_known(self, unknown: Iterable[int], now: Pipeline, *, has_ours: bool) -> bool:
        """Whether the logs may yet say who started these runs: they lag behind the run numbers."""
        at, last = self._clock.monotonic(), now.last_run_count
        for count in unknown:
            if not has_ours and last is not None and count > last + 1:
                # It is queued, and has no log yet.
                self._seen_at[count] = at
        ages = [at - self._seen_at.setdefault(count, at) for count in unknown]
        return bool(self._identities) and min(ages, default=math.inf) < OWNER_KNOWN_WITHIN

    def is_ours(self, run: Run) -> bool | None:
        """Compare who started a run with the token's owner; None if either is unknown."""
        if not self._identities:
            return None
        try:
            until = self._deadline.no_later_than(_CALL_LIMIT)
            records = self._client.logs(run, until, console_only=False).items
        except ApiError:
            return None
        # Another form, such as a name, can't be compared with the IDs in the token.
        starters = [one.user_id for one in records if _is_start(one) and is_object_id(one.user_id)]
        return starters[-1].lower() in self._identities if starters else None


class RunFinder:
    """Looks for the run of a request whose outcome is unknown."""

    def __init__(
        self,
        client: OpseraClient,
        identities: frozenset[str],
        clock: Clock,
        deadline: Deadline,
        jitter: Jitter,
    ) -> None:
        self._client, self._clock, self._deadline, self._jitter = client, clock, deadline, jitter
        self._ownership = RunOwnership(client, identities, clock, deadline)
        self.heartbeats = Heartbeats(clock, deadline)

    def find(self, before: Pipeline, idle_for: float, not_before: float = 0.0) -> Steps[int | Idle]:
        """Return the number of our run, or Idle after `idle_for` seconds without a trace of it.

        `before` is the pipeline before the request; Idle does not come before `not_before`.

        Raises:
            RunUncertain: if it can't be known which run is ours, or whether there is one.
            TimedOut: if the deadline comes first.
        """
        start_time, idle_since = self._clock.monotonic(), math.inf
        while True:
            now = yield from self._read(before.id)
            if now.run_count > before.run_count:
                count = yield from self._ownership.pick_own_run(before.run_count, now)
                if count is not None:
                    return count
            at = self._clock.monotonic()
            idle_since = math.inf if _may_hide_a_run(now, before) else min(idle_since, at)
            if at - idle_since >= idle_for and at >= not_before:
                self._check_untouched(before, now)
                return Idle(now)
            if self._deadline.expired:
                raise TimedOut(
                    "The timeout expired before it was known whether the run was started.",
                    RunUncertain.hint,
                )
            interval = POLL_INTERVAL if at - start_time < EAGER_FOR else SLOW_POLL_INTERVAL
            behind = now.run_count if now.state.active else None
            if behind is not None:
                interval = max(interval, interval_behind(at - start_time))
            yield from self.heartbeats.sleep(interval, behind=behind)

    def summary(self, pipeline_id: str) -> Steps[Pipeline]:
        """Get the pipeline, with retries."""
        return (yield from self.call(lambda until: self._client.summary(pipeline_id, until)))

    def call(self, call: Callable[[Deadline], T]) -> Steps[T]:
        """Send a request with retries."""
        return (
            yield from call_with_retry(
                call, self._client, self._clock, self._deadline, self._jitter
            )
        )

    def _read(self, pipeline_id: str) -> Steps[Pipeline]:
        """Get the pipeline while our run may exist."""
        try:
            return (yield from self.summary(pipeline_id))
        except TimedOut as error:
            error.message = f"It is not known whether the run was started. {error.message}"
            error.hint = RunUncertain.hint
            raise
        except ApiError as error:
            text = f"The run was requested, but looking for it failed: {error.message}"
            raise RunUncertain(text) from error

    def _check_untouched(self, before: Pipeline, now: Pipeline) -> None:
        """Refuse to call the pipeline idle if it shows traces of a run that is not visible."""
        if self._ownership.others:
            # Who started a run is read from the token; that is no proof to act on.
            raise RunUncertain("Only runs that other users seem to have started have appeared.")
        if _was_touched(now, before):
            raise RunUncertain("No new run has appeared, but the pipeline was changed meanwhile.")


def started_by_other(
    client: OpseraClient, run: Run, token: str, clock: Clock, deadline: Deadline
) -> bool:
    """Whether a run is known to be another user's; the log of a new run gets time to show it."""
    identities, until = token_identities(token), deadline.no_later_than(OWNER_CHECKED_FOR)
    ownership = RunOwnership(client, identities, clock, deadline)
    while (is_ours := ownership.is_ours(run)) is None and identities and not until.expired:
        clock.sleep(min(_URGENT_INTERVAL, until.remaining))
    return is_ours is False


def find_unconfirmed_run(
    client: OpseraClient,
    pipeline_id: str,
    before: int,
    token: str,
    clock: Clock,
    deadline: Deadline,
) -> Run | None:
    """Look for the run of a request whose response never came; `before` was the latest run then.

    Only the very next run can be ours, and only if it is not known to be another user's.

    Raises:
        ApiError: if the pipeline could not be read.
    """
    failed: ApiError | None = None
    while True:
        try:
            count, failed = client.summary(pipeline_id, deadline).run_count, None
        except ApiError as error:
            if not error.transient:
                raise
            count, failed = before, error
        if count == before + 1:
            run = Run(pipeline_id, count)
            return None if started_by_other(client, run, token, clock, deadline) else run
        if count > before or deadline.expired:
            break
        clock.sleep(min(_URGENT_INTERVAL, deadline.remaining))
    if failed is not None:
        raise failed
    return None


def warn_about_duplicate_runs(
    client: OpseraClient,
    run: Run,
    before: int,
    identities: frozenset[str],
    clock: Clock,
    deadline: Deadline,
) -> Generator[Event, None, None]:
    """Warn of another run after `before` that may be ours as well; errors are ignored.

    None of them is stopped, because which of them is wanted is for the user to decide.
    """
    until = deadline.no_later_than(_CALL_LIMIT)
    try:
        latest = client.summary(run.pipeline_id, until).run_count
    except ApiError:
        return
    ownership = RunOwnership(client, identities, clock, until)
    others = [Run(run.pipeline_id, count) for count in range(before + 1, latest + 1)]
    may_be_ours = [
        one.count
        for one in others[:_MAX_DUPLICATES]
        if one != run and ownership.is_ours(one) is not False
    ]
    if may_be_ours:
        numbers = " and ".join(map(str, may_be_ours))
        yield Note(
            f"This job may have started run {numbers} as well as run {run.count}, because its "
            f"first request got no response. Only run {run.count} is followed. Check in Opsera "
            "whether the other has to be stopped.",
            warning=True,
        )


def interval_behind(waited: float) -> float:
    """Return the polling interval behind another run, after so many seconds."""
    return min(MAX_POLL_INTERVAL, max(POLL_INTERVAL, waited / 20))


def _may_hide_a_run(now: Pipeline, before: Pipeline) -> bool:
    """Whether ours may be queued behind another run; a pipeline that was paused takes none."""
    if now.state is State.PAUSED:
        return before.state is not State.PAUSED or now.run_count != before.run_count
    return now.state is State.RUNNING


def _was_touched(now: Pipeline, before: Pipeline) -> bool:
    """Whether an idle pipeline has changed: a run may have started. A busy one changes anyway."""
    old, new = before.data.get("updatedAt"), now.data.get("updatedAt")
    return before.state is not State.RUNNING and bool(old and new) and old != new


def _is_start(record: LogRecord) -> bool:
    return record.step_name.strip().lower() == "start pipeline"


def _name(counts: list[int]) -> str:
    if len(counts) == 1:
        return f"Run {counts[0]} was"
    return f"Runs {' and '.join(map(str, counts))} were"


def _found(count: int, *, known: bool) -> Note:
    if known:
        return Note(
            f"Found run {count}, started by the token owner after our request; following it."
        )
    return Note(
        f"Found run {count}, started after our request; following it. Opsera does not say who "
        "started it.",
        warning=True,
    )


def _ambiguous(numbers: str) -> RunUncertain:
    return RunUncertain(
        f"Runs {numbers} were started after our request. It is unclear which of them belongs to "
        f"this job."
    )
