"""Whether a run would be started now, as the pipeline stands and the inputs say."""

from __future__ import annotations

from opsera_step.api import Pipeline, State, object_at
from opsera_step.config import Inputs
from opsera_step.doctor.check import Check, fault, good, warning
from opsera_step.errors import ExitCode


def pipeline_check(pipeline: Pipeline, *, is_named: bool) -> Check:
    """Tell which pipeline it is and how it stands; its ID where it was given by its name."""
    told = f"“{pipeline.name}”{f' ({pipeline.id})' * is_named} is there"
    steps = _steps(pipeline)
    says = f"{told}{f', with {steps}' * bool(steps)}; {_stands(pipeline)}."
    if _is_off(pipeline):
        says += " It is switched off (active: false)."
    if is_dead(pipeline):
        return warning("pipeline", says, "Look at its page in Opsera: is it the right one?")
    return good("pipeline", says)


def _steps(pipeline: Pipeline) -> str:
    """Count its steps; nothing where it does not tell them."""
    if not isinstance(object_at(pipeline.data, "workflow").get("plan"), list):
        return ""
    steps, off = len(pipeline.plan), len([step for step in pipeline.plan if not step.active])
    counted = f"{steps or 'no'} step{'s' * (steps != 1)}"
    if not off:
        return counted
    return (
        f"{counted}, {off} of them inactive" if off < steps else f"{counted}, none of them active"
    )


def _stands(pipeline: Pipeline) -> str:
    number, last = pipeline.run_count, pipeline.last_run_count
    if not pipeline.has_run_count:
        return "it does not say how many runs it had"
    if not number:
        return "it has never run"
    ended = f"ended “{pipeline.last_run_status}”" if last and pipeline.last_run_status else ""
    says_end = ended and last == number
    newest = f"its newest run {number} {ended}" if says_end else f"its newest run is {number}"
    more = f"; run {last} {ended}" if ended and last != number else ""
    return f"{_WORDS[pipeline.state]}, {newest}{more}"


def is_dead(pipeline: Pipeline) -> bool:
    """Whether a run would have nothing to do, as far as the pipeline tells it."""
    tells_steps = bool(_steps(pipeline))
    return _is_off(pipeline) or (tells_steps and not any(step.active for step in pipeline.plan))


def _is_off(pipeline: Pipeline) -> bool:
    return pipeline.data.get("active") is False


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
    will_reset = inputs.reset in ("auto", "always")
    if pipeline.state is State.PAUSED and not will_reset:
        return _paused(pipeline, inputs)
    if pipeline.state is State.RUNNING:
        return _busy(pipeline.run_count, inputs)
    if is_dead(pipeline):
        remedy = "Look at the pipeline's page in Opsera, and at its ID in the inputs."
        return warning("run", "A run would have nothing to do, or be refused.", remedy)
    return good("run", _at_rest(pipeline.state, inputs.reset if will_reset else ""))


def _at_rest(state: State, reset: str) -> str:
    if reset and state in (State.FAILED, State.PAUSED):
        return f"A run would start after a reset (it is {state.value}; reset: {reset})."
    if state is State.FAILED:
        return (
            "A run would be accepted; it may go on at the step that failed (reset: auto makes it "
            "begin at the first)."
        )
    return "A run would be accepted, as far as can be seen."


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
