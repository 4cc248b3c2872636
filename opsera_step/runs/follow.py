"""Follow a run until it ends, pauses, or the time is up: an iterator of events.

`follow` only sends one request after the other, sleeps, and yields. What the responses mean, and
what to ask next and when, is decided by `Tracker`, which sends nothing and reads no clock.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from opsera_step.api import (
    Listing,
    LogRecord,
    OpseraClient,
    Pipeline,
    Run,
    RunStatus,
    State,
    Step,
    state_of,
)
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import ApiError, Rejected, Unauthorized, Unavailable
from opsera_step.runs.events import (
    Ended,
    EndReason,
    Event,
    Heartbeat,
    Note,
    PausedAt,
    Queued,
    Recovered,
    StateChanged,
    Tick,
)
from opsera_step.runs.find import warn_about_duplicate_runs
from opsera_step.runs.log_reader import QUIET_FOR, LogReader
from opsera_step.runs.polling import (
    FOR_A_PERSON,
    IN_CI,
    MAX_STATUS_INTERVAL,
    PollSchedule,
    Request,
)
from opsera_step.runs.retry import (
    FIRST_CONTACT,
    HEARTBEAT,
    LONGEST_OUTAGE,
    REPORTED_WAIT,
    UNAUTHORIZED_RETRIES,
    UNAUTHORIZED_WAIT,
    Jitter,
    RetryState,
    retrying,
)
from opsera_step.runs.state import STARTED, RunState
from opsera_step.runs.steps import RunDetails

LAST_LOOK = 4.0
"""Seconds for looking at the run once more when the time is up."""
NEW_RUN_GRACE = 15.0
"""Seconds for which the API may not know a run that was just started."""
MAX_DRAIN, MIN_DRAIN = 60.0, 10.0
"""Seconds for reading the rest of the log of an ended run: at most, and even past the timeout."""
DOUBT_FOR = 30.0
"""Seconds for which a summary that shows the run in progress outweighs its final status."""
STUCK_AFTER = 30.0
"""Seconds after which a queued run behind no other run is reported."""
DETAILS_LIMIT = 10.0
"""Seconds for a request that only makes the report better."""
_LONG_UNREAD = 10.0
"""Seconds without a read of the log after which a read of all records may not reach every line."""
_DOUBT_INTERVAL = 2.5
_SUMMARY_INTERVAL = 5.0
_UNKNOWN_INTERVAL = 2.0
_LATER_STEP_DOUBT = 10.0
_SUMMARY_VALID_FOR = 90.0
_RETRYING_SHOWN_AFTER = 5.0
_STILL_READING_AFTER = 20.0
_UNKNOWN_LOOKS = 3
"""Summaries of an idle pipeline after which a run of unknown status is given up."""
_MIN_SLEEP = 0.05


class FollowPolicy(NamedTuple):
    """How to follow a run; durations in seconds."""

    wait_when_paused: bool = False
    logs: str = "console"
    """The input `logs`: console, all, or none."""
    poll_interval: float | None = None
    """The user's own interval; None for an adaptive one."""
    tick: float | None = None
    """Yield a Tick at least this often, for a display that moves."""
    watched_by_person: bool = False
    """Whether a person watches at a terminal: then lines are shown sooner, for more requests."""


class Plan(NamedTuple):
    """What to ask next, in so many seconds, with a limit for the request in seconds."""

    request: Request
    delay: float = 0.0
    limit: float | None = None
    run_count: int | None = None
    """Number of the run whose status to ask for; None for the run that is followed."""


class Observation(NamedTuple):
    """The response to a request; times are monotonic seconds."""

    plan: Plan
    sent_at: float
    at: float
    result: RunStatus | Pipeline | Listing[LogRecord] | ApiError
    accepted: bool = True
    """Whether any request of this job was successful before."""


def follow(
    client: OpseraClient,
    state: RunState,
    policy: FollowPolicy,
    clock: Clock,
    deadline: Deadline,
    jitter: Jitter,
) -> Iterator[Event]:
    """Follow the run of `state` until it ends, and yield what happens, an Ended last.

    Raises:
        ApiError: if the status call fails for good.
    """
    run = state.run
    if run is None:
        raise ValueError("There is no run to follow.")
    tracker = Tracker(state, run, policy, clock.monotonic(), deadline.at, jitter)
    pace = _Pace(clock, deadline, policy, tracker)
    plan: Plan | None = Plan(Request.STATUS)
    while plan is not None:
        yield from pace.sleep(plan.delay)
        for event in tracker.take(_observe(client, run, plan, clock, deadline, policy)):
            if not isinstance(event, StateChanged):
                # Most changes of the status print nothing.
                pace.shown()
            yield event
        plan = tracker.plan(clock.monotonic(), pace.heartbeat_at)
    for event in tracker.finish(clock.monotonic()):
        if isinstance(event, Ended):
            yield from _warn_about_duplicates(client, state, run, clock)
        yield event


