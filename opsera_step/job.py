"""The use case: inputs to client to trigger to follow to render to platform to exit code.

Everything that happens to a job ends here: each way out writes the outputs and tells the verdict.
"""

from __future__ import annotations

import io
import os
import random
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TextIO

from opsera_step.cancel import Cancellation, InterruptibleClock
from opsera_step.client import OpseraClient
from opsera_step.commands import COMMANDS, is_ours_now
from opsera_step.context import Context
from opsera_step.errors import BadInput, Cancelled, ExitCode, InternalError, OpseraStepError
from opsera_step.inputs import Given, Inputs, from_environment
from opsera_step.log_limit import LogLimit
from opsera_step.models import Run, State
from opsera_step.outcome import EXIT_CODE_OF_STATE, Outcome
from opsera_step.ownership import Ownership
from opsera_step.platforms import Platform, detect
from opsera_step.render.joblog import JobLog, Safe
from opsera_step.render.summary import summary
from opsera_step.render.verdict import tell_verdict
from opsera_step.report import Report
from opsera_step.settings import collect
from opsera_step.stopping import stop_run
from opsera_step.timing import Clock, Deadline, SystemClock

_FOLLOWING = ("run", "watch")
"""The commands that follow a run; only these stop it when they are cancelled."""
CANCEL_BUDGET = 4.0
"""Seconds that stopping the run of a cancelled job may take."""


def run_job(
    environ: Mapping[str, str],
    out: TextIO,
    cancellation: Cancellation,
    *,
    options: Mapping[str, Given] | None = None,
    clock: Clock | None = None,
    jitter: Callable[[], float] = random.random,
) -> int:
    """Do what the inputs say and return the exit code; nothing escapes, not even our own faults."""
    clock = clock or SystemClock()
    platform = detect(environ, out, clock)
    try:
        inputs = collect(environ, options or {}, platform.input_defaults, platform.auto_log_limit)
        job = _prepare(inputs, platform, clock, cancellation, jitter)
    except BadInput as error:
        return _refuse(error, platform, {**from_environment(environ), **(options or {})})
    cancellation.last_words = lambda: _last_words(job)
    with job.report:
        _carry_out(job)
        _finish(job)
    return int(job.outcome.exit_code)


def _refuse(error: BadInput, platform: Platform, given: Mapping[str, Given]) -> int:
    """Tell all faults of the inputs; the outputs are written even now."""
    safe = Safe(given["token"].value if "token" in given else "")
    for fault in error.faults:
        platform.annotate("error", "opsera-step input", safe.inline(fault, 1000))
    outcome = Outcome("error", ExitCode.BAD_INPUT, safe.inline(error.message, 2000))
    file = given["output_file"].value if "output_file" in given else ""
    file = file or platform.input_defaults.get("output_file", "")
    failure = platform.write_outputs(outcome.outputs(), file)
    if failure:
        platform.say(failure, "warning")
    return int(outcome.exit_code)


def _prepare(
    inputs: Inputs,
    platform: Platform,
    clock: Clock,
    cancellation: Cancellation,
    jitter: Callable[[], float],
) -> Context:
    platform.mask(inputs.token)
    report, safe = Report(inputs.report_dir), Safe(inputs.token)
    interruptible = InterruptibleClock(clock, cancellation)
    client = OpseraClient(
        inputs.base_url,
        inputs.token,
        interruptible,
        ca_bundle=inputs.ca_bundle,
        agent=f"({platform.name})",
        guard=cancellation.guard,
    )
    return Context(
        inputs=inputs,
        platform=platform,
        client=client,
        clock=interruptible,
        deadline=Deadline.after(interruptible, inputs.timeout),
        jitter=jitter,
        safe=safe,
        log=JobLog(platform, safe, interruptible, LogLimit(inputs.log_limit), report.keep_line),
        report=report,
        cancellation=cancellation,
        outcome=Outcome("error", ExitCode.INTERNAL),
        began=interruptible.monotonic(),
    )


def _carry_out(job: Context) -> None:
    try:
        COMMANDS[job.inputs.command](job)
    except Cancelled as cancelled:
        _cancel(job, cancelled)
    except OpseraStepError as error:
        _fail(job, error)
    except Exception as error:  # noqa: BLE001 - the last boundary: a fault of our own
        if job.platform.debug:
            job.log.say(job.safe.own(traceback.format_exc()))
        _fail(job, InternalError(f"{type(error).__name__}: {error}"))


def _fail(job: Context, error: OpseraStepError) -> None:
    message = error.message
    if job.run is not None and job.inputs.command in _FOLLOWING:
        message += f" Run {job.run.count} is not watched any more; its page: {job.outcome.url}"
    job.learn(
        status="error",
        exit_code=error.exit_code,
        message=job.safe.inline(message, 1000),
        hint=job.safe.inline(error.hint, 1000),
    )


