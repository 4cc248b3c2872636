"""A job that is cancelled or hangs: stop its run, and leave outputs, from whichever thread can.

`cancel` is what the main thread does. Where it does not come to that, since it hangs, `stand_in`
stops the run for it, and the last words leave the outputs. Whoever claims the stop call sends it.
"""

from __future__ import annotations

from contextlib import suppress

from opsera_step.api import OpseraClient, Run, State
from opsera_step.clock import Deadline, SystemClock
from opsera_step.errors import Cancelled, ExitCode, OpseraStepError
from opsera_step.job.context import FOLLOWING, Context
from opsera_step.outcome import EXIT_CODE_OF_STATE
from opsera_step.runs import StopResult, find_unconfirmed_run, stop_run
from opsera_step.signals import LAST_WORDS, OVERTIME_WORDS, PATIENCE

CANCEL_BUDGET = 4.0
"""Seconds that stopping the run of a cancelled job may take."""


def prepare_for_the_worst(job: Context, *, real_time: bool) -> None:
    """Say what to do should the main thread hang when a signal comes, or when its time is over."""
    job.cancellation.stand_in = lambda: stand_in(job)
    job.cancellation.last_words = lambda: last_words(job)
    if real_time and job.inputs.timeout:
        job.cancellation.end_overtime(
            job.inputs.timeout,
            lambda: overtime_words(job),
            lambda: int(job.outcome.exit_code if job.is_settled else ExitCode.TIMEOUT),
        )


def cancel(job: Context, cancelled: Cancelled) -> None:
    """Stop the run, if there is one to stop, and say what was done."""
    job.log.end_group()
    job.log.say(f"{cancelled}: the job is being cancelled.", "warning")
    job.learn(status="cancelled", exit_code=cancelled.exit_code)
    status = job.state.status
    if status is not None and status.state.final:
        # It had ended, only the rest of its log was still being read.
        job.learn(status=status.state.value, exit_code=EXIT_CODE_OF_STATE[status.state])
        job.learn_status(status)
        return
    job.learn(message=job.scrubber.inline(_stop(job), 1000))


def stand_in(job: Context) -> None:
    """Stop the run for the main thread, which hangs, as that would after a signal."""
    if not _reason_to_leave(job):
        _stop_from_outside(job, CANCEL_BUDGET - PATIENCE)


def last_words(job: Context) -> None:
    """Leave outputs when a cancelled job has to end although it hangs."""
    if not _reason_to_leave(job):
        _stop_from_outside(job, LAST_WORDS / 2)
    told = "it is not known whether the run was stopped."
    message = f"The job was cancelled and hung; {job.stopped.sentence if job.stopped else told}"
    _leave_outputs(job, "cancelled", 128 + (job.cancellation.signal_number or 15), message)


def overtime_words(job: Context) -> None:
    """Leave outputs when a job has to end that hung on beyond its timeout."""
    if job.inputs.command in FOLLOWING and job.inputs.on_timeout == "stop":
        _stop_from_outside(job, OVERTIME_WORDS - 1.0)
    told = job.stopped.sentence if job.stopped else "The run may still be going."
    message = f"The time was up, and the job hung, perhaps since nobody reads its log. {told}"
    _leave_outputs(job, "timeout", ExitCode.TIMEOUT, message)


def _reason_to_leave(job: Context) -> str:
    """Say why nothing is stopped; empty when the run, if there is one, is to be stopped."""
    if job.changing:
        return (
            f"The command was cancelled while {job.changing}. That may have been done, or still "
            "be done: look how it is now."
        )
    if job.inputs.command not in FOLLOWING:
        return "The command was cancelled; nothing was changed by it."
    if job.run is None and not job.state.requested:
        return "The job was cancelled before a run was started."
    if job.inputs.on_cancel == "leave" and not job.stop_call.is_claimed:
        return "The job was cancelled; the run was left as it is (on_cancel: leave)."
    if job.state.status is not None and job.state.status.state.final:
        return "The run had ended when the job was cancelled."
    return ""


def _stop(job: Context) -> str:
    """Stop the run and say what came of it."""
    until = Deadline.after(job.clock, CANCEL_BUDGET)
    reason = _reason_to_leave(job)
    if reason:
        return reason
    run = job.run or _find_unheard_run(job, until)
    if run is None:
        return (
            "The job was cancelled while a run was being asked for; no new run has shown so far. "
            "If one starts all the same, it has to be stopped by hand."
        )
    job.run = job.state.run = run
    job.learn(run_count=run.count)
    if job.stop_call.claim():
        stop_run(job.client, job.state, job.clock, until)
    else:
        job.cancellation.wait_for_stand_in(until.remaining)
    if job.stopped is None:
        return "The job was cancelled while the run was being stopped already, or after that."
    _learn_end(job, job.stopped)
    return f"The job was cancelled. {job.stopped.sentence}"


def _learn_end(job: Context, stopped: StopResult) -> None:
    """Take over the verdict of a run that had ended by itself before it could be stopped."""
    if stopped.status is not None and stopped.status.state in (State.SUCCESS, State.FAILED):
        state = stopped.status.state
        job.learn(status=state.value, exit_code=EXIT_CODE_OF_STATE[state])


def _find_unheard_run(job: Context, until: Deadline) -> Run | None:
    """Look for the run that the request on the wire may have started."""
    if job.pipeline is None:
        return None
    before = job.state.before or 0
    look_until = until.no_later_than(CANCEL_BUDGET / 2)
    token = job.inputs.token
    with suppress(OpseraStepError):
        return find_unconfirmed_run(
            job.client, job.pipeline.id, before, token, job.clock, look_until
        )
    return None


def _stop_from_outside(job: Context, seconds: float) -> None:
    """Stop the run from another thread: with a client and a clock that no signal concerns."""
    run, clock = job.run, SystemClock()
    if run is None or not job.stop_call.claim():
        return
    until = Deadline.after(clock, seconds)
    with suppress(OpseraStepError):
        client = OpseraClient(
            job.inputs.base_url, job.inputs.token, clock, ca_bundle=job.inputs.ca_bundle
        )
        stop_run(client, job.state, clock, until)


def _leave_outputs(job: Context, status: str, exit_code: int, message: str) -> None:
    if job.is_settled or not job.reports:
        return
    outcome = job.outcome.but(
        status=status,
        exit_code=exit_code,
        message=job.scrubber.inline(message, 1000),
        duration=job.clock.monotonic() - job.began,
        log_lines=job.log.line_count,
    )
    job.platform.write_outputs(outcome.outputs(), job.inputs.output_file)
