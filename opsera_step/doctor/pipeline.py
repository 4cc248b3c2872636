"""The pipeline, and what a run would do in its current state."""

from __future__ import annotations

from opsera_step.api import Pipeline, State, object_at
from opsera_step.doctor.access import may_start
from opsera_step.doctor.check import Check, fail, fail_with, ok, skip, warn
from opsera_step.doctor.examination import Examination
from opsera_step.errors import ExitCode, Forbidden

_UNTESTED = "(starting a run is not tested)"


def check_pipeline(exam: Examination) -> Check:
    """Show which pipeline it is, and its state."""
    pipeline, error = exam.found
    if isinstance(error, Forbidden):
        return skip("pipeline", "Skipped (no access; see access).", blocks=True)
    if error is not None:
        return fail_with("pipeline", error)
    if pipeline is None:
        hint = "Set OPSERA_PIPELINE or the pipeline input, or pass it as an argument."
        return skip("pipeline", "Skipped (no pipeline is set).", hint, blocks=True)
    if not exam.inputs.allows_pipeline(pipeline.id, pipeline.name):
        return fail(
            "pipeline",
            f"The pipeline “{pipeline.name}” ({pipeline.id}) is not allowed on this machine.",
            "Add it to allowed_pipelines in the system's config file.",
            code=ExitCode.INVALID_INPUT,
        )
    message = f"“{pipeline.name}” ({pipeline.id}): {_steps(pipeline)}{_state(pipeline)}."
    if is_inactive(pipeline):
        hint = "Check in Opsera whether this is the right pipeline, and activate it."
        return warn("pipeline", message, hint)
    return ok("pipeline", message)


def _steps(pipeline: Pipeline) -> str:
    """Count the steps; empty if the object does not list them."""
    if not isinstance(object_at(pipeline.data, "workflow").get("plan"), list):
        return ""
    count, inactive = len(pipeline.plan), sum(not step.active for step in pipeline.plan)
    more = f" ({inactive} inactive)" if inactive else ""
    return f"{count} step{'s' * (count != 1)}{more}, "


def _state(pipeline: Pipeline) -> str:
    number, last = pipeline.run_count, pipeline.last_run_count
    inactive = ", inactive" if pipeline.data.get("active") is False else ""
    if not pipeline.has_run_count:
        return f"number of runs unknown{inactive}"
    if not number:
        return f"never run{inactive}"
    if pipeline.state is State.RUNNING:
        return f"run {number} is in progress{inactive}"
    if pipeline.state is State.PAUSED:
        return f"run {number} is paused{inactive}"
    status = pipeline.last_run_status if last == number else ""
    return f"latest run {number} ({status or pipeline.state.value}){inactive}"


def is_inactive(pipeline: Pipeline) -> bool:
    """Whether the pipeline or all of its steps are inactive, as far as the object shows."""
    lists_steps = bool(_steps(pipeline))
    has_none = lists_steps and not any(step.active for step in pipeline.plan)
    return pipeline.data.get("active") is False or has_none


def check_run(exam: Examination) -> Check:
    """Report what `command: run` would do now; whether Opsera accepts a run is not tested."""
    pipeline, reset = exam.found[0], exam.inputs.reset
    if pipeline is None or not may_start(exam.facts):
        return skip("run", "Skipped (the token's scope doesn't allow starting runs; see changes).")
    if pipeline.state is State.PAUSED and reset == "never":
        return _check_paused(exam, pipeline)
    if pipeline.state is State.RUNNING:
        return _check_busy(exam, pipeline)
    if is_inactive(pipeline):
        hint = "Check in Opsera whether this is the right pipeline, and activate it."
        return warn("run", f"A run would have no active steps {_UNTESTED}.", hint)
    needs_reset = pipeline.state in (State.FAILED, State.STOPPED, State.PAUSED)
    if reset == "always" or (reset == "auto" and needs_reset):
        message = f"A job resets the pipeline before the run (reset: {reset})"
    elif pipeline.state is State.FAILED:
        message = (
            "The last run failed. A new run may resume at the failed step; with reset: auto, it "
            "starts at the first step"
        )
    else:
        message = "No run is in progress"
    return ok("run", f"{message} {_UNTESTED}.")


def _check_busy(exam: Examination, pipeline: Pipeline) -> Check:
    number, on_busy = pipeline.run_count, exam.inputs.on_busy
    if on_busy == "fail":
        return fail(
            "run",
            f"Run {number} is in progress, so a job fails (on_busy: fail).",
            "Wait until the run finishes, or set on_busy to queue or attach.",
            code=ExitCode.API,
        )
    does = "attaches to it" if on_busy == "attach" else "queues a run behind it"
    return ok("run", f"Run {number} is in progress; a job {does} {_UNTESTED}.")


def _check_paused(exam: Examination, pipeline: Pipeline) -> Check:
    step, number, inputs = pipeline.current_step, pipeline.run_count, exam.inputs
    where = f" at “{step.name}”" if step is not None else ""
    message = f"Run {number} is waiting for approval{where}"
    if inputs.on_busy == "attach" and inputs.on_paused == "wait":
        return ok("run", f"{message}; a job attaches to it and waits.")
    if inputs.on_busy == "attach":
        hint = "Set on_paused to wait, and approve the run while the job waits."
        message = f"{message}; a job attaches to it and fails (on_paused: fail)."
        return fail("run", message, hint, code=ExitCode.PAUSED)
    return fail(
        "run",
        f"{message}; according to Opsera's documentation, no other run starts until this is "
        f"resolved.",
        "Approve, reject, or stop it in Opsera, or set reset: auto. To make a job wait for the "
        "approval, set on_busy: attach and on_paused: wait.",
        code=ExitCode.PAUSED,
    )