def read_details(
    client: OpseraClient, run: Run, deadline: Deadline, status: RunStatus | None = None
) -> RunDetails:
    """Return what the pipeline and the latest records say about a run that was not followed.

    `status` is that of the run; without it, the pipeline shows it if the run is the latest.

    Raises:
        ApiError: if they can't be read.
    """
    state = RunState.watching(run, client.summary(run.pipeline_id, deadline))
    listing = client.logs(run, deadline, console_only=False)
    state.history.add(listing.items, is_cut=listing.is_cut)
    pipeline, state.status = state.pipeline, status
    is_latest = pipeline is not None and pipeline.run_count == run.count
    if status is None and pipeline is not None and is_latest and not pipeline.state.active:
        state.status = RunStatus(pipeline.state, pipeline.state.value)
    return state.details


def _observe(
    client: OpseraClient,
    run: Run,
    plan: Plan,
    clock: Clock,
    deadline: Deadline,
    policy: FollowPolicy,
) -> Observation:
    """Send one request."""
    if plan.limit is not None:
        until = Deadline.after(clock, plan.limit)
    else:
        until = deadline if deadline.remaining > LAST_LOOK else Deadline.after(clock, LAST_LOOK)
    sent_at, accepted = clock.monotonic(), client.ever_responded
    result: RunStatus | Pipeline | Listing[LogRecord] | ApiError
    try:
        if plan.request is Request.STATUS:
            asked = run if plan.run_count is None else Run(run.pipeline_id, plan.run_count)
            result = client.status(asked, until)
        elif plan.request is Request.SUMMARY:
            result = client.summary(run.pipeline_id, until.no_later_than(DETAILS_LIMIT))
        else:
            is_filtered = plan.request is Request.LOG and policy.logs == "console"
            result = client.logs(run, until, console_only=is_filtered)
    except ApiError as error:
        result = error
    return Observation(plan, sent_at, clock.monotonic(), result, accepted)


def _warn_about_duplicates(
    client: OpseraClient, state: RunState, run: Run, clock: Clock
) -> Generator[Event, None, None]:
    if state.in_doubt_since is not None:
        until = Deadline.after(clock, DETAILS_LIMIT)
        yield from warn_about_duplicate_runs(
            client, run, state.in_doubt_since, state.identities, clock, until
        )


class _Pace:
    """Sleeps between two requests, with ticks and heartbeats."""

    def __init__(
        self, clock: Clock, deadline: Deadline, policy: FollowPolicy, tracker: Tracker
    ) -> None:
        self._clock, self._deadline, self._tick = clock, deadline, policy.tick
        self._tracker = tracker
        self.shown()

    def shown(self) -> None:
        """Note that something was shown."""
        self.heartbeat_at = self._clock.monotonic() + HEARTBEAT

    def sleep(self, seconds: float) -> Iterator[Event]:
        """Sleep, but not beyond the deadline unless the run is ending."""
        yield from self._heartbeat()
        until = Deadline.after(self._clock, seconds)
        if not self._tracker.is_ending:
            until = self._deadline.no_later_than(seconds)
        while not until.expired:
            longest = max(_MIN_SLEEP, self.heartbeat_at - self._clock.monotonic())
            longest = longest if self._tick is None else min(self._tick, longest)
            self._clock.sleep(min(until.remaining, longest))
            if self._tick is not None:
                yield Tick()
            yield from self._heartbeat()

    def _heartbeat(self) -> Iterator[Event]:
        now = self._clock.monotonic()
        if now >= self.heartbeat_at:
            self.shown()
            yield self._tracker.heartbeat(now)


