"""The command `cleanup`: stop the run that a killed job left behind.

GitHub runs it as the action's post step, GitLab in `after_script`, Jenkins after a failed step. The
native action has no post step: there it is a step with the inputs `command` and `run_count`.

What a job left for it in the workspace is not trusted: pipeline and address come from the inputs,
on GitHub also from the runner's own state. Only the run number is taken from a file in the
workspace, and the run is stopped only if its log does not show that another user started it.
"""

from __future__ import annotations

from collections.abc import Mapping

from opsera_step.api import Pipeline, Run, whole_number
from opsera_step.config import PREFIXES, Setting, from_environment
from opsera_step.job.job import CommandResult, Job
from opsera_step.platforms import Platform
from opsera_step.runs import LONGEST_STOP, STARTED, started_by_other, stop_run

_NEEDED = frozenset(
    {
        "command", "token", "token_file", "pipeline", "base_url", "portal_url", "ca_bundle",
        "config", "timeout", "on_cancel", "on_timeout", "on_busy", "output_file", "verbose",
    }
)  # fmt: skip
"""The inputs that a cleanup uses; others may be invalid without consequences."""
_NOTHING = "Nothing to clean up."
_UNSEEN = (
    "The job may have requested a run, but no new run has appeared. If one appears, stop it in "
    "Opsera."
)
_APPEARS_WITHIN = 4.0
"""Seconds to wait for a run that the job may have requested just before it was killed."""
BY_INPUT = "the input command"
"""The inputs that select the run in a separate cleanup step."""


def is_requested(options: Mapping[str, Setting]) -> bool:
    """Whether the command is a cleanup."""
    return options.get("command", Setting("", "")).value == "cleanup"


def nothing_to_do(
    platform: Platform, environ: Mapping[str, str], options: Mapping[str, Setting]
) -> str:
    """Return a message if the job left nothing behind, before reading any input; else ""."""
    if _named_run(environ, options):
        return ""
    state = platform.saved_state(_output_file(platform, environ, options))
    if state.get("done") or not (state.get("run_count") or state.get("before")):
        return _NOTHING
    return ""


def needed_inputs(
    platform: Platform, environ: Mapping[str, str], options: Mapping[str, Setting]
) -> tuple[dict[str, str], dict[str, Setting]]:
    """Return the environment and the options without the inputs that a cleanup does not use.

    Where the platform itself kept the state of the main step, pipeline and address come from there.
    """
    unused = {
        prefix + name.upper()
        for prefix in PREFIXES
        for name in from_environment(environ)
        if name not in _NEEDED and (name != "run_count" or not _named_run(environ, options))
    }
    kept = {name: value for name, value in environ.items() if name not in unused}
    if not platform.keeps_state:
        return kept, dict(options)
    state = platform.saved_state("")
    own = {
        name: Setting(state[name], "the main step")
        for name in ("pipeline", "base_url")
        if state.get(name)
    }
    return kept, {**options, **own}


def cleanup(job: Job) -> CommandResult:
    """Stop the run that a killed job left behind; do nothing after a job that ended by itself."""
    state = job.platform.saved_state(job.inputs.output_file)
    is_wanted = _is_to_be_stopped(job, state)
    left = _left_run(job, state) if is_wanted else None
    if left is None:
        is_unseen = is_wanted and job.inputs.run_count is None and not state.get("run_count")
        return job.done(_UNSEEN if is_unseen else _NOTHING)._replace(writes_outputs=False)
    job.state.run = left
    with job.change(f"run {left.count} was being stopped"):
        until = job.deadline.no_later_than(LONGEST_STOP)
        stopped = stop_run(job.client, left, job.state, job.clock, until, is_active=False)
    if stopped.failure is not None:
        raise stopped.failure
    return job.done(job.scrubber.inline(stopped.sentence), "cancelled")


def _named_run(environ: Mapping[str, str], options: Mapping[str, Setting]) -> bool:
    """Whether the inputs name the run: in a post step, they would be those of the main step."""
    return options["command"].source == BY_INPUT and "run_count" in from_environment(environ)


def _output_file(
    platform: Platform, environ: Mapping[str, str], options: Mapping[str, Setting]
) -> str:
    named = {**from_environment(environ), **options}.get("output_file")
    return named.value if named is not None else platform.input_defaults.get("output_file", "")


def _is_to_be_stopped(job: Job, state: Mapping[str, str]) -> bool:
    """Whether the inputs want a run of this origin to be stopped."""
    wanted = job.inputs.on_timeout if state.get("status") == "timeout" else job.inputs.on_cancel
    if wanted != "auto":
        return wanted == "stop"
    origin = state.get("origin") or STARTED
    # Neither a file in the workspace nor a run number shows that the job did not attach to the run.
    has_state = job.platform.keeps_state and job.inputs.run_count is None
    is_sure = has_state or job.inputs.on_busy != "attach"
    return origin == STARTED and is_sure


def _left_run(job: Job, state: Mapping[str, str]) -> Run | None:
    """Return the run that the killed job left; None if it has none."""
    pipeline = job.find_pipeline()
    count, before = (whole_number(state.get(name)) for name in ("run_count", "before"))
    if job.inputs.run_count is not None:
        run = Run(pipeline.id, job.inputs.run_count)
    elif count is not None:
        run = Run(pipeline.id, count)
    elif before is not None and _latest_run(job, pipeline, before) == before + 1:
        # Killed while the request was in flight: only the very next run can be ours.
        run = Run(pipeline.id, before + 1)
    else:
        return None
    foreign = started_by_other(job.client, run, job.inputs.token, job.clock, job.deadline)
    return None if foreign else run


def _latest_run(job: Job, pipeline: Pipeline, before: int) -> int:
    """Return the number of the latest run, as soon as there is one after `before`."""
    until = job.deadline.no_later_than(_APPEARS_WITHIN)
    while pipeline.run_count <= before and not until.expired:
        job.clock.sleep(min(1.0, until.remaining))
        pipeline = job.find_pipeline()
    return pipeline.run_count
