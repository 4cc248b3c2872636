"""Stop a run, and only that run: the stop call stops whatever the pipeline is doing."""

from __future__ import annotations

from typing import Protocol, TypeGuard

from opsera_step.api import Ack, Pipeline, Run, RunStatus, State
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import ApiError, Rejected
from opsera_step.runs.state import RunState, StopResult

LONGEST_STOP = 10.0
"""Seconds that stopping a run may take."""
LATE_STOP = 6.0
"""Seconds that it may take when the time was up already."""
_CONFIRM_EVERY = 0.5
_SHARE_OF_STOP = 0.6
"""Part of the time that the stop call may take, so that the status can tell what came of it."""


class Api(Protocol):
    """What stopping needs of the client."""

    def stop(self, pipeline_id: str, deadline: Deadline) -> Ack:
        """Ask the pipeline to stop."""
        ...

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Ask how a run stands."""
        ...

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for the pipeline."""
        ...


def stop_run(
    client: Api,
    state: RunState,
    clock: Clock,
    deadline: Deadline,
    *,
    is_active: bool | None = None,
) -> StopResult:
    """Stop the run of `state` if the pipeline is in that run; write the result into `state`.

    `is_active` overrides what the state says about it. Never raises an ApiError: the result
    carries it.
    """
    run = state.run
    if run is None:
        return StopResult("There is no run to stop.")
    if is_active is None:
        is_active = state.is_active(clock.monotonic())
    result = _stop(client, run, clock, deadline, is_current=is_active)
    state.stop = result
    if result.consent is not None:
        state.responses["stop"] = result.consent.response
    if result.status is not None:
        state.status, state.responses["status"] = result.status, result.status.response
    return result


def _stop(api: Api, run: Run, clock: Clock, deadline: Deadline, *, is_current: bool) -> StopResult:
    """Send one stop call for a run, if the pipeline is in that run, and look what came of it.

    `is_current` says that this is known already; else the API is asked first. Never raises an
    ApiError: what failed is in the sentence.
    """
    if not is_current:
        reason = _insist_on_reason(api, run, clock, deadline)
        if reason is not None:
            return reason
        if deadline.expired:
            return _failed(run, ApiError("The time was up before the stop call could be sent."))
    try:
        until = deadline.no_later_than(_SHARE_OF_STOP * deadline.remaining)
        consent = api.stop(run.pipeline_id, until)
    except ApiError as error:
        status = _status_after_failure(api, run, clock, deadline, error)
        return _ended(run, status) if _is_final(status) else _failed(run, error, status)
    status = _wait_for_end(api, run, clock, deadline)
    if _is_final(status):
        return _ended(run, status)._replace(consent=consent)
    sentence = f"Run {run.count} was asked to stop; it finishes its current operation first."
    return StopResult(f"{sentence} {consent.message}".strip(), status, consent=consent)


def _insist_on_reason(api: Api, run: Run, clock: Clock, deadline: Deadline) -> StopResult | None:
    """Look whether a stop call would stop this run; a bad answer is no reason to leave it."""
    while True:
        try:
            return _reason_against(api, run, deadline)
        except ApiError as error:
            if not error.transient or deadline.remaining <= _CONFIRM_EVERY:
                return _failed(run, error)
            clock.sleep(_CONFIRM_EVERY)


def _reason_against(api: Api, run: Run, deadline: Deadline) -> StopResult | None:
    """Say why a stop call would not stop this run; None when it would."""
    try:
        status = api.status(run, deadline)
    except Rejected:
        return _reason_in_summary(run, api.summary(run.pipeline_id, deadline))
    if status.is_waiting:
        return _not_begun(run)
    if status.state.final:
        return StopResult(f"Run {run.count} is not going any more: it is {status.value}.", status)
    if status.state is State.UNKNOWN:
        return _reason_in_summary(run, api.summary(run.pipeline_id, deadline))
    return None


def _reason_in_summary(run: Run, pipeline: Pipeline) -> StopResult | None:
    """Judge a run that the status call does not know: only the one after the last is going."""
    if pipeline.run_count < run.count:
        return _not_begun(run)
    last = pipeline.last_run_count or 0
    if not pipeline.state.active or last >= run.count:
        return StopResult(f"Run {run.count} is not going any more.")
    if last != run.count - 1:
        return StopResult(
            f"Run {run.count} may not have begun; stopping now could stop another run, so it was "
            "left and may be going."
        )
    return None


def _not_begun(run: Run) -> StopResult:
    return StopResult(
        f"Run {run.count} has not begun and can't be withdrawn; stopping now would stop another "
        "run, so it was left."
    )


def _status_after_failure(
    api: Api, run: Run, clock: Clock, deadline: Deadline, error: ApiError
) -> RunStatus | None:
    """Look what became of the run although the stop call failed; it is never sent again."""
    if not error.never_accepted:
        return _wait_for_end(api, run, clock, deadline)
    # A refused stop is no wonder where the run has ended by itself.
    return _status(api, run, deadline) if isinstance(error, Rejected) else None


def _wait_for_end(api: Api, run: Run, clock: Clock, deadline: Deadline) -> RunStatus | None:
    """Ask how the run stands until it has ended or the time is up; return what was heard last."""
    heard: RunStatus | None = None
    while not deadline.expired:
        heard = _status(api, run, deadline) or heard
        if _is_final(heard):
            break
        clock.sleep(min(_CONFIRM_EVERY, deadline.remaining))
    return heard


def _status(api: Api, run: Run, deadline: Deadline) -> RunStatus | None:
    try:
        return api.status(run, deadline)
    except ApiError:
        return None


def _is_final(status: RunStatus | None) -> TypeGuard[RunStatus]:
    return status is not None and status.state.final


def _ended(run: Run, status: RunStatus) -> StopResult:
    return StopResult(f"Run {run.count} is {status.value}.", status)


def _failed(run: Run, error: ApiError, status: RunStatus | None = None) -> StopResult:
    sentence = f"Run {run.count} could not be stopped and may still be going: {error.message}"
    return StopResult(sentence, status, error)
