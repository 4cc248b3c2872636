"""Start exactly one run of a pipeline, or attach to the one in progress.

A state machine: read the pipeline → (idle, busy, or paused) → send the request → accepted, not
accepted, or unknown → resolve → the run. The request is sent again only if the earlier one was
certainly not accepted, or if the pipeline stayed idle and untouched for long enough afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from opsera_step.api import (
    Ack,
    OpseraClient,
    Pipeline,
    Run,
    RunResponse,
    State,
    is_locked,
    state_of,
    token_identities,
)
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import (
    ApiError,
    PipelineBusy,
    Rejected,
    RunPaused,
    RunRefused,
    RunUncertain,
    TimedOut,
)
from opsera_step.runs import find
from opsera_step.runs.events import Event, Note, RunKnown
from opsera_step.runs.find import Idle, RunFinder, interval_behind, warn_about_duplicate_runs
from opsera_step.runs.retry import LONGEST_OUTAGE, Jitter, RetryState
from opsera_step.runs.settings import RuntimeSettings, check_settings
from opsera_step.runs.state import ATTACHED, STARTED, RunState

IDLE_PROOF = 30.0
"""Seconds for which a pipeline has to be idle and untouched, without a new run, to conclude that
a request was not accepted; doubled for each further request."""
MAX_IDLE_PROOF = 720.0
APPEARS_WITHIN = 300.0
"""Seconds to wait for the run of an accepted request, while no other run is in the way."""
MIN_TIME_TO_SEND = 5.0
"""Seconds that a request and its response may take; with less left, a run would only be lost."""
RESET_VISIBLE_WITHIN = 30.0
"""Seconds after a reset until a pipeline is no longer shown as paused."""
_RESET_POLL_INTERVAL = 2.0
_PAUSED = re.compile(r"\bpaused\b|\ba?wait\w*\b.*\bapproval\b", re.IGNORECASE)
_PAUSED_FOR = 3.0
"""Seconds for which a pipeline has to be paused to be the reason of a refusal that gives none."""

T = TypeVar("T")
Steps = Generator[Event, None, T]


class StartPolicy(NamedTuple):
    """How to start: the inputs `on_busy` and `reset`, and the runtime settings of the run."""

    on_busy: str = "queue"
    reset: str = "never"
    settings: RuntimeSettings | None = None


class Accepted(NamedTuple):
    """The request was accepted, and our run is known."""

    run_count: int
    message: str = ""


class NotAccepted(NamedTuple):
    """The request certainly had no effect."""

    error: ApiError


class Unknown(NamedTuple):
    """The request may have been accepted; with `accepted` it was, but the run is unknown."""

    reason: str
    accepted: bool = False
    idle_for: float | None = None
    not_before: float = 0.0
    message: str = ""


def start_run(
    client: OpseraClient,
    pipeline: Pipeline,
    policy: StartPolicy,
    *,
    token: str,
    clock: Clock,
    deadline: Deadline,
    jitter: Jitter,
    state: RunState,
) -> Generator[Event, None, None]:
    """Start one run, or attach to the one in progress; `state` holds it afterwards.

    Raises:
        InvalidInput: if the pipeline can't take the runtime settings.
        PipelineBusy: if a run is in progress and the policy does not allow that.
        RunPaused, RunRefused: if Opsera refused the run.
        RunUncertain: if it can't be known whether a run was started, or which is ours.
        TimedOut: if the deadline came first.
        ApiError: if requests failed for good.
    """
    state.pipeline, state.identities = pipeline, token_identities(token)
    settings, warnings = check_settings(pipeline, policy.settings)
    for text in warnings:
        yield Note(text, warning=True)
    starter = _Starter(client, policy, settings, clock, deadline, jitter, state)
    yield from starter.start(pipeline)
    if state.run is not None and state.in_doubt_since is not None:
        yield from warn_about_duplicate_runs(
            client, state.run, state.in_doubt_since, state.identities, clock, deadline
        )


class _Starter:
    def __init__(
        self,
        client: OpseraClient,
        policy: StartPolicy,
        settings: dict[str, Any] | None,
        clock: Clock,
        deadline: Deadline,
        jitter: Jitter,
        state: RunState,
    ) -> None:
        self._client, self._policy, self._settings = client, policy, settings
        self._clock, self._deadline, self._state = clock, deadline, state
        self._finder = RunFinder(client, state.identities, clock, deadline, jitter)
        self._retry = RetryState(jitter)
        self._before_doubt: Pipeline | None = None
        """The pipeline before the first request of unknown outcome."""
        self._idle_for = IDLE_PROOF
        self._requests = 0

    def start(self, pipeline: Pipeline) -> Steps[None]:
        """Repeat read, send, and resolve until the run is known."""
        now = yield from self._reset_if_wanted(pipeline)
        while True:
            outcome: Accepted | NotAccepted | Unknown | Idle
            doubt = self._before_doubt
            if doubt is not None and now.run_count > doubt.run_count:
                # A run has appeared after all: ours, or another user's.
                now, outcome = doubt, Unknown("", idle_for=self._idle_for)
            elif now.state.active and self._policy.on_busy != "queue":
                if (yield from self._attach(now)):
                    return
                now = yield from self._finder.summary(now.id)
                continue
            else:
                now = _with_run_in_progress(now)
                outcome = yield from self._submit(now)
            if isinstance(outcome, Unknown):
                outcome = yield from self._resolve(now, outcome)
            if isinstance(outcome, Accepted):
                yield self._started(now, outcome)
                return
            if isinstance(outcome, NotAccepted):
                now = yield from self._wait(now, outcome.error)
            else:
                now = outcome.pipeline

    def _submit(self, now: Pipeline) -> Steps[Accepted | NotAccepted | Unknown]:
        """Send the request once."""
        if self._deadline.remaining <= (MIN_TIME_TO_SEND if self._requests else 0.0):
            raise self._timed_out("The timeout expired before the run could be requested.")
        state = self._state
        state.before, state.requested = now.run_count, True
        self._requests += 1
        try:
            response = self._client.run(now.id, self._deadline, self._settings)
        except ApiError as error:
            if error.never_accepted or not error.transient:
                self._not_accepted()
                return NotAccepted(error)
            self._before_doubt = self._before_doubt or now
            wait = self._retry.failed(error, self._clock.monotonic()) or 0.0
            if not self._retry.shown:
                self._retry.shown = True
                yield Note(f"{error.message} Checking whether the run was started.", warning=True)
            not_before = self._clock.monotonic() + wait
            return Unknown(error.message, idle_for=self._idle_for, not_before=not_before)
        state.responses["run"] = response.response
        return (yield from self._read_response(now, response))

    def _read_response(
        self, before: Pipeline, response: RunResponse
    ) -> Steps[Accepted | NotAccepted | Unknown]:
        """Judge a response by its body; a refused run is HTTP 200 too."""
        count, status = response.run_count, state_of(response.value)
        is_new = count is not None and count > before.run_count
        if status is State.FAILED and not is_new:
            self._not_accepted()
            return NotAccepted(_refusal(response, before))
        if count is not None and is_new and status is not State.FAILED:
            return Accepted(count, response.message)
        known = response.value.strip().lower() == "executed" or status in (
            State.RUNNING,
            State.SUCCESS,
        )
        if not known:
            text = f"Unrecognized response “{response.value}” to the request; looking for the run."
            yield Note(f"{text} {response.message}".strip(), warning=True)
            return Unknown(text, accepted=True, idle_for=IDLE_PROOF, message=response.message)
        number = f"run {count}, an earlier run" if count else "no run number"
        text = f"Opsera accepted the request but returned {number}; looking for the run."
        yield Note(text)
        return Unknown(text, accepted=True, idle_for=APPEARS_WITHIN, message=response.message)

    def _resolve(self, before: Pipeline, unknown: Unknown) -> Steps[Accepted | Idle]:
        """Find the run of a request of unknown outcome, or prove that there is none."""
        if not before.has_run_count:
            raise RunUncertain(
                f"{unknown.reason} Opsera does not return the number of earlier runs."
            )
        idle_for = unknown.idle_for or self._idle_for
        found = yield from self._finder.find(before, idle_for, unknown.not_before)
        if not isinstance(found, Idle):
            return Accepted(found, unknown.message)
        if unknown.accepted:
            raise RunUncertain(f"{unknown.reason} No run has appeared.")
        idle = f"No new run has appeared for {idle_for:.0f}s"
        if not self._has_time(MIN_TIME_TO_SEND):
            raise self._timed_out(f"{unknown.reason} {idle}, but the timeout expired.".lstrip())
        yield Note(f"{idle}; sending the request again.", warning=True)
        self._idle_for = min(2 * idle_for, MAX_IDLE_PROOF)
        return found

    def _wait(self, now: Pipeline, error: ApiError) -> Steps[Pipeline]:
        """Wait until a request that was not accepted may be sent again; return the pipeline then.

        Raises:
            ApiError: the error, if there is no point in sending it again.
        """
        if isinstance(error, RunRefused) or (
            isinstance(error, Rejected) and _is_about_pause(error.message, now)
        ):
            return (yield from self._wait_for_turn(now, error))
        wait = self._retry.failed(error, self._clock.monotonic())
        if wait is None:
            if self._before_doubt is not None:
                error.message += (
                    " An earlier request got no usable response: check in Opsera whether it "
                    "started a run."
                )
            raise error
        if self._deadline.at is None and not self._has_time(wait):
            raise error
        if not self._has_time(wait + MIN_TIME_TO_SEND):
            raise self._timed_out(
                f"{error.message} The timeout expires before the request can be sent again."
            )
        if not self._retry.shown:
            self._retry.shown = True
            yield Note(f"{error.message} The request was not accepted; retrying.", warning=True)
        yield from self._finder.heartbeats.sleep(wait, error=error.message)
        return (yield from self._finder.summary(now.id))

    def _wait_for_turn(self, now: Pipeline, refusal: ApiError) -> Steps[Pipeline]:
        """Wait for the run in progress, if that is why the request was refused."""
        if isinstance(refusal, RunPaused) or _PAUSED.search(refusal.message):
            raise _paused(refusal.message, now)
        if now.state is State.PAUSED:
            # A run can look paused for a moment.
            yield from self._finder.heartbeats.sleep(_PAUSED_FOR, behind=now.run_count)
            now = yield from self._finder.summary(now.id)
            if now.state is not State.PAUSED:
                return now
            raise _paused(refusal.message, now)
        if now.state is not State.RUNNING or is_locked(refusal.message):
            raise refusal
        yield Note(f"{refusal.message} Retrying when run {now.run_count} has ended.", warning=True)
        start_time = self._clock.monotonic()
        while True:
            now = yield from self._finder.summary(now.id)
            if now.state is not State.RUNNING:
                return now
            if self._deadline.remaining < MIN_TIME_TO_SEND:
                raise self._timed_out(
                    f"{refusal.message} Run {now.run_count} was still in progress when the timeout "
                    "expired."
                )
            interval = interval_behind(self._clock.monotonic() - start_time)
            yield from self._finder.heartbeats.sleep(interval, behind=now.run_count)

    def _attach(self, now: Pipeline) -> Steps[bool]:
        """Attach to the run in progress; false if it has ended and the pipeline lags behind."""
        if self._policy.on_busy == "fail":
            text = f"Run {now.run_count} is {now.state.value}; no run was started."
            raise _paused(text, now) if now.state is State.PAUSED else PipelineBusy(text)
        if now.run_count < 1:
            raise RunUncertain("A run is in progress, but Opsera does not return its number.")
        run = Run(now.id, now.run_count)
        if (yield from self._has_ended(run, now)):
            yield from self._finder.heartbeats.sleep(find.POLL_INTERVAL, behind=run.count)
            if self._deadline.expired:
                raise self._timed_out(
                    f"Run {run.count} has ended, but the pipeline is still shown as "
                    f"{now.state.value}. The timeout expired."
                )
            return False
        if self._settings is not None:
            yield Note("branch and parameters don't apply to a run in progress.", warning=True)
        self._state.run, self._state.origin = run, ATTACHED
        yield RunKnown(run, started=False)
        return True

    def _has_ended(self, run: Run, now: Pipeline) -> Steps[bool]:
        try:
            status = yield from self._finder.call(lambda until: self._client.status(run, until))
        except Rejected:
            # A run that the API does not know yet can't have ended, unless the summary shows it.
            return now.last_run_count == run.count and state_of(now.last_run_status).final
        return status.state.final

    def _started(self, before: Pipeline, accepted: Accepted) -> RunKnown:
        run, behind = Run(before.id, accepted.run_count), None
        if before.state.active:
            behind = before.run_count
        elif run.count > before.run_count + 1:
            # Another run came in between, and may be in progress.
            behind = run.count - 1
        elif (before.last_run_count or 0) < before.run_count:
            # The pipeline looked idle, but its latest run is not known to have ended.
            behind = before.run_count
        state = self._state
        state.run, state.origin, state.behind = run, STARTED, behind
        if self._before_doubt is not None and self._requests > 1:
            state.in_doubt_since = self._before_doubt.run_count
        return RunKnown(run, started=True, message=accepted.message)

    def _reset_if_wanted(self, pipeline: Pipeline) -> Steps[Pipeline]:
        """Reset the pipeline according to the policy; return its new state."""
        if not _needs_reset(pipeline, self._policy.reset):
            return pipeline
        ack: Ack | None = None
        if pipeline.state is not State.RUNNING:
            ack = yield from self._finder.call(self._repeatable_reset(pipeline.id))
        now = yield from self._finder.summary(pipeline.id)
        if ack is None:
            yield Note(f"Not reset, because run {now.run_count} is in progress.", warning=True)
            return now
        self._state.responses["reset"] = ack.response
        yield Note(f"Pipeline reset (it was {pipeline.state.value}). {ack.message}".strip())
        until = self._deadline.no_later_than(RESET_VISIBLE_WITHIN)
        while now.state is State.PAUSED and not until.expired:
            yield from self._finder.heartbeats.sleep(_RESET_POLL_INTERVAL)
            now = yield from self._finder.summary(pipeline.id)
        return now

    def _repeatable_reset(self, pipeline_id: str) -> Callable[[Deadline], Ack | None]:
        """Return a reset that may be retried; it returns None once a run is in progress."""
        tried = False

        def reset(until: Deadline) -> Ack | None:
            nonlocal tried
            # After an outage another run may be in progress, which a second reset would end.
            if tried and self._client.summary(pipeline_id, until).state is State.RUNNING:
                return None
            tried = True
            return self._client.reset(pipeline_id, until)

        return reset

    def _not_accepted(self) -> None:
        self._state.requested = self._before_doubt is not None

    def _has_time(self, seconds: float) -> bool:
        if self._deadline.at is None:
            return self._retry.elapsed(self._clock.monotonic()) <= LONGEST_OUTAGE
        return self._deadline.remaining >= seconds

    def _timed_out(self, text: str) -> TimedOut:
        if self._state.requested:
            return TimedOut(f"{text} An earlier request may have started a run.", RunUncertain.hint)
        return TimedOut(f"{text} No run was started.")


def _with_run_in_progress(pipeline: Pipeline) -> Pipeline:
    """Count the run in progress, which is later than the last that ended, if it isn't counted."""
    last = pipeline.last_run_count
    if pipeline.state.active and last is not None and last >= pipeline.run_count > 0:
        return replace(pipeline, run_count=last + 1)
    return pipeline


def _needs_reset(pipeline: Pipeline, when: str) -> bool:
    if when == "auto":
        bad = pipeline.state in (State.FAILED, State.STOPPED, State.PAUSED)
        return bad and pipeline.run_count > 0
    return when == "always"


def _refusal(response: RunResponse, now: Pipeline) -> RunRefused:
    message = f"Opsera refused to start a run: {response.message or response.value}"
    if _PAUSED.search(response.message):
        return _paused(message, now)
    if is_locked(response.message):
        return RunRefused(message, "Ask the pipeline's owner or an administrator to unlock it.")
    return RunRefused(message)


def _is_about_pause(message: str, now: Pipeline) -> bool:
    """Whether a request was refused because the pipeline is paused."""
    return now.state is State.PAUSED or _PAUSED.search(message) is not None


def _paused(message: str, now: Pipeline) -> RunPaused:
    return RunPaused(
        message,
        f"Run {now.run_count} is waiting for approval: approve, reject, or stop it in Opsera. To "
        "make a job wait for the approval, use on_busy: attach and on_paused: wait. To discard the "
        "paused run and start a new one, use reset: auto.",
    )
