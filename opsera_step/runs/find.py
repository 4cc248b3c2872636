"""Look for the run of a request that got no good answer, and tell when there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Protocol, TypeVar

from opsera_step.api import LogRecord, Pipeline, Run, State
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import ApiError, RunUncertain
from opsera_step.runs.events import Event, Note
from opsera_step.runs.ownership import RunOwnership
from opsera_step.runs.retry import Contact, Waiting, call_with_retry

LOOK_EVERY = 2.0
EAGER = 30.0
"""Seconds after which it looks less often: a run that has not shown by now is rare, and an API
that is too busy to take requests is to be spared."""
LOOK_LATER_EVERY = 8.0
LOOK_BEHIND_EVERY = 16.0
"""At most, behind a run that has been going for long: an hour of that is to cost little."""
_SHARE_OF_WAIT = 1 / 20
SETTLING = 90.0
"""Seconds for which a run that was accepted may not show yet. The API is known to need "some
seconds"; a resting, untouched pipeline without a new run for this long is taken to have accepted
nothing. That is no proof, so the next time it has to last twice as long."""
LONGEST_SETTLING = 720.0
_TWIN_LOOK = 10.0
_MOST_TWINS = 5

T = TypeVar("T")
Steps = Generator[Event, None, T]


class Api(Contact, Protocol):
    """What looking needs of the client."""

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for the pipeline."""
        ...

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> list[LogRecord]:
        """Ask for the newest records of a run's log."""
        ...


class Looking:
    """Looks for runs that may be ours."""

    def __init__(
        self,
        api: Api,
        token: str,
        clock: Clock,
        deadline: Deadline,
        jitter: Callable[[], float],
    ) -> None:
        """Take the collaborators; nothing is asked yet."""
        self._api, self._clock, self._deadline, self._jitter = api, clock, deadline, jitter
        self._ownership = RunOwnership(api, token, clock, deadline)
        self.waiting = Waiting(clock, deadline)

    def look(
        self, before: Pipeline, settling: float, not_before: float = 0.0
    ) -> Steps[int | Pipeline]:
        """Watch for a new run of ours and return its number.

        Return the pipeline instead when it has rested without one, untouched, for some seconds.

        Raises:
            RunUncertain: when the time is up, or which run is ours can't be known.

        """
        began, resting_since = self._clock.monotonic(), math.inf
        while True:
            now = yield from self._seen(before.id)
            if now.run_count > before.run_count:
                count = yield from self._ownership.choose(
                    before.id, before.run_count, now.run_count
                )
                if count is not None:
                    return count
            at = self._clock.monotonic()
            resting_since = math.inf if _may_hide_a_run(now, before) else min(resting_since, at)
            if at - resting_since >= settling and at >= not_before:
                self._insist_on_rest(before, now)
                return now
            if self._deadline.expired:
                raise RunUncertain("The time is up, and it is not known whether a run was started.")
            ahead = now.run_count if now.state.active else None
            pause = LOOK_EVERY if at - began < EAGER else LOOK_LATER_EVERY
            if ahead is not None:
                pause = max(pause, pause_behind(at - began))
            yield from self.waiting.sleep(pause, behind=ahead)

    def _insist_on_rest(self, before: Pipeline, now: Pipeline) -> None:
        """Refuse what may be traces of a run that does not show."""
        if self._ownership.foreign:
            # Who started a run is read from the token; that is no proof to act on.
            raise RunUncertain("Only runs appeared that seem to be somebody else's.")
        if _was_touched(now, before):
            raise RunUncertain("No new run shows, but the pipeline has changed since it was asked.")

    def twins(self, run: Run, before: int) -> Steps[None]:
        """Warn of another run since `before` that may be ours as well; whatever fails is no matter.

        Nothing is stopped: which of them is wanted is not for a program to decide.
        """
        until = self._deadline.no_later_than(_TWIN_LOOK)
        try:
            newest = self._api.summary(run.pipeline_id, until).run_count
        except ApiError:
            return
        others = [Run(run.pipeline_id, count) for count in range(before + 1, newest + 1)]
        may_be_ours = [
            other.count
            for other in others[:_MOST_TWINS]
            if other != run and not self._ownership.is_foreign(other)
        ]
        if may_be_ours:
            numbers = " and ".join(map(str, may_be_ours))
            yield Note(
                f"Run {numbers} may have been started by this job as well as run {run.count}: the "
                "first request got no answer, and no run of it had shown when it was sent again. "
                f"Only run {run.count} is followed; look at the pipeline's page whether the other "
                "has to be stopped.",
                warning=True,
            )

    def summary(self, pipeline_id: str) -> Steps[Pipeline]:
        """Ask for the pipeline, patiently."""
        return (
            yield from self.call_with_retry(lambda until: self._api.summary(pipeline_id, until))
        )

    def call_with_retry(self, ask: Callable[[Deadline], T]) -> Steps[T]:
        """Ask patiently."""
        return (
            yield from call_with_retry(ask, self._api, self._clock, self._deadline, self._jitter)
        )

    def _seen(self, pipeline_id: str) -> Steps[Pipeline]:
        """Ask for the pipeline while a run of ours may be there."""
        try:
            return (yield from self.summary(pipeline_id))
        except ApiError as error:
            text = f"A run was asked for, but looking for it failed: {error.message}"
            raise RunUncertain(text) from error


def pause_behind(waited: float) -> float:
    """Return the seconds until the next look, when a run has been in the way for so long."""
    return min(LOOK_BEHIND_EVERY, max(LOOK_EVERY, _SHARE_OF_WAIT * waited))


def _may_hide_a_run(now: Pipeline, before: Pipeline) -> bool:
    """Whether ours may wait unseen behind another run; a pipeline that was paused takes none."""
    if now.state is State.PAUSED:
        return before.state is not State.PAUSED or now.run_count != before.run_count
    return now.state is State.RUNNING


def _was_touched(now: Pipeline, before: Pipeline) -> bool:
    """Whether a pipeline that rested has changed: a run may have begun, or have been noted.

    One that was going changes by itself.
    """
    was, now_is = before.data.get("updatedAt"), now.data.get("updatedAt")
    return before.state is not State.RUNNING and bool(was and now_is) and was != now_is


def find_unconfirmed_run(
    client: Api, pipeline_id: str, before: int, token: str, clock: Clock, deadline: Deadline
) -> Run | None:
    """Look for the run of a request whose response never came; `before` was the latest run then.

    Only the very next run can be ours, and only if it is not known to be another user's.

    Raises:
        ApiError: when the pipeline could not be read.

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
            ownership = RunOwnership(client, token, clock, deadline)
            return None if ownership.is_foreign(run) else run
        if count > before or deadline.expired:
            break
        clock.sleep(min(0.3, deadline.remaining))
    if failed is not None:
        raise failed
    return None
