"""What happens to the run when its job is cancelled or times out: one decision, one stop call.

Normally the main thread does all that. If it hangs, the watchdog does the same through
`JobEmergency`, with a separate client and clock that signals don't interrupt.
"""

from __future__ import annotations

from contextlib import suppress

from opsera_step.api import OpseraClient, Run
from opsera_step.clock import Clock, Deadline, SystemClock
from opsera_step.errors import ApiError, Cancelled, OpseraStepError
from opsera_step.job.job import CommandResult, Job
from opsera_step.outcome import Outcome, outcome_of
from opsera_step.runs import STARTED, StopResult, confirm_end, find_unconfirmed_run, stop_run

CANCEL_BUDGET = 4.0
"""Seconds that stopping the run of a cancelled job may take."""


def reason_to_leave(job: Job, when: str) -> str:
    """Return why the run is not stopped; empty if it is. `when` is on_cancel or on_timeout."""
    state = job.state
    run = f"Run {state.run.count}" if state.run else "The run"
    if not job.follows:
        return "No changes were made."
    if state.run is None and not state.requested:
        return "No run was started."
    wanted = getattr(job.inputs, when)
    if wanted == "leave":
        return f"{run} was left alone ({when}: leave)."
    if wanted == "auto" and state.origin not in ("", STARTED):
        return f"{run} continues, because this job did not start it ({when}: auto)."
    if state.status is not None and state.status.state.final:
        return f"{run} had already finished."
    return ""


def stop(job: Job, client: OpseraClient, clock: Clock, deadline: Deadline) -> StopResult | None:
    """Stop the run, or wait for the thread that is stopping it; None if no run is known.

    Never raises an ApiError.
    """
    state = job.state
    if not job.stop_claim.acquire(blocking=False):
        job.stop_done.wait(max(0.1, deadline.remaining))
        return state.stop
    try:
        if state.run is None:
            state.run = _find_unconfirmed(job, client, clock, deadline)
        if state.run is not None:
            stop_run(client, state.run, state, clock, deadline)
    except ApiError as error:
        state.stop = StopResult(
            f"Could not check whether a run was started: {error.message}", failure=error
        )
    finally:
        job.stop_done.set()
    return state.stop


def _find_unconfirmed(
    job: Job, client: OpseraClient, clock: Clock, deadline: Deadline
) -> Run | None:
    """Find the run whose request was in flight."""
    pipeline, before = job.state.pipeline, job.state.before
    if pipeline is None or before is None:
        return None
    until = deadline.no_later_than(deadline.remaining / 2)
    return find_unconfirmed_run(client, pipeline.id, before, job.inputs.token, clock, until)


def cancel(job: Job, cancelled: Cancelled) -> CommandResult:
    """Stop the run if that is wanted, and report the result."""
    job.log.end_group()
    job.log.print_message(f"Received {cancelled}; cancelling.", "warning")
    if cancelled.during:
        left = f"The signal arrived while {cancelled.during}, which may have taken effect."
        outcome = outcome_of(job.known(), None, None, cancelled=cancelled, left=left)
        return CommandResult(outcome)
    until = Deadline.after(job.clock, CANCEL_BUDGET)
    confirm_end(job.client, job.state, job.clock, until)
    left = reason_to_leave(job, "on_cancel")
    stopped = None
    if not left:
        stopped = stop(job, job.client, job.clock, until)
        if stopped is None:
            left = (
                "The request to start a run was in flight, and no new run has appeared. If one "
                "does, stop it in Opsera."
            )
    return CommandResult(_cancelled(job, stopped, cancelled, left))


def _cancelled(job: Job, stopped: StopResult | None, cancelled: Cancelled, left: str) -> Outcome:
    status = job.state.status
    if stopped is None and status is not None and status.state.final:
        # It had finished by itself; only the rest of its log was still being read.
        stopped = StopResult(left, status)
    outcome = outcome_of(job.known(), None, stopped, cancelled=cancelled, left=left)
    return outcome.but(message=job.scrubber.inline(outcome.message, 1000))


class JobEmergency:
    """What the watchdog does for a job whose main thread hangs."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.settled: Outcome | None = None
        """The outcome, once it is in the outputs."""

    def stop_run(self, seconds: float) -> None:
        """Stop the run within some seconds, unless this has already started or is not wanted."""
        job = self._job
        when = "on_cancel" if job.signals.number is not None else "on_timeout"
        if self.settled is not None or reason_to_leave(job, when):
            return
        clock, inputs = SystemClock(), job.inputs
        with suppress(OpseraStepError):
            client = OpseraClient(
                inputs.base_url, job.client.token, clock, ca_bundle=inputs.ca_bundle
            )
            stop(job, client, clock, Deadline.after(clock, seconds))

    def write_outputs(self, exit_code: int) -> int:
        """Write the outputs; return the exit code, which is the job's own if it had ended."""
        job, cancelled = self._job, self._job.signals.number is not None
        if self.settled is not None:
            return exit_code if cancelled else int(self.settled.exit_code)
        what = "Cancelled" if cancelled else "Timed out"
        stopped = job.state.stop
        then = stopped.sentence if stopped else "The run may still be in progress."
        outcome = job.known("cancelled" if cancelled else "timeout", exit_code).but(
            message=job.scrubber.inline(f"{what} while blocked on output; {then}", 1000),
            elapsed=job.clock.monotonic() - job.started,
        )
        job.put_outputs(outcome.outputs())
        return exit_code
