"""Follow a run until it ends, pauses or the time is up: an iterator of events.

The only place that decides how a run is watched. It prints nothing and knows no platform; what the
log call does never changes the verdict.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple, Protocol

from opsera_step.api import Pipeline, Run, RunStatus, State, Step, state_of
from opsera_step.clock import Clock, Deadline, RetryState
from opsera_step.errors import ApiError, Rejected, Unavailable
from opsera_step.runs.events import (
    Ended,
    EndReason,
    Event,
    Heartbeat,
    PausedAt,
    Recovered,
    Retrying,
    StateChanged,
    Tick,
)
from opsera_step.runs.find import Looking
from opsera_step.runs.log_reader import LogApi, LogReader
from opsera_step.runs.polling import Call, Jitter, PollSchedule
from opsera_step.runs.retry import HEARTBEAT, LONGEST_OUTAGE
from opsera_step.runs.state import ACTIVE_FOR, STARTED, RunState
from opsera_step.runs.steps import LineTimes, RunDetails, details_of, steps_without_records
from opsera_step.runs.turn import Turn

DRAIN_CAP = 60.0
DETAILS_CAP = 10.0
"""Most seconds to spend on what only makes the report nicer."""
LAST_LOOK = 4.0
"""Seconds for a look at the run when the time is up."""
LEAST_DRAIN = 10.0
_LOOK = 10.0
STILL_LOOKS = 3
"""Looks in a row at a resting pipeline before a run with an unknown word is given up."""
_TROUBLE_SHOWN_AFTER = 5.0
_SUMMARY_PAUSE = 5.0
_SUMMARY_KEPT = 1.5 * HEARTBEAT
"""Seconds for which a heartbeat tells the last summary again, so that each second one asks."""
_LEAST_SLEEP = 0.05

Ending = Generator[Event, None, Ended | None]


class Api(LogApi, Protocol):
    """What following needs of the client."""

    @property
    def ever_responded(self) -> bool:
        """Whether any call ever got an answer of the API."""
        ...

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Ask how the run stands."""
        ...

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for the pipeline."""
        ...


class FollowPolicy(NamedTuple):
    """What the user wants of following; durations in seconds."""

    wait_when_paused: bool = False
    logs: str = "console"
    poll_interval: float | None = None
    tick: float | None = None
    """Yield a Tick at least this often, for a display that moves."""
    watched_by_person: bool = False
    """Whether a person watches at a terminal: then lines are shown sooner, for more requests."""


def follow(
    client: Api,
    state: RunState,
    policy: FollowPolicy,
    clock: Clock,
    deadline: Deadline,
    jitter: Jitter,
) -> Iterator[Event]:
    """Follow the run of `state` until it ends, and yield what happens, an Ended last.

    Raises:
        ApiError: when the status call fails for good.

    """
    run = state.run
    assert run is not None, "there is no run to follow"  # noqa: S101
    fresh = state.origin == STARTED
    follower = Follower(
        client, run, policy, clock, deadline, jitter, fresh=fresh, behind=state.behind
    )
    try:
        for event in follower.follow():
            _write(state, follower)
            if isinstance(event, Ended):
                yield from _warn_about_duplicate_runs(client, state, clock, deadline)
                _collect(client, state, follower, event, clock)
                yield event._replace(details=state.details)
            else:
                yield event
    finally:
        _write(state, follower)
        if state.pipeline is not None and not state.details.steps:
            steps = steps_without_records(state.pipeline, follower.line_times)
            state.details = RunDetails(steps)


def _write(state: RunState, follower: Follower) -> None:
    state.status, state.active_at = follower.status, follower.active_at
    if follower.status is not None:
        state.responses["status"] = follower.status.response


def _warn_about_duplicate_runs(
    client: Api, state: RunState, clock: Clock, deadline: Deadline
) -> Iterator[Event]:
    if state.in_doubt_since is not None and state.run is not None:
        finder = Looking(client, state.token, clock, deadline, lambda: 0.5)
        yield from finder.twins(state.run, state.in_doubt_since)


def _collect(client: Api, state: RunState, follower: Follower, end: Ended, clock: Clock) -> None:
    if state.run is None or (end.reason is EndReason.TIMEOUT and end.detail):
        # The job is late already, and the API would only make it later.
        return
    with suppress(ApiError):
        until = Deadline.after(clock, DETAILS_CAP)
        found = read_details(client, state.run, until, follower.line_times)
        stopped = end.status is not None and end.status.state is State.STOPPED
        state.details = found.settled(run_stopped=stopped)


def read_details(
    client: Api, run: Run, deadline: Deadline, lines: LineTimes = MappingProxyType({})
) -> RunDetails:
    """Read what the pipeline and the latest records say about a run.

    Raises:
        ApiError: when they can't be read.

    """
    pipeline = client.summary(run.pipeline_id, deadline)
    records = client.logs(run, deadline, console_only=False)
    return details_of(pipeline, run, records, lines)


class Follower:
    """One run being followed; use `follow` once."""

    def __init__(
        self,
        api: Api,
        run: Run,
        policy: FollowPolicy,
        clock: Clock,
        deadline: Deadline,
        jitter: Jitter,
        *,
        fresh: bool = False,
        behind: int | None = None,
    ) -> None:
        """Take the collaborators.

        `fresh` says that the run was started just now, `behind` which run was going then.
        """
        self.status: RunStatus | None = None
        self._api, self._run, self._policy = api, run, policy
        self._clock, self._deadline = clock, deadline
        self._fresh = fresh
        self._turn = Turn(api, run, clock, deadline, fresh=fresh, behind=behind)
        self._cadence = PollSchedule(jitter, policy.poll_interval, policy.logs != "none")
        self._feed = LogReader(api, run, policy.logs, clock, self._cadence, jitter)
        self._outage = RetryState(clock, jitter)
        now = clock.monotonic()
        self._shown_at = self._state_at = self._summary_at = now
        self._pipeline: Pipeline | None = None
        self._unknown = ""
        self._rests = 0
        self._going_at: float | None = None

    status: RunStatus | None
    """The last good answer of the status call."""

    @property
    def is_current(self) -> bool:
        """Whether the API said of this very run, and not long ago, that it is going.

        Only then is a stop call safe: it stops whatever run the pipeline is in.
        """
        now = self._clock.monotonic()
        return self._going_at is not None and now - self._going_at <= ACTIVE_FOR

    @property
    def active_at(self) -> float | None:
        """When the run was last observed to be active, on the clock's monotonic time."""
        return self._going_at

    @property
    def line_times(self) -> LineTimes:
        """When the lines of each step were written, as far as that is known of all of them."""
        return self._feed.line_times

    def follow(self) -> Iterator[Event]:
        """Yield what happens, an Ended at last.

        Raises:
            ApiError: when the status call says that asking on is of no use.

        """
        for event in self._watch():
            if not isinstance(event, Tick):
                self._shown_at = self._clock.monotonic()
            yield event

    def _watch(self) -> Iterator[Event]:
        while not self._deadline.expired:
            started = self._clock.monotonic()
            ended = yield from self._tick()
            if ended is not None:
                yield ended
                return
            yield from self._heartbeat()
            spent = self._clock.monotonic() - started
            yield from self._sleep(self._cadence.pause(self._silent, spent))
        ended = yield from self._at_the_boundary()
        if ended is not None:
            yield ended

    @property
    def _silent(self) -> float:
        return self._clock.monotonic() - max(self._state_at, self._feed.last_line_at)

    def _tick(self) -> Ending:
        calls = self._cadence.next_call(self._silent)
        if Call.STATUS in calls and self._outage.may_try:
            ended = yield from self._poll_status(self._deadline)
            if ended is not None:
                return ended
            if self._turn.ahead is not None and not self._outage.what:
                return None  # It was just told that the run has not begun: there is no log.
        if Call.LOG in calls and self._feed.ready:
            yield from self._feed.poll(self._deadline, may_be_unknown=self._in_grace)
        return None

    def _sleep(self, seconds: float) -> Iterator[Event]:
        until = self._deadline.no_later_than(seconds)
        while not until.expired:
            silent = self._clock.monotonic() - self._shown_at
            to_heartbeat = max(_LEAST_SLEEP, HEARTBEAT - silent)
            tick = self._policy.tick or to_heartbeat
            self._clock.sleep(min(until.remaining, tick, to_heartbeat))
            if self._policy.tick is not None:
                yield Tick()
            yield from self._heartbeat()

    @property
    def _in_grace(self) -> bool:
        return not self._turn.grace.expired

    def _poll_status(self, deadline: Deadline) -> Ending:
        try:
            status = self._api.status(self._run, deadline)
        except ApiError as error:
            return (yield from self._status_failed(error))
        yield from self._answered()
        return (yield from self._judge(status))

    def _answered(self) -> Iterator[Event]:
        if self._outage.shown:
            yield Recovered(self._outage.lasting)
        self._turn.was_out_of_reach(self._outage.lasting)
        self._outage.over()
        self._cadence.answered()

    def _status_failed(self, error: ApiError) -> Ending:
        if isinstance(error, Rejected) and self._fresh:
            yield from self._answered()
            if (yield from self._may_be_unknown()):
                self._unknown = error.message
                return None
        if not error.transient:
            raise error
        if isinstance(error, Unavailable) and error.throttled:
            self._cadence.throttled()
        self._outage.failed(error.message, error.retry_after)
        lasting = self._outage.lasting
        if self._deadline.at is None and lasting > LONGEST_OUTAGE:
            return Ended(EndReason.LOST, self.status, False, error.message)
        if lasting >= _TROUBLE_SHOWN_AFTER and not self._outage.shown:
            self._outage.shown = True
            yield Retrying(error.message, lasting, self._deadline.remaining)
        return None

    def _judge(self, status: RunStatus) -> Ending:
        before, self.status, self._unknown = self.status, status, ""
        going = status.state.active and not status.is_waiting
        self._going_at = self._clock.monotonic() if going else None
        changed = before is None or (before.state, before.value) != (status.state, status.value)
        if changed:
            self._state_at = self._clock.monotonic()
        if before != status:
            yield StateChanged(status, before.state if before else None)
        if status.state is State.UNKNOWN:
            return (yield from self._judge_unknown(status))
        if status.is_waiting:
            yield from self._turn.look(self._summary_now_and_then())
            return None
        self._turn.has_come()
        if status.state.final:
            return (yield from self._end(EndReason.FINAL))
        if status.state is State.PAUSED:
            return (yield from self._paused(status, entered=changed))
        return None

    def _paused(self, status: RunStatus, *, entered: bool) -> Ending:
        if entered:
            pipeline = self._summary()
            yield PausedAt(pipeline.current_step if pipeline else None, status.message)
        if self._policy.wait_when_paused:
            return None
        return (yield from self._end(EndReason.PAUSED))

    def _judge_unknown(self, status: RunStatus) -> Ending:
        """Tell, of a word never seen before, whether the run can still move; it is no success."""
        pipeline = self._summary_now_and_then()
        if pipeline is None:
            return None
        if self._fresh:
            yield from self._turn.look(pipeline)
            if self._in_grace:
                return None
        rests = pipeline.run_count >= self._run.count and not (
            pipeline.state.active and pipeline.run_count == self._run.count
        )
        self._rests = self._rests + 1 if rests else 0
        if self._rests < STILL_LOOKS:
            return None
        if pipeline.last_run_count == self._run.count:
            self.status = known = RunStatus(
                state_of(pipeline.last_run_status), pipeline.last_run_status, status.message
            )
            if known.state.final:
                return (yield from self._end(EndReason.FINAL))
        detail = f"it says “{status.value}” of a run that rests"
        return (yield from self._end(EndReason.LOST, detail))

    def _may_be_unknown(self) -> Generator[Event, None, bool]:
        """Whether the API need not know the run: it was started just now, or is still queued."""
        pipeline = self._summary_now_and_then() if self._in_grace else self._summary()
        yield from self._turn.look(pipeline)
        return self._in_grace or (pipeline is None and self._turn.ahead is not None)

    def _end(self, reason: EndReason, detail: str = "") -> Generator[Event, None, Ended]:
        cap = min(DRAIN_CAP, max(LEAST_DRAIN, self._deadline.remaining))
        yield from self._feed.drain(Deadline.after(self._clock, cap), self._turn.grace)
        return Ended(reason, self.status, self._feed.complete, detail)

    def _at_the_boundary(self) -> Ending:
        """Look once more when the time is up: a run that has ended by now is no timeout."""
        last_look = Deadline.after(self._clock, LAST_LOOK)
        try:
            ended = yield from self._poll_status(last_look)
        except ApiError as error:
            ended, self._unknown = None, error.message
        if ended is not None:
            return ended
        if self._policy.logs != "none":
            yield from self._feed.poll(last_look, may_be_unknown=self._in_grace)
            yield from self._feed.flush()
        return Ended(EndReason.TIMEOUT, self.status, False, self._outage.what or self._unknown)

    def _heartbeat(self) -> Iterator[Event]:
        silent = self._clock.monotonic() - self._shown_at
        if silent < HEARTBEAT:
            return
        pipeline = self._pipeline if self._is_summary_true else self._summary()
        ours = pipeline is not None and pipeline.run_count == self._run.count
        step: Step | None = pipeline.current_step if pipeline is not None and ours else None
        trouble = self._outage.what or self._unknown or self._feed.trouble
        yield Heartbeat(self.status, step, self._turn.ahead, self._silent, trouble)

    @property
    def _is_summary_true(self) -> bool:
        """Whether the last summary may be told once more: nothing has changed since."""
        age = self._clock.monotonic() - self._summary_at
        return self._pipeline is not None and age < min(_SUMMARY_KEPT, self._silent)

    def _summary_now_and_then(self) -> Pipeline | None:
        if self._clock.monotonic() - self._summary_at < _SUMMARY_PAUSE:
            return None
        return self._summary()

    def _summary(self) -> Pipeline | None:
        """Ask for the pipeline where its answer only helps to explain; never fail for it."""
        self._summary_at, self._pipeline = self._clock.monotonic(), None
        with suppress(ApiError):
            until = self._deadline.no_later_than(_LOOK)
            self._pipeline = self._api.summary(self._run.pipeline_id, until)
        return self._pipeline
