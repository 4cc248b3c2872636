"""Whether a run would be started now, as the pipeline stands and the inputs say."""

from __future__ import annotations

from opsera_step.doctor.findings import Check, fault, good, warning
from opsera_step.errors import ExitCode
from opsera_step.inputs import Inputs
from opsera_step.models import Pipeline, State


def pipeline_check(pipeline: Pipeline) -> Check:
    """Tell which pipeline it is and how it stands."""
    if not pipeline.run_count:
        stands = "it has never run"
    else:
        stands = f"it is {_WORDS[pipeline.state]}, its newest run is {pipeline.run_count}"
        if pipeline.last_run_count and pipeline.last_run_word:
            ended = f"run {pipeline.last_run_count} ended “{pipeline.last_run_word}”"
            stands += f"; {ended}"
    steps = len([step for step in pipeline.plan if step.active])
    return good(
        "pipeline", f"“{pipeline.name}” ({pipeline.id}) is there, with {steps} steps; {stands}."
    )


_WORDS = {
    State.RUNNING: "running",
    State.PAUSED: "paused",
    State.SUCCESS: "at rest after a success",
    State.FAILED: "at rest after a failure",
    State.STOPPED: "at rest",
    State.UNKNOWN: "in an unknown state",
}


def run_check(pipeline: Pipeline, inputs: Inputs, *, may_start: bool) -> Check:
    """Say what `command: run` would meet now."""
    if not may_start:
        remedy = "Use a token with the scope pipeline or api."
        return warning("run", "By the token's scope a run would be refused.", remedy)
    number = pipeline.run_count
    will_reset = inputs.reset in ("auto", "always")
    if pipeline.state is State.PAUSED and not will_reset:
        return _paused(pipeline, inputs)
    if pipeline.state is State.RUNNING:
        return _busy(number, inputs)
    if pipeline.state in (State.FAILED, State.PAUSED) and will_reset:
        was = pipeline.state.value
        return good("run", f"A run would start after a reset (it is {was}; reset: {inputs.reset}).")
    if pipeline.state is State.FAILED:
        return good(
            "run",
            "A run would be accepted; it may go on at the step that failed (reset: auto makes it "
            "begin at the first).",
        )
    return good("run", "A run would be accepted, as far as can be seen.")


def _paused(pipeline: Pipeline, inputs: Inputs) -> Check:
    step, number = pipeline.current_step, pipeline.run_count
    where = f" at “{step.name}”" if step is not None else ""
    if inputs.on_busy == "attach":
        says = f"Run {number} is paused{where}: a job would take it up and"
        if inputs.on_paused == "wait":
            return good("run", f"{says} wait for it.")
        remedy = "Set on_paused to wait, and approve or reject the run while the job waits."
        return warning("run", f"{says} fail (on_paused: fail).", remedy)
    return fault(
        "run",
        f"A run would be refused: run {number} is paused{where}.",
        "Approve or reject it at the pipeline's page, stop it, or set reset: auto; on_busy: attach "
        "with on_paused: wait takes it up.",
        code=ExitCode.API,
    )


def _busy(number: int, inputs: Inputs) -> Check:
    if inputs.on_busy == "fail":
        return fault(
            "run",
            f"A job would end at once: run {number} is going (on_busy: fail).",
            "Wait for it, or set on_busy to queue or attach.",
            code=ExitCode.API,
        )
    does = "follow it" if inputs.on_busy == "attach" else "queue a run behind it"
    return good("run", f"Run {number} is going: a job would {does} (on_busy: {inputs.on_busy}).")
