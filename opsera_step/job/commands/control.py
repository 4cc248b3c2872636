"""The commands `status`, `stop`, and `reset` of a pipeline."""

from __future__ import annotations

from opsera_step.api import Pipeline, Run, State
from opsera_step.display import Answer, Table, is_only_running
from opsera_step.errors import ApiError, ExitCode, Forbidden, InvalidInput, Rejected
from opsera_step.job.job import CommandResult, Job, status_output
from opsera_step.outcome import EXIT_CODE_OF_STATE, word_of
from opsera_step.runs import LONGEST_STOP, read_details, stop_run

DETAILS_WITHIN = 10.0
"""Seconds to spend on the steps, which are optional for the status."""


def status(job: Job) -> CommandResult:
    """Report the status of a run; the exit code is always 0."""
    run = job.requested_run(job.find_pipeline())
    job.use_run(run)
    state = job.state
    state.status = job.retry(lambda until: job.client.status(run, until))
    state.responses["status"] = state.status.response
    try:
        until = job.deadline.no_later_than(DETAILS_WITHIN)
        state.details = read_details(job.client, run, until, state.status)
    except Forbidden:
        pass  # The token may read status and logs only, which was reported.
    except ApiError as error:
        job.warn(f"The steps are unknown: {error.message}")
    outcome = job.known(status_output(state.status.state), ExitCode.SUCCESS)
    if state.status.state in (State.RUNNING, State.UNKNOWN):
        value = job.scrubber.inline(state.status.value, 80)
        known = state.status.state is State.RUNNING
        predicate = f"is {value}" if known else f"has the unrecognized status “{value}”"
        name = f" of “{outcome.pipeline_name}”" if outcome.pipeline_name else ""
        sentence = f"Run {run.count}{name} {predicate}."
        more = "" if is_only_running(outcome.message) else outcome.message
        outcome = outcome.but(message=f"{sentence} {more}".strip())
    return CommandResult(outcome)


def status_with_exit_code(job: Job) -> CommandResult:
    """Report the status of a run, and exit with its result."""
    result = status(job)
    state = job.state.status.state if job.state.status else State.UNKNOWN
    # A run in progress is no failure; an unrecognized status is no success.
    codes = {State.RUNNING: ExitCode.SUCCESS, State.UNKNOWN: ExitCode.API, **EXIT_CODE_OF_STATE}
    return CommandResult(result.outcome.but(exit_code=codes[state]))


def open_portal(job: Job, *, browser: bool) -> CommandResult:
    """Print the URL of the pipeline in the portal, and open it in a browser if wanted."""
    if job.inputs.pipeline_is_id:
        # The ID is all that the URL needs.
        unseen = Pipeline(job.inputs.pipeline, "", 0, State.UNKNOWN, has_run_count=False)
        job.state.pipeline = pipeline = unseen
    else:
        pipeline = job.find_pipeline()
    if not job.url:
        raise InvalidInput(
            ["portal_url: the portal of this base_url is unknown. Set portal_url to its address"]
        )
    message = "URL of the pipeline in the portal."
    if browser:
        import webbrowser  # noqa: PLC0415 - only here

        if webbrowser.open(job.url):
            message = "Opened the pipeline in the browser."
    answer = Answer({"pipelineId": pipeline.id, "url": job.url}, (Table((), [(job.url,)]),))
    return job.done(message, answer=answer)


def stop(job: Job) -> CommandResult:
    """Ask the pipeline to stop; a run_count that is not its current run stops nothing."""
    pipeline = job.find_pipeline()
    run = job.requested_run(pipeline)
    job.use_run(run)
    if not pipeline.state.active:
        finished = _already_finished(job, run, pipeline)
        if finished is not None:
            return finished
    with job.change(f"run {run.count} was being stopped"):
        until = job.deadline.no_later_than(LONGEST_STOP)
        stopped = stop_run(
            job.client, run, job.state, job.clock, until, is_active=job.inputs.run_count is None
        )
    if stopped.failure is not None:
        raise stopped.failure
    status = status_output(stopped.status.state) if stopped.status else "running"
    return job.done(job.scrubber.inline(stopped.sentence), status)


def _already_finished(job: Job, run: Run, pipeline: Pipeline) -> CommandResult | None:
    """Report that there is nothing to stop, if so: a call could only hit a run that starts now."""
    try:
        status = job.retry(lambda until: job.client.status(run, until))
    except Rejected:
        if run.count > pipeline.run_count:
            # Neither the pipeline nor the status call has this run.
            raise
        return None
    if not status.state.final:
        return None
    job.state.status, job.state.responses["status"] = status, status.response
    word = word_of(status.state)
    message = f"Nothing to stop: run {run.count} already finished ({word})."
    return job.done(message, status_output(status.state))


def reset(job: Job) -> CommandResult:
    """Reset the pipeline to its first step."""
    pipeline = job.find_pipeline()
    with job.change("the pipeline was being reset"):
        ack = job.retry(lambda until: job.client.reset(pipeline.id, until))
    job.state.responses["reset"] = ack.response
    message = job.scrubber.inline(ack.message) or "The pipeline was reset."
    return CommandResult(job.known("success", ExitCode.SUCCESS).but(message=message))
