"""The commands `run` and `watch`: start a run or take an existing one, and follow it to its end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from opsera_step.api import Pipeline
from opsera_step.api.token import expiry_warning, read_token
from opsera_step.clock import Deadline
from opsera_step.config import SHORTEST_TOKEN, Parameter
from opsera_step.errors import ExitCode, InvalidInput
from opsera_step.job.cancellation import reason_to_leave, stop
from opsera_step.job.job import CommandResult, Job
from opsera_step.outcome import outcome_of
from opsera_step.runs import (
    LATE_STOP,
    STARTED,
    Ended,
    EndReason,
    FollowPolicy,
    RunKnown,
    RuntimeSettings,
    StartPolicy,
    follow,
    start_run,
)
from opsera_step.text import MASK

_LONGEST_SETTING = 100
"""Characters to show of each runtime setting."""
_TICK = 5.0
"""Seconds between two checks whether a minute has passed without output."""


def run(job: Job) -> CommandResult:
    """Start the pipeline and, if wanted, follow the run to its end."""
    secret = _hide_secrets(job)
    pipeline = job.find_pipeline()
    _introduce(job, pipeline)
    _show_settings(job, secret)
    job.save_state(before=str(pipeline.run_count))
    inputs = job.inputs
    policy = StartPolicy(inputs.on_busy, inputs.reset, _runtime_settings(job))
    job.show(
        start_run(
            job.client,
            pipeline,
            policy,
            token=inputs.token,
            clock=job.clock,
            deadline=job.deadline,
            jitter=job.jitter,
            state=job.state,
        )
    )
    if not inputs.wait:
        count = job.state.run.count if job.state.run else "?"
        message = f"Not waiting for run {count} to finish."
        return CommandResult(job.known("running", ExitCode.SUCCESS).but(message=message))
    return _follow(job)


def run_with_parameters(job: Job, *, words: Sequence[str]) -> CommandResult:
    """Run with further parameters, `STEP.NAME=VALUE` each, which override the same of the input.

    Raises:
        InvalidInput: if one is not of that form.
    """
    wrong = [word for word in words if "=" not in word or "." not in word.partition("=")[0]]
    if wrong:
        raise InvalidInput([f"--param: expected STEP.NAME=VALUE, got {word!r}" for word in wrong])
    added = {name: value for name, _, value in (word.partition("=") for word in words)}
    kept = {_full_name(one): one.value for one in job.inputs.parameters}
    parameters = (Parameter(None, name, value) for name, value in {**kept, **added}.items())
    return run(replace(job, inputs=replace(job.inputs, parameters=tuple(parameters))))


def _hide_secrets(job: Job) -> frozenset[Parameter]:
    """Keep the values of parameters whose names look secret out of the log; return these."""
    if not job.inputs.parameters:
        return frozenset()
    from opsera_step.text.masking import is_secret_key  # noqa: PLC0415 - few jobs need it

    names = ((one, _full_name(one).rpartition(".")[2]) for one in job.inputs.parameters)
    secret = frozenset(one for one, name in names if is_secret_key(name))
    for one in secret:
        if len(one.value) >= SHORTEST_TOKEN:
            job.platform.mask(one.value)
            job.scrubber.add_token(one.value)
    return secret


def _show_settings(job: Job, secret: Collection[Parameter]) -> None:
    """Print the branch and the parameters that are requested for the run."""
    inputs = job.inputs
    shown = [f"branch={inputs.branch}"] if inputs.branch else []
    shown += [
        f"{_full_name(one)}={MASK if one in secret else one.value}" for one in inputs.parameters
    ]
    if shown:
        text = ", ".join(job.scrubber.inline(one, _LONGEST_SETTING) for one in shown)
        job.log.print_message(f"Runtime settings: {text}")


def _full_name(one: Parameter) -> str:
    return f"{one.step}.{one.name}" if one.step else one.name


def watch(job: Job) -> CommandResult:
    """Follow an existing run, from its first line to its end."""
    pipeline = job.find_pipeline()
    _introduce(job, pipeline)
    job.use_run(job.requested_run(pipeline))
    if job.state.run is not None:
        job.log.show(RunKnown(job.state.run, started=False))
    return _follow(job)


def _runtime_settings(job: Job) -> RuntimeSettings | None:
    inputs = job.inputs
    if not inputs.branch and not inputs.parameters:
        return None
    return RuntimeSettings(inputs.branch, inputs.parameters)


def _introduce(job: Job, pipeline: Pipeline) -> None:
    name = job.scrubber.inline(pipeline.name, 200)
    called = f"“{name}” ({pipeline.id})" if name else pipeline.id
    job.log.print_message(f"Pipeline {called} at {job.inputs.base_url}")
    job.log.link = job.url
    if job.url:
        job.log.print_message(f"View in Opsera: {job.url}")
    job.log.set_plan(pipeline.plan)
    if job.inputs.wait:
        token, now = read_token(job.inputs.token), job.clock.time()
        warning = expiry_warning(token, now, job.inputs.timeout)
        if warning:
            job.log.annotate("warning", "Opsera access token", warning)


def _follow(job: Job) -> CommandResult:
    inputs = job.inputs
    policy = FollowPolicy(
        wait_when_paused=inputs.on_paused == "wait",
        # The report has the full log, also where none of it is to be printed.
        logs="console" if inputs.logs == "none" and inputs.report_dir else inputs.logs,
        poll_interval=inputs.poll_interval,
        tick=job.platform.tick or _TICK,
        watched_by_person=job.platform.tick is not None,
    )
    ended: Ended | None = None
    for event in follow(job.client, job.state, policy, job.clock, job.deadline, job.jitter):
        job.log.show(event)
        if isinstance(event, Ended):
            ended = event
        if _is_on_another_branch(job):
            return _stop_another_branch(job)
    if inputs.branch and not job.state.history.branch and job.state.origin == STARTED:
        job.log.print_message(
            f"No record of the run confirms that it used branch {inputs.branch!r}."
        )
    if ended is not None and ended.reason is EndReason.TIMEOUT:
        return _timed_out(job, ended)
    known = job.known().but(log_complete=ended.log_complete if ended else False)
    return CommandResult(outcome_of(known, ended, None))


def _is_on_another_branch(job: Job) -> bool:
    """Whether a record of the run that this job started contradicts the requested branch."""
    found = job.state.history.branch
    ours = job.state.origin == STARTED
    return bool(job.inputs.branch and ours and found and found != job.inputs.branch)


def _stop_another_branch(job: Job) -> CommandResult:
    """Stop a run that uses another branch than the requested one, and fail."""
    found = job.scrubber.inline(job.state.history.branch, 200)
    until = Deadline.after(job.clock, LATE_STOP)
    over = job.state.status is not None and job.state.status.state.final
    stopped = None if over else stop(job, job.client, job.clock, until)
    outcome = job.known("error", ExitCode.API).but(
        message=" ".join(
            filter(
                None,
                (
                    f"The run uses branch “{found}”, not “{job.inputs.branch}”.",
                    stopped.sentence if stopped else "",
                ),
            )
        ),
        hint="Check in Opsera that the pipeline allows runtime settings for the branch.",
    )
    return CommandResult(outcome)


def _timed_out(job: Job, ended: Ended) -> CommandResult:
    left = reason_to_leave(job, "on_timeout")
    stopped = None
    if not left:
        stopped = stop(job, job.client, job.clock, Deadline.after(job.clock, LATE_STOP))
    known = job.known().but(log_complete=ended.log_complete)
    outcome = outcome_of(known, ended, stopped, left=left, timeout=job.inputs.timeout)
    return CommandResult(outcome.but(message=job.scrubber.inline(outcome.message, 1000)))
