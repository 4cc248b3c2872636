"""Stop a run, and only that run: the stop call stops whatever the pipeline is doing."""

from __future__ import annotations

from contextlib import suppress
from typing import TypeGuard

from opsera_step.api import Ack, OpseraClient, Pipeline, Run, RunStatus, State, state_of
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import ApiError, Rejected, TimedOut, Unauthorized
from opsera_step.runs.retry import UNAUTHORIZED_RETRIES
from opsera_step.runs.state import RunState, StopResult

LONGEST_STOP = 10.0
"""Seconds that stopping a run may take."""
LATE_STOP = 6.0
"""Seconds that it may take after the timeout expired."""
_RETRY_INTERVAL = 0.5
_LASTS = 3.0
"""Seconds for which a final status has to last if the pipeline does not show the end of the run."""
_SHARE_OF_CALL = 0.6
"""Part of the remaining time that one stop call may take, so that the status can be checked."""


def stop_run(
    client: OpseraClient,
    run: Run,
    state: RunState,
    clock: Clock,
    deadline: Deadline,
    *,
    is_active: bool | None = None,
) -> StopResult:
    """Stop a run if the pipeline is executing it; its `state` gets the result, too.

    `is_active` overrides what `state` says about that. A stop call that failed is repeated while
    there is time, if it certainly had no effect or the run is still active afterwards. Never raises
    an ApiError: the result has it.
    """
    if is_active is None:
        is_active = state.is_active(clock.monotonic())
    stopping = _Stopping(client, run, clock, deadline)
    result = stopping.stop(is_active=is_active)
    if result.ack is not None:
        state.responses["stop"] = result.ack.response
    if result.status is not None:
        state.observe(result.status, clock.monotonic())
    state.stop = result
    return result


def confirm_end(client: OpseraClient, state: RunState, clock: Clock, deadline: Deadline) -> None:
    """Ask again for the status of a run that seems to have ended; `state` holds what it is then."""
    run, status = state.run, state.status
    if run is not None and status is not None and status.state.final:
        with suppress(TimedOut):
            status = _lasting_status(client, run, status, clock, deadline)
            state.observe(status, clock.monotonic())


def _lasting_status(
    client: OpseraClient, run: Run, status: RunStatus, clock: Clock, deadline: Deadline
) -> RunStatus:
    """Return the status of a run, asked for again while it is final but may not last.

    Raises:
        TimedOut: if there was no time to see whether it lasts.
    """
    started = read_at = clock.monotonic()
    until = deadline.no_later_than(_LASTS)
    while status.state.final and read_at < started + _LASTS:
        if until.expired:
            raise TimedOut("There was no time left to check whether the run has ended.")
        try:
            pipeline = client.summary(run.pipeline_id, until)
            if (pipeline.last_run_count or 0) >= run.count:
                return _recorded_status(pipeline, run) or status
            clock.sleep(min(_RETRY_INTERVAL, until.remaining))
            status = client.status(run, until)
            read_at = clock.monotonic()
        except ApiError:
            clock.sleep(min(_RETRY_INTERVAL, until.remaining))
    return status


def _recorded_status(pipeline: Pipeline, run: Run) -> RunStatus | None:
    """Return the status with which a pipeline recorded the end of a run, if it is its last one."""
    value = pipeline.last_run_status
    if pipeline.last_run_count != run.count or not state_of(value).final:
        return None
    return RunStatus(state_of(value), value)


