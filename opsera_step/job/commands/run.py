"""What a job can do, a function a command: each works on a Context and leaves its outcome there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opsera_step.api import Pipeline, Run, State, expiry_warning, read_token
from opsera_step.clock import Deadline, format_duration
from opsera_step.display import says_only_running
from opsera_step.errors import ApiError, ExitCode, Rejected
from opsera_step.job.commands.cleanup import cleanup
from opsera_step.job.context import Context, word_of
from opsera_step.outcome import EXIT_CODE_OF_STATE
from opsera_step.runs import (
    LATE_STOP,
    LONGEST_STOP,
    STARTED,
    EndReason,
    FollowPolicy,
    RunState,
    StartPolicy,
    events,
    follow,
    start_run,
    stop_run,
)


def run(job: Context) -> None:
    """Start the pipeline and, if wanted, follow the run to its end."""
    # What an earlier job left in the output file must not be taken for this one's.
    job.write_outputs({})
    pipeline = job.find_pipeline()
    _introduce(job, pipeline)
    job.platform.save_state({"pipeline": pipeline.id, "before": str(pipeline.run_count)})
    start = start_run(
        job.client,
        pipeline,
        StartPolicy(job.inputs.on_busy, job.inputs.reset),
        token=job.inputs.token,
        clock=job.clock,
        deadline=job.deadline,
        jitter=job.jitter,
        state=job.state,
    )
    job.show_all(start)
    run = job.state.run
    if not job.inputs.wait and run is not None:
        message = f"Run {run.count} was started; the job does not wait for it."
        job.learn(status="running", exit_code=ExitCode.SUCCESS, message=message)
        return
    _follow(job)


def watch(job: Context) -> None:
    """Follow a run that is there already, from its first line to its end."""
    pipeline = job.find_pipeline()
    _introduce(job, pipeline)
    run = job.asked_run(pipeline)
    job.know_run(run)
    job.log.show(events.RunKnown(run, started=False))
    job.state = RunState.watching(run, pipeline)
    _follow(job)


def status(job: Context) -> None:
    """Tell how a run stands; that is an answer, so the exit code is 0 whatever it is."""
    asked = job.asked_run(job.find_pipeline())
    job.know_run(asked)
    answer = job.call_with_retry(lambda until: job.client.status(asked, until))
    job.learn(status=word_of(answer), exit_code=ExitCode.SUCCESS)
    job.learn_status(answer)
    job.learn_details()
    if answer.state in (State.RUNNING, State.UNKNOWN):
        word, said = job.scrubber.inline(answer.value, 80), job.outcome.message
        more = "" if says_only_running(said) else f" {said}"
        job.learn(message=f"Run {asked.count} of “{job.outcome.pipeline_name}” is {word}.{more}")


def stop(job: Context) -> None:
    """Ask the pipeline to stop; a run_count that is not its current run stops nothing."""
    pipeline = job.find_pipeline()
    asked = job.asked_run(pipeline)
    job.know_run(asked)
    if not pipeline.state.active and _rests(job, asked, pipeline):
        return
    until = job.deadline.no_later_than(LONGEST_STOP)
    job.state = RunState.watching(asked, pipeline)
    is_active = True if job.inputs.run_count is None else None
    job.changing = f"run {asked.count} was being stopped"
    stopped = stop_run(job.client, job.state, job.clock, until, is_active=is_active)
    job.changing = ""
    if stopped.failure is not None:
        raise stopped.failure
    word = word_of(stopped.status) if stopped.status else "running"
    job.learn(
        status=word, exit_code=ExitCode.SUCCESS, message=job.scrubber.inline(stopped.sentence)
    )


def _rests(job: Context, asked: Run, pipeline: Pipeline) -> bool:
    """Tell that there is nothing to stop, if so: a call could only hit what begins just now."""
    try:
        answer = job.call_with_retry(lambda until: job.client.status(asked, until))
    except Rejected:
        if asked.count > pipeline.run_count:
            # Neither the pipeline nor the status call knows such a run.
            raise
        return False
    if not answer.state.final:
        return False
    job.state.responses["status"] = answer.response
    ended = f"run {asked.count} has ended already ({job.scrubber.inline(answer.value, 80)})"
    sentence = f"There was nothing to stop: no run is going, {ended}."
    if answer.state is State.SUCCESS:
        # Of a run that went well the verdict repeats no message.
        job.log.say(sentence)
    job.learn(status=word_of(answer), exit_code=ExitCode.SUCCESS, message=sentence)
    return True


def reset(job: Context) -> None:
    """Put the pipeline back to its first step."""
    pipeline = job.find_pipeline()
    job.changing = "the pipeline was being reset"
    consent = job.call_with_retry(lambda until: job.client.reset(pipeline.id, until))
    job.changing = ""
    job.state.responses["reset"] = consent.response
    said = job.scrubber.inline(consent.message) or "The pipeline was reset."
    job.learn(status="success", exit_code=ExitCode.SUCCESS, message=said)


def logs(job: Context) -> None:
    """Print the log of a run as it is now."""
    from opsera_step.job.commands.logs import (  # noqa: PLC0415 - no other command has use for it
        LogQuery,
    )

    LogQuery().show(job)


COMMANDS: Mapping[str, Callable[[Context], None]] = {
    "run": run,
    "watch": watch,
    "status": status,
    "logs": logs,
    "stop": stop,
    "reset": reset,
    "cleanup": cleanup,
}


def _introduce(job: Context, pipeline: Pipeline) -> None:
    name = job.outcome.pipeline_name
    job.log.say(f"Pipeline “{name}” ({pipeline.id}) at {job.inputs.base_url}")
    job.log.say(f"Its page: {job.outcome.url}")
    job.log.know_plan(pipeline.plan)
    if job.inputs.wait:
        token, now = read_token(job.inputs.token), job.clock.time()
        warning = expiry_warning(token, now, job.inputs.timeout)
        if warning:
            job.log.annotate("warning", "Opsera access token", warning)


def _follow(job: Context) -> None:
    inputs = job.inputs
    policy = FollowPolicy(
        wait_when_paused=inputs.on_paused == "wait",
        # The report has the full log, also where none of it is to be printed.
        logs="console" if inputs.logs == "none" and inputs.report_dir else inputs.logs,
        poll_interval=inputs.poll_interval,
        tick=job.platform.tick,
        watched_by_person=job.platform.tick is not None,
    )
    ended: events.Ended | None = None
    for event in follow(job.client, job.state, policy, job.clock, job.deadline, job.jitter):
        job.log.show(event)
        if isinstance(event, events.StateChanged) and event.before is None:
            job.was_over = event.status.state.final and job.state.origin != STARTED
        if isinstance(event, events.PausedAt):
            _learn_pause(job, event)
        if isinstance(event, events.Ended):
            ended = event
    if ended is not None and job.state.run is not None:
        _conclude(job, job.state.run, ended)


_UNKNOWN_WORD = (
    "Nothing but a known word of success counts as success. A newer opsera-step may know this one: "
    "update it, or report the word."
)


def _learn_pause(job: Context, event: events.PausedAt) -> None:
    if event.step is not None:
        job.learn(waits_for=job.scrubber.inline(event.step.name, 200))
    if job.inputs.on_paused == "wait":
        job.log.say(f"Approve or reject it at {job.outcome.url}")


def _conclude(job: Context, run: Run, ended: events.Ended) -> None:
    job.learn(log_complete=ended.log_complete)
    job.learn_status(ended.status)
    if ended.reason is EndReason.TIMEOUT:
        _timed_out(job, run, ended)
        if ended.detail or (job.stopped is not None and job.stopped.failure is not None):
            # The job is late already, and the API would only make it later.
            return
    elif ended.reason is EndReason.LOST or ended.status is None:
        raise ApiError(
            f"It can't be told how run {run.count} ended: {ended.detail}.",
            _UNKNOWN_WORD if ended.status and ended.status.state is State.UNKNOWN else "",
        )
    else:
        state = ended.status.state
        job.learn(status=state.value, exit_code=EXIT_CODE_OF_STATE[state])
        if state is State.PAUSED:
            job.learn(
                hint=f"Approve or reject it at {job.outcome.url} – to have a job wait for that, "
                "run it again with on_busy: attach and on_paused: wait before you do.",
            )
        else:
            job.learn(waits_for="")
    if ended.reason is EndReason.TIMEOUT:
        job.learn_details()
    else:
        job.take_details(ended.details)
    if job.outcome.is_decided:
        job.learn(
            hint=f"How it goes on is told at {job.outcome.url} – to have a job wait at a gate, set "
            "on_paused: wait."
        )


def _timed_out(job: Context, run: Run, ended: events.Ended) -> None:
    limit = format_duration(job.inputs.timeout or 0)
    parts = [f"Run {run.count} had not ended after {limit}, the timeout."]
    if ended.status is not None and ended.status.state is State.PAUSED:
        gate = f" at “{job.outcome.waits_for}”" if job.outcome.waits_for else ""
        parts.append(f"It was paused{gate} and waited for somebody.")
    if ended.detail:
        parts.append(f"The API has trouble: {job.scrubber.inline(ended.detail)}")
    if job.inputs.on_timeout == "stop":
        until = Deadline.after(job.clock, LATE_STOP)
        if job.stop_call.claim():
            stop_run(job.client, job.state, job.clock, until)
        if job.stopped is not None:
            parts.append(job.stopped.sentence)
    else:
        parts.append("It was left as it is (on_timeout: leave).")
    job.learn(
        status="timeout",
        exit_code=ExitCode.TIMEOUT,
        message=job.scrubber.inline(" ".join(parts), 1000),
        hint="Give it longer with the input timeout, or look at what it hangs on.",
    )