def _cancel(job: Context, cancelled: Cancelled) -> None:
    """Stop the run, if there is one to stop, and say what was done."""
    job.log.end_group()
    job.log.say(f"{cancelled}: the job is being cancelled.", "warning")
    job.learn(status="cancelled", exit_code=cancelled.exit_code)
    status = job.follower.status if job.follower is not None else None
    if status is not None and status.state.final:
        # It had ended, only the rest of its log was still being read.
        job.learn(status=status.state.value, exit_code=EXIT_CODE_OF_STATE[status.state])
        job.learn_status(status)
        return
    job.learn(message=job.safe.inline(_stop_after_cancel(job), 1000))


def _stop_after_cancel(job: Context) -> str:
    until = Deadline.after(job.clock, CANCEL_BUDGET)
    trigger, pipeline = job.trigger, job.pipeline
    if job.inputs.command not in _FOLLOWING:
        return "The command was cancelled; nothing was stopped by it."
    if job.run is None and (trigger is None or pipeline is None or not trigger.asked):
        return "The job was cancelled before a run was started."
    if job.stop_asked:
        return "The job was cancelled after its timeout, while the run was being stopped."
    if job.inputs.on_cancel == "leave":
        return "The job was cancelled; the run was left as it is (on_cancel: leave)."
    run = job.run
    if run is None and trigger is not None and pipeline is not None:
        run = _find_unheard_run(job, pipeline.id, trigger.before or 0, until)
    if run is None:
        return (
            "The job was cancelled while a run was being asked for; no new run has shown so far. "
            "If one starts all the same, it has to be stopped by hand."
        )
    job.run, job.stop_asked = run, True
    job.learn(run_count=run.count)
    stopped = stop_run(job.client, run, job.clock, until, is_current=is_ours_now(job))
    if stopped.status is not None and stopped.status.state in (State.SUCCESS, State.FAILED):
        job.learn(
            status=stopped.status.state.value,
            exit_code=EXIT_CODE_OF_STATE[stopped.status.state],
        )
    return f"The job was cancelled. {stopped.sentence}"


def _find_unheard_run(job: Context, pipeline_id: str, before: int, until: Deadline) -> Run | None:
    """Look for the run that the request on the wire may have started."""
    look_until = until.no_later_than(CANCEL_BUDGET / 2)
    while not look_until.expired:
        try:
            pipeline = job.client.summary(pipeline_id, look_until)
        except OpseraStepError:
            return None
        if pipeline.run_count == before + 1:
            run = Run(pipeline.id, pipeline.run_count)
            owner = Ownership(job.client, job.inputs.token, job.clock, look_until)
            return None if owner.is_foreign(run) else run
        job.clock.sleep(min(0.3, look_until.remaining))
    return None


def _finish(job: Context) -> None:
    """Write the outputs, then tell the verdict: what later steps need goes first."""
    job.learn(
        duration=job.clock.monotonic() - job.began,
        log_lines=job.log.line_count,
    )
    if job.reports:
        job.write_outputs(job.outcome.outputs())
        job.platform.save_state({"done": "true"})
    job.log.finish()
    tell_verdict(job.outcome, job.log, log_wanted=_shows_log(job))
    if job.platform.has_summary and job.inputs.command in _FOLLOWING:
        failure = job.platform.write_summary(summary(job.outcome))
        if failure:
            job.log.say(failure, "warning")
    failure = job.report.write_result(job.outcome)
    if failure:
        job.log.say(failure, "warning")


def _shows_log(job: Context) -> bool:
    return job.inputs.logs != "none" and job.inputs.command in _FOLLOWING


def _last_words(job: Context) -> None:
    """Leave outputs when the process has to end although it hangs."""
    message = "The job was cancelled and hung; it is not known whether the run was stopped."
    outcome = job.outcome.but(
        status="cancelled",
        exit_code=128 + (job.cancellation.signal_number or 15),
        message=message,
        duration=job.clock.monotonic() - job.began,
        log_lines=job.log.line_count,
    )
    job.platform.write_outputs(outcome.outputs(), job.inputs.output_file)
    _stop_at_last(job)


def _stop_at_last(job: Context) -> None:
    """Send the stop call that the hanging thread did not come to, for instance for a full pipe."""
    wanted = job.inputs.on_cancel == "stop" and job.inputs.command in _FOLLOWING
    if job.run is not None and wanted and not job.stop_asked and is_ours_now(job):
        with suppress(OpseraStepError):
            client = OpseraClient(
                job.inputs.base_url, job.inputs.token, SystemClock(), ca_bundle=job.inputs.ca_bundle
            )
            client.stop(job.run.pipeline_id, Deadline.after(SystemClock(), 1.0))


def utf8(stream: TextIO | None) -> TextIO:
    """Make a stream take any text, whatever the locale says: containers often have none.

    A log that is closed is as good as one that nobody reads. One that does not block would lose
    what it can't take at once.
    """
    if stream is None:
        return io.StringIO()
    stream.reconfigure(encoding="utf-8", errors="replace", newline="\n")  # type: ignore[attr-defined]
    with suppress(OSError, ValueError):
        os.set_blocking(stream.fileno(), True)
    return stream