class _Stopping:
    def __init__(self, client: OpseraClient, run: Run, clock: Clock, deadline: Deadline) -> None:
        self._client, self._run, self._clock, self._deadline = client, run, clock, deadline
        self._unauthorized = 0

    def stop(self, *, is_active: bool) -> StopResult:
        """Send the stop call, again while it fails and would still hit our run."""
        failure: ApiError | None = None
        while True:
            if not is_active:
                reason = self._check()
                if reason is not None:
                    return self._after_failure(reason, failure)
                if self._deadline.expired:
                    late = TimedOut("There was no time left to send the stop request.")
                    return self._failed(failure or late)
            try:
                until = self._deadline.no_later_than(_SHARE_OF_CALL * self._deadline.remaining)
                ack = self._client.stop(self._run.pipeline_id, until)
            except ApiError as error:
                failure = error
            else:
                return self._confirm(ack)
            is_active = is_active and failure.never_accepted
            if not self._may_pass(failure):
                # A refused stop call is normal if the run has ended by itself.
                status = self._status() if isinstance(failure, Rejected) else None
                if not _is_final(status):
                    return self._failed(failure, status)
                return self._ended(status) if self._lasts(status) else self._failed(failure)
            if self._deadline.remaining <= _RETRY_INTERVAL:
                return self._failed(failure)
            self._clock.sleep(_RETRY_INTERVAL)

    def _check(self) -> StopResult | None:
        """Check that a stop call would stop this run; retry while the API fails."""
        while True:
            try:
                return self._reason_against()
            except ApiError as error:
                if not self._may_pass(error) or self._deadline.remaining <= _RETRY_INTERVAL:
                    return self._failed(error)
                self._clock.sleep(_RETRY_INTERVAL)

    def _may_pass(self, error: ApiError) -> bool:
        """Whether the request may succeed later: a 401 of a token that was good, too, may pass."""
        self._unauthorized += isinstance(error, Unauthorized)
        is_first = self._unauthorized <= UNAUTHORIZED_RETRIES
        return error.transient or (isinstance(error, Unauthorized) and is_first)

    def _reason_against(self) -> StopResult | None:
        """Return why a stop call would not stop this run; None if it would."""
        run, deadline = self._run, self._deadline
        try:
            status = self._client.status(run, deadline)
        except Rejected:
            return self._reason_in_summary(self._client.summary(run.pipeline_id, deadline))
        seemed_final = status.state.final
        status = _lasting_status(self._client, run, status, self._clock, deadline)
        if status.is_waiting:
            return self._queued()
        if status.state.final:
            return StopResult(
                f"Nothing to stop: run {run.count} already finished ({_word(status)}).", status
            )
        if status.state is State.UNKNOWN:
            if seemed_final:
                return self._uncertain()
            return self._reason_in_summary(self._client.summary(run.pipeline_id, deadline))
        return None

    def _reason_in_summary(self, pipeline: Pipeline) -> StopResult | None:
        """Judge a run that the status call does not know: the one after the last is in progress."""
        run = self._run
        if pipeline.run_count < run.count:
            return self._queued()
        last = pipeline.last_run_count or 0
        if pipeline.run_count == run.count and last == run.count - 1:
            # It has started and not ended; that the pipeline looks idle may be out of date.
            return None
        if last >= run.count or not (last or pipeline.state.active):
            return StopResult(f"Nothing to stop: run {run.count} is not in progress.")
        return self._uncertain()

    def _queued(self) -> StopResult:
        return StopResult(
            f"Run {self._run.count} is still queued and can't be cancelled without stopping the "
            "active run; left as is.",
            is_queued=True,
        )

    def _uncertain(self) -> StopResult:
        return StopResult(
            f"It is not known whether run {self._run.count} is in progress. Stopping now could "
            "stop another run, so it was left as is.",
            is_unknown=True,
        )

    def _after_failure(self, result: StopResult, failure: ApiError | None) -> StopResult:
        """Return the result of a check after a stop call that failed: it may have had effect."""
        if failure is None:
            return result
        if result.failure is not None or result.is_unknown:
            return self._failed(failure)
        return self._ended(result.status) if _is_final(result.status) else result

    def _confirm(self, ack: Ack) -> StopResult:
        """Wait until the run has ended, as long as there is time."""
        status: RunStatus | None = None
        while not self._deadline.expired:
            status = self._status() or status
            if _is_final(status) and self._lasts(status):
                return self._ended(status)._replace(ack=ack)
            self._clock.sleep(min(_RETRY_INTERVAL, self._deadline.remaining))
        text = f"Run {self._run.count} is stopping; the current operation finishes first."
        lasting = None if _is_final(status) else status
        return StopResult(f"{text} {ack.message}".strip(), lasting, ack=ack)

    def _lasts(self, status: RunStatus) -> bool:
        """Whether a final status is to be believed after a stop call, which explains a stop."""
        if status.state is State.STOPPED:
            return True
        try:
            lasting = _lasting_status(self._client, self._run, status, self._clock, self._deadline)
        except TimedOut:
            return False
        return lasting.state is status.state

    def _status(self) -> RunStatus | None:
        try:
            return self._client.status(self._run, self._deadline)
        except ApiError:
            return None

    def _ended(self, status: RunStatus) -> StopResult:
        if status.state is State.STOPPED:
            return StopResult(f"Run {self._run.count} stopped.", status)
        sentence = f"Run {self._run.count} {_word(status)} before the stop request."
        return StopResult(sentence, status)

    def _failed(self, error: ApiError, status: RunStatus | None = None) -> StopResult:
        text = f"Run {self._run.count} could not be stopped and may still be in progress."
        return StopResult(f"{text} {error.message}", status, error)


def _is_final(status: RunStatus | None) -> TypeGuard[RunStatus]:
    return status is not None and status.state.final


def _word(status: RunStatus) -> str:
    return "succeeded" if status.state is State.SUCCESS else status.state.value