@dataclass
class _Ending:
    """A status with which following may end, until it is confirmed."""

    reason: EndReason
    status: RunStatus | None
    since: float
    cap: float
    """When it ends, confirmed or not."""
    last_step: int
    """Highest index of a step with lines so far."""
    detail: str = ""
    is_by_summary: bool = False
    """Whether the summary shows the end, because the status call does not."""
    doubt_until: float = 0.0
    """Until when something contradicts it; a summary that shows the end settles that."""
    not_before: float = 0.0
    """Before this it does not end: steps that the plan has may be yet to start."""
    pause: float = 0.0
    """Random seconds to wait before it is confirmed: many runs may end at the same moment."""
    summary_at: float = float("-inf")
    results_at: float = float("-inf")
    moved_at: float = float("-inf")
    """When records last arrived that an earlier read after the end did not have."""
    is_noted: bool = False


class Tracker:
    """Decides what observations mean and what to ask next. Sends nothing, reads no clock."""

    def __init__(
        self,
        state: RunState,
        run: Run,
        policy: FollowPolicy,
        now: float,
        deadline: float | None,
        jitter: Jitter,
    ) -> None:
        self._state, self._run, self._policy, self._deadline = state, run, policy, deadline
        self._is_new, self._jitter = state.origin == STARTED, jitter
        self._history = state.history
        self._history.pipeline = self._history.pipeline or state.pipeline
        pace = FOR_A_PERSON if policy.watched_by_person else IN_CI
        self._schedule = PollSchedule(
            jitter,
            now,
            pace,
            policy.poll_interval,
            reads_log=policy.logs != "none",
            log_is_complete=policy.logs == "all",
        )
        self._log = LogReader(policy.logs, self._history, self._schedule, jitter, now)
        self._status_retry, self._summary_retry = RetryState(jitter), RetryState(jitter)
        self._status: RunStatus | None = None
        self._rejection: ApiError | None = None
        """Why the status call does not know the run at the moment."""
        self._grace_from = self._changed_at = self._results_at = now
        self._log_sent_at = self._status_sent_at = self._summary_at = float("-inf")
        self._sent_at = now
        self._pipeline: Pipeline | None = None
        self._has_summary = True
        """False once the token turned out not to be allowed to read the pipeline."""
        self._summary_wanted = self._status_wanted = self._ahead_wanted = False
        self._ahead: int | None = None
        self._stuck_since: float | None = None
        self._is_stuck_noted = False
        self._unknown_looks = 0
        self._ending: _Ending | None = None
        self._was_active = False
        """Whether the run was seen in progress."""
        self._is_paused = False
        """Whether a pause was confirmed and reported."""
        self._last_looks = 0
        self._last_error = ""
        self._ended: Ended | None = None

    @property
    def is_ending(self) -> bool:
        """Whether the run seems to have ended, so that only its log is still read."""
        return self._ending is not None

    def take(self, seen: Observation) -> Iterator[Event]:
        """Take the response to the last plan, and yield what it brings.

        Raises:
            ApiError: if the status call fails for good.
        """
        plan, now, result = seen.plan, seen.at, seen.result
        self._sent_at = seen.sent_at
        if not isinstance(result, ApiError):
            self._schedule.answered()
        elif isinstance(result, Unavailable) and result.throttled:
            self._schedule.throttled()
        if isinstance(result, ApiError):
            yield from self._failed(seen, result)
        elif isinstance(result, Pipeline):
            yield from self._take_summary(result, now)
        elif isinstance(result, Listing):
            yield from self._take_records(seen, result)
        elif plan.run_count is not None:
            yield from self._set_ahead(plan.run_count if result.state.active else None, now)
        else:
            yield from self._take_status(result, now)
        ending = self._ending
        if ending is not None and now - ending.since > _STILL_READING_AFTER and not ending.is_noted:
            ending.is_noted = True
            yield Note("The run has ended; still reading the rest of its log.")
        if plan.run_count is None:
            self._schedule.sent(plan.request, seen.sent_at, now)
        if plan.request in (Request.LOG, Request.ACTIVITY):
            self._log_sent_at = seen.sent_at
        elif plan.request is Request.STATUS and plan.run_count is None:
            self._status_sent_at = seen.sent_at

    def plan(self, now: float, heartbeat_at: float) -> Plan | None:
        """Return what to ask next; None at the end.

        `heartbeat_at` is when the next heartbeat is due, which reports the current step.
        """
        if self._ending is not None and self._ended is None:
            if now < self._ending.cap:
                return self._spaced(self._plan_ending(self._ending, now), now)
            if self._may_be_outdated(self._ending, now):
                retry_in = max(0.0, self._status_retry.not_before - now)
                return Plan(Request.STATUS, retry_in, LAST_LOOK)
            self._conclude(self._ending, now)
        if self._ended is not None:
            return None
        if self._deadline is not None and now >= self._deadline:
            return self._plan_last_looks(now, self._deadline)
        if self._ahead_wanted:
            self._ahead_wanted = False
            return Plan(Request.STATUS, limit=DETAILS_LIMIT, run_count=self._state.behind)
        if self._status_wanted and self._status_retry.not_before <= now:
            self._status_wanted = False
            return Plan(Request.STATUS)
        if self._summary_wanted and self._can_read_summary(now):
            return Plan(Request.SUMMARY)
        return self._spaced(self._plan_by_schedule(now, heartbeat_at), now)

    def heartbeat(self, now: float) -> Heartbeat:
        """Return the event that reports what is in progress."""
        step: Step | None = None
        pipeline = self._pipeline
        if pipeline is not None and pipeline.run_count == self._run.count:
            step = pipeline.current_step if self._is_summary_valid(now) else None
        silence = now - self._log.line_at
        errors = self._status_error, self._log.error
        return Heartbeat(self._status, step, self._ahead, silence, *errors)

    def finish(self, now: float) -> Iterator[Event]:
        """Yield what was held back, and the end."""
        yield from self._log.flush()
        ended = self._ended or Ended(EndReason.TIMEOUT, self._status, log_complete=False)
        if ended.reason is EndReason.PAUSED:
            yield self._paused_event()
        yield ended._replace(details=self._state.details)

    # Plans

    def _spaced(self, plan: Plan, now: float) -> Plan:
        """Keep a distance from the request before, if the API limits their number."""
        least = self._schedule.gap and self._sent_at + self._schedule.gap - now
        return plan._replace(delay=max(plan.delay, least))

    def _plan_by_schedule(self, now: float, heartbeat_at: float) -> Plan:
        status_from, log_from = self._status_retry.not_before, self._log.retry.not_before
        request, delay = self._schedule.plan(
            now, is_waiting=self._is_waiting, status_from=status_from, log_from=log_from
        )
        is_unknown = self._rejection is not None and self._ahead is None and not status_from
        if is_unknown and delay > _UNKNOWN_INTERVAL:
            # A new run that the API does not know yet is soon known, or an error.
            request, delay = Request.STATUS, _UNKNOWN_INTERVAL
        if request is Request.SUMMARY and not self._can_read_summary(now + delay):
            request = Request.STATUS
        summary_at = float("inf")
        if status_from - now > REPORTED_WAIT:
            # While the status call has to wait for long, the summary shows the end of the run.
            summary_at = self._summary_at + MAX_STATUS_INTERVAL
        elif not self._is_waiting and not self._is_summary_valid(heartbeat_at):
            summary_at = heartbeat_at - 1.0
        summary_at = max(now, summary_at, self._summary_retry.not_before)
        if self._has_summary and summary_at <= now + delay:
            return Plan(Request.SUMMARY, summary_at - now)
        return Plan(request, delay)

    def _plan_ending(self, ending: _Ending, now: float) -> Plan:
        """Plan the drain: read log and results until both are quiet, then confirm the end."""
        log, ready_at = self._log, self._ready_at(ending)
        is_held = max(ending.doubt_until, ending.not_before) > now
        plans: list[tuple[float, Request]] = []
        results_left = (ending.results_at < ending.since) + (ending.results_at < ready_at)
        left = max(log.quiet_reads_left, results_left)
        if left or (is_held and log.is_readable):
            # Without doubts, the reads are spread evenly over the time until the log is quiet.
            sent_at = max(self._log_sent_at, ending.since - QUIET_FOR)
            interval = _DOUBT_INTERVAL if is_held else (ready_at - sent_at) / left
            retry_at = log.retry.not_before if log.is_readable else 0.0
            log_at = max(min(ready_at, sent_at + interval), retry_at)
            # The latest records of one type reach further back than those of all types.
            was_unread = log.is_readable and ending.since - self._log_sent_at > _LONG_UNREAD
            reads_all = 0 < left <= results_left and not was_unread
            plans.append((log_at, Request.ACTIVITY if reads_all else Request.LOG))
        else:
            plans.append(self._confirmation(ending, ready_at, now))
        if is_held:
            status_at = self._status_sent_at + _DOUBT_INTERVAL
            plans.append((max(status_at, self._status_retry.not_before), Request.STATUS))
            if self._can_read_summary(now):
                plans.append((ending.summary_at + _SUMMARY_INTERVAL, Request.SUMMARY))
        at, request = min(plans, key=lambda plan: plan[0])
        limit = DETAILS_LIMIT if request is Request.ACTIVITY else None
        return Plan(request, max(0.0, min(at, ending.cap) - now), limit)

    def _confirmation(self, ending: _Ending, ready_at: float, now: float) -> tuple[float, Request]:
        """Return when and how to confirm the end: with the status only if the summary can't."""
        is_unread = ending.summary_at < ending.since and self._can_read_summary(now)
        if ending.is_by_summary or is_unread:
            again_at = max(self._summary_retry.not_before, ending.summary_at + 1.0)
            return max(ready_at, again_at), Request.SUMMARY
        again_at = max(self._status_retry.not_before, self._status_sent_at + 1.0)
        return max(ready_at, again_at), Request.STATUS

    def _plan_last_looks(self, now: float, deadline: float) -> Plan | None:
        """Look once more when the time is up: a run that has ended by now is no timeout."""
        left = deadline + LAST_LOOK - now
        looks = [Request.STATUS]
        if not self._is_waiting:
            looks += [Request.LOG] if self._log.is_wanted else []
            is_failing = bool(self._status_error or self._log.error)
            looks += [] if is_failing or self._policy.logs == "all" else [Request.ACTIVITY]
        if self._last_looks < len(looks) and (left > 0 or not self._last_looks):
            self._last_looks += 1
            return Plan(looks[self._last_looks - 1], limit=max(left, _MIN_SLEEP))
        detail = self._last_error or self._status_error
        self._ended = Ended(EndReason.TIMEOUT, self._status, log_complete=False, detail=detail)
        return None

    # Status

    def _take_status(self, status: RunStatus, now: float) -> Iterator[Event]:
        yield from self._answered(now)
        self._rejection = None
        before, self._status = self._status, status
        self._state.observe(status, now)
        if before is None or (before.state, before.value) != (status.state, status.value):
            self._changed_at = now
            self._schedule.moved(now)
        if before != status:
            yield StateChanged(status, before.state if before else None)
        if status.state is State.UNKNOWN:
            if self._ending is None or not self._ending.is_by_summary:
                self._ending = None
                self._summary_wanted = self._is_summary_due(now)
            return
        self._unknown_looks = 0
        if status.is_waiting:
            self._ending = None
            self._summary_wanted = self._is_summary_due(now)
            return
        self._ahead = self._stuck_since = None
        if status.state is State.RUNNING:
            self._ending, self._is_paused, self._was_active = None, False, True
        elif status.state is State.PAUSED and self._is_paused:
            self._ending = None
        else:
            yield from self._may_end(status, now)

    def _may_end(self, status: RunStatus, now: float) -> Iterator[Event]:
        """Take a final or paused status: it ends following once it is confirmed."""
        ending = self._ending
        if ending is None or ending.status is None or ending.status.state is not status.state:
            reason = EndReason.FINAL if status.state.final else EndReason.PAUSED
            self._start_ending(reason, status, now)
        elif self._is_settled(ending, now):
            ending.status = status
            yield from self._confirmed(ending, now)

    def _start_ending(
        self,
        reason: EndReason,
        status: RunStatus | None,
        now: float,
        *,
        detail: str = "",
        is_by_summary: bool = False,
    ) -> None:
        left = MAX_DRAIN if self._deadline is None else self._deadline - now
        cap = now + min(MAX_DRAIN, max(MIN_DRAIN, left))
        last_step = self._log.last_step
        self._ending = _Ending(reason, status, now, cap, last_step, detail, is_by_summary)
        self._ending.pause = self._jitter()
        is_success = status is not None and status.state is State.SUCCESS
        if is_success and (self._is_new or self._was_active) and self._history.has_later_steps:
            self._ending.not_before = self._log.overdue_from(now)
        self._log.restart_quiet()

    def _ready_at(self, ending: _Ending) -> float:
        """Return when the end may be confirmed: no doubts are left, and the log was quiet."""
        quiet_from = self._log.quiet_from(ending.since, is_new=self._is_new)
        quiet_from = max(quiet_from, ending.moved_at + QUIET_FOR) + ending.pause
        return max(quiet_from, ending.doubt_until, ending.not_before)

    def _is_settled(self, ending: _Ending, now: float) -> bool:
        """Whether a status that came now confirms the end: everything else was done before."""
        ready_at = self._ready_at(ending)
        is_quiet = self._log.is_quiet(now, ending.since, is_new=self._is_new)
        return is_quiet and ready_at <= min(now, ending.results_at)

    def _may_be_outdated(self, ending: _Ending, now: float) -> bool:
        """Whether to read the status again although there is no more time for the end.

        It was read too early if the process was suspended or the API failed since then. A few
        attempts are made.
        """
        if ending.is_by_summary:
            return False
        retry = self._status_retry
        if self._status_sent_at < ending.cap:
            return retry.not_before <= now
        until = ending.cap + MIN_DRAIN
        if self._deadline is not None:
            until = min(until, self._deadline)
        has_failed = bool(retry.last_error) and now - retry.elapsed(now) >= ending.cap
        return has_failed and now < until

    def _confirmed(self, ending: _Ending, now: float) -> Iterator[Event]:
        if ending.reason is EndReason.PAUSED and self._policy.wait_when_paused:
            self._ending, self._is_paused = None, True
            yield self._paused_event()
            return
        self._conclude(ending, now)

    def _conclude(self, ending: _Ending, now: float) -> None:
        if ending.reason is EndReason.PAUSED and self._policy.wait_when_paused:
            self._ending = None
            return
        complete = self._log.is_complete(now, ending.since, is_new=self._is_new)
        self._ended = Ended(ending.reason, ending.status, complete, ending.detail)

    def _paused_event(self) -> PausedAt:
        pipeline, pause = self._pipeline, self._history.pause
        step: Step | None = None
        if pipeline is not None and pipeline.run_count == self._run.count:
            step = pipeline.current_step
        if step is None and pause is not None and self._history.pipeline is not None:
            step = self._history.pipeline.step(pause.step_id)
        message = self._status.message if self._status is not None else ""
        if pause is None or step is None or pause.step_id != step.id:
            return PausedAt(step, message)
        return PausedAt(step, message, pause.since, pause.user)

    def _answered(self, now: float) -> Iterator[Event]:
        retry = self._status_retry
        if retry.shown:
            yield Recovered(retry.elapsed(now))
        self._grace_from += retry.elapsed(now)
        retry.reset()

    # The queue

    @property
    def _is_waiting(self) -> bool:
        """Whether the run has not started, so that it has no log."""
        return self._ahead is not None or (self._status is not None and self._status.is_waiting)

    def _look_ahead(self, pipeline: Pipeline, now: float) -> Iterator[Event]:
        """Find out which run has to end before ours; the pipeline may count a queued run."""
        behind = self._state.behind
        if not pipeline.state.active:
            yield from self._set_ahead(None, now)
        elif pipeline.run_count < self._run.count:
            yield from self._set_ahead(pipeline.run_count, now)
        elif behind is None:
            yield from self._set_ahead(None, now)
        else:
            self._ahead_wanted = True

    def _set_ahead(self, ahead: int | None, now: float) -> Iterator[Event]:
        if ahead is not None or self._ahead is not None:
            # A run whose turn has just come may be unknown for a while, too.
            self._grace_from = now
        if ahead is not None and ahead != self._ahead:
            self._state.behind = ahead
            yield Queued(ahead)
        self._ahead = ahead
        if ahead is None:
            self._check_grace(now)
            yield from self._check_stuck(now)

    def _check_grace(self, now: float) -> None:
        """Raise the rejection of a run that the API should know by now."""
        if self._rejection is not None and not self._in_grace(now) and not self._last_looks:
            raise self._rejection

    def _check_stuck(self, now: float) -> Iterator[Event]:
        """Report a run that is still queued although no run is in progress."""
        pipeline = self._pipeline
        if pipeline is None or pipeline.state.active or not self._is_waiting:
            self._stuck_since = None
            return
        self._stuck_since = now if self._stuck_since is None else self._stuck_since
        if now - self._stuck_since >= STUCK_AFTER and not self._is_stuck_noted:
            self._is_stuck_noted = True
            last = ""
            if pipeline.last_run_count is not None and pipeline.last_run_status:
                last = f" (run {pipeline.last_run_count}: {pipeline.last_run_status})"
            yield Note(
                f"Run {self._run.count} is still queued although no run is in progress{last}. "
                "Opsera may not start it, for example because the run ahead failed. Check the "
                "queue in Opsera.",
                warning=True,
            )

    def _in_grace(self, now: float) -> bool:
        return self._is_new and now < self._grace_from + NEW_RUN_GRACE

    # The summary

    def _take_summary(self, pipeline: Pipeline, now: float) -> Iterator[Event]:
        self._summary_retry.reset()
        before, self._pipeline = self._pipeline, pipeline
        self._history.pipeline, self._summary_at, self._summary_wanted = pipeline, now, False
        if before is not None and _progress(before) != _progress(pipeline):
            self._schedule.moved(now)
        ending = self._ending
        if ending is not None:
            yield from self._compare(ending, pipeline, now)
        elif self._status is not None and self._status.state is State.UNKNOWN:
            yield from self._judge_unknown(pipeline, self._status, now)
        elif self._rejection is not None or self._is_waiting:
            yield from self._look_ahead(pipeline, now)
        elif self._shows_end(pipeline) and not self._is_paused:
            # Ask at once; where the status call has to wait, take the summary's word.
            self._status_wanted = True
            if self._status_retry.not_before - now > REPORTED_WAIT:
                self._end_by_summary(pipeline, now)

    def _compare(self, ending: _Ending, pipeline: Pipeline, now: float) -> Iterator[Event]:
        """Compare the summary with the status of a run that may have ended."""
        was_settled = self._is_settled(ending, now)
        ending.summary_at = now
        if self._contradicts(ending, pipeline):
            ending.doubt_until = max(ending.doubt_until, ending.since + DOUBT_FOR)
            return
        ending.doubt_until = min(ending.doubt_until, now)
        if was_settled and (ending.is_by_summary or self._shows_same_end(ending, pipeline)):
            yield from self._confirmed(ending, now)

    def _shows_same_end(self, ending: _Ending, pipeline: Pipeline) -> bool:
        """Whether the summary shows that this run ended, with the same status."""
        state = ending.status.state if ending.status is not None else None
        is_same = state_of(pipeline.last_run_status) is state
        return is_same and self._last_run_is_final(pipeline)

    def _contradicts(self, ending: _Ending, pipeline: Pipeline) -> bool:
        if pipeline.run_count != self._run.count or not pipeline.state.active:
            return False
        if ending.reason is EndReason.PAUSED:
            return pipeline.state is not State.PAUSED
        return not self._last_run_is_final(pipeline)

    def _last_run_is_final(self, pipeline: Pipeline) -> bool:
        is_ours = pipeline.last_run_count == self._run.count
        return is_ours and state_of(pipeline.last_run_status).final

    def _shows_end(self, pipeline: Pipeline) -> bool:
        """Whether the pipeline is not in our run any more."""
        if pipeline.run_count < self._run.count:
            return False
        return pipeline.run_count > self._run.count or not pipeline.state.active

    def _end_by_summary(self, pipeline: Pipeline, now: float) -> bool:
        """Take the final status of our run from the summary, if it has one."""
        if not self._last_run_is_final(pipeline):
            return False
        value = pipeline.last_run_status
        message = self._status.message if self._status is not None else ""
        self._status = RunStatus(
            state_of(value), value, message, self._state.responses.get("status")
        )
        self._state.observe(self._status, now)
        self._start_ending(EndReason.FINAL, self._status, now, is_by_summary=True)
        return True

    def _judge_unknown(self, pipeline: Pipeline, status: RunStatus, now: float) -> Iterator[Event]:
        """Decide whether a run of unrecognized status can still move; it is no success."""
        if self._is_new:
            yield from self._look_ahead(pipeline, now)
            if self._in_grace(now):
                return
        self._unknown_looks = self._unknown_looks + 1 if self._shows_end(pipeline) else 0
        if self._unknown_looks < _UNKNOWN_LOOKS or self._end_by_summary(pipeline, now):
            return
        detail = f"Unknown final status “{status.value}”"
        self._start_ending(EndReason.LOST, status, now, detail=detail, is_by_summary=True)

    def _can_read_summary(self, now: float) -> bool:
        return self._has_summary and self._summary_retry.not_before <= now

    def _is_summary_valid(self, at: float) -> bool:
        """Whether the last summary may be shown at some moment."""
        return self._pipeline is not None and at - self._summary_at < _SUMMARY_VALID_FOR

    def _is_summary_due(self, now: float) -> bool:
        """Whether a summary may help again: soon after a change, and of an idle pipeline."""
        is_soon = now - self._changed_at < STUCK_AFTER or self._unknown_looks > 0
        stuck = self._stuck_since is not None and not self._is_stuck_noted
        interval = _SUMMARY_INTERVAL if is_soon or stuck else HEARTBEAT
        return self._has_summary and now - self._summary_at >= interval

    # The log

    def _take_records(self, seen: Observation, listing: Listing[LogRecord]) -> Iterator[Event]:
        now, records = seen.at, listing.items
        is_log = seen.plan.request is Request.LOG
        if not is_log or self._policy.logs == "all":
            new = self._history.add(records, is_cut=listing.is_cut)
            over_seconds, self._results_at = now - self._results_at, now
            if not self._log.is_wanted:
                self._log.recovered()
                self._schedule.saw_results(now, over_seconds, new)
            if self._ending is not None:
                if new and self._ending.results_at >= self._ending.since:
                    self._ending.moved_at = now
                self._ending.results_at = now
                if not self._history.has_later_steps:
                    self._ending.not_before = 0.0
        if self._log.is_wanted:
            yield from self._log.take(records, now, is_cut=listing.is_cut, is_filtered=is_log)
        ending = self._ending
        if ending is not None and self._log.last_step > ending.last_step:
            # Lines of a later step: the run may continue, unless the summary shows its end.
            ending.last_step = self._log.last_step
            ending.doubt_until = max(ending.doubt_until, now + _LATER_STEP_DOUBT)
            ending.summary_at = float("-inf")
            ending.cap = max(ending.cap, now + MIN_DRAIN)

    # Failures

    def _failed(self, seen: Observation, error: ApiError) -> Iterator[Event]:
        plan, now = seen.plan, seen.at
        if plan.run_count is not None:
            yield from self._set_ahead(self._ahead if error.transient else None, now)
        elif plan.request is Request.STATUS:
            yield from self._status_failed(error, now, accepted=seen.accepted)
        elif plan.request is Request.SUMMARY:
            self._summary_failed(error, now)
        elif plan.request is Request.ACTIVITY and self._log.is_wanted:
            if self._ending is not None:
                self._ending.results_at = now
        else:
            if self._ending is not None and plan.request is Request.ACTIVITY:
                self._ending.results_at = now
            ending = self._ending
            is_expected = ending is None or now < self._log.overdue_from(ending.since)
            may_be_unknown = self._in_grace(now) and is_expected
            yield from self._log.failed(
                error, now, may_be_unknown=may_be_unknown, accepted=seen.accepted
            )

    def _summary_failed(self, error: ApiError, now: float) -> None:
        self._summary_wanted = False
        self._summary_at = now
        if self._ending is not None:
            self._ending.summary_at = now
        if self._summary_retry.failed(error, now) is None:
            self._has_summary = False
        if self._ahead is None and not self._status_retry.last_error:
            self._check_grace(now)

    def _status_failed(self, error: ApiError, now: float, *, accepted: bool) -> Iterator[Event]:
        if self._last_looks:
            self._last_error = error.message
            return
        if isinstance(error, Rejected) and self._is_new:
            yield from self._answered(now)
            self._rejection = error
            self._summary_wanted = self._has_summary and (
                self._is_summary_due(now) or not self._in_grace(now)
            )
            if not self._has_summary and self._ahead is None:
                self._check_grace(now)
            return
        retry = self._status_retry
        wait = retry.failed(error, now, accepted=accepted)
        elapsed = retry.elapsed(now)
        if wait is None or (not accepted and elapsed > FIRST_CONTACT):
            raise error
        if self._deadline is None and elapsed > LONGEST_OUTAGE:
            self._ended = Ended(EndReason.LOST, self._status, False, error.message)
            return
        is_unauthorized = isinstance(error, Unauthorized)
        is_long = (error.retry_after or 0.0) > REPORTED_WAIT
        if not retry.shown and (is_long or is_unauthorized or elapsed >= _RETRYING_SHOWN_AFTER):
            retry.shown = True
            left = float("inf") if self._deadline is None else max(0.0, self._deadline - now)
            left = UNAUTHORIZED_RETRIES * UNAUTHORIZED_WAIT if is_unauthorized else left
            yield retrying(error, retry, now, wait, left)

    @property
    def _status_error(self) -> str:
        """Why the status can't be read at the moment; empty if it can."""
        if self._status_retry.last_error:
            return self._status_retry.last_error
        return self._rejection.message if self._rejection is not None else ""


def _progress(pipeline: Pipeline) -> tuple[object, ...]:
    return pipeline.run_count, pipeline.state, pipeline.current_step_id, pipeline.last_run_status
