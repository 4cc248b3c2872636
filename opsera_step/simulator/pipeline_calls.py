"""The calls on pipelines: what each checks, does and answers."""

from __future__ import annotations

from dataclasses import replace

from opsera_step.simulator.calling import (
    LIST_LIMIT,
    Ask,
    Call,
    Done,
    Refusal,
    acted,
    encoded,
    identifier,
    listed,
    not_found,
    require_access,
    shown,
    whole_number,
)
from opsera_step.simulator.pipelines import Pipeline
from opsera_step.simulator.records import CONSOLE
from opsera_step.simulator.world import World

_SENTENCES = {
    "success": "Pipeline: {name}'s Run {run} was successful.",
    "failed": "Pipeline: {name}'s Run {run} has failed.",
    "rejected": "Pipeline: {name}'s Run {run} was rejected.",
    "stopped": "Pipeline: {name}'s Run {run} was stopped.",
    "paused": "Pipeline: {name}'s Run {run} is paused.",
    "queued": "Pipeline: {name}'s Run {run} is queued.",
}
_GOING = "Pipeline: {name}'s Run {run} is currently running."

_READING = ("api", "api-readonly", "pipeline", "pipeline-readonly")
_CHANGING = ("api", "pipeline")


def _run(ask: Ask) -> Done:
    pipeline, world, switches = _pipeline(ask), ask.world, ask.world.switches
    if pipeline.paused:
        return _refused(
            world,
            f"Pipeline {pipeline.spec.id} is currently in a paused state.  "
            "Will not start another job until this pending status is resolved.",
        )
    busy = pipeline.busy
    if busy and switches.busy_answer == "refused":
        return _refused(world, f"Pipeline {pipeline.spec.id} is already running.")
    status, _, bare = (switches.busy_answer if busy else "executed").partition("_")
    told = not bare and (busy or switches.run_answer == "counted")
    run = world.run(pipeline_id=pipeline.spec.id, user=ask.member.name)
    message = f"Run pipeline request submitted successfully for ({pipeline.spec.id})"
    answer: dict[str, object] = {"status": status, "message": message}
    if told:
        answer["runCount"] = run.count if switches.run_count_as == "number" else str(run.count)
    return replace(acted(world, answer), run_count=run.count)


def _refused(world: World, message: str) -> Done:
    data = {"status": "failed", "message": message}
    return acted(world, data, world.switches.refusal_status)


def _status(ask: Ask) -> Done:
    world, count, pipeline = ask.world, _run_count(ask), _pipeline(ask)
    if count is None:
        if world.switches.status_without_run_count == "400":
            raise Refusal(400, "runCount is required.")
        count = _newest_known(world, pipeline)
    run = pipeline.runs.get(count)
    if not _is_known(world, pipeline, count):
        return _unknown_status(world, pipeline, count)
    moment = world.now - world.switches.status_lag
    state = "success" if run is None else run.state_at(moment)
    sentence = pipeline.spec.messages.get(state) or _SENTENCES.get(state, _GOING)
    message = sentence.replace("{name}", pipeline.spec.name).replace("{run}", str(count))
    return acted(world, {"status": world.switches.spell(state), "message": message})


def _unknown_status(world: World, pipeline: Pipeline, count: int) -> Done:
    message = f"Pipeline: {pipeline.spec.name}'s Run {count} was not found."
    if world.switches.unseen_status.isdigit():
        raise Refusal(int(world.switches.unseen_status), message)
    return acted(world, {"status": world.switches.unseen_status, "message": message})


def _logs(ask: Ask) -> Done:
    world, count, pipeline = ask.world, _run_count(ask), _pipeline(ask)
    switches = world.switches
    if count is None:
        count = _newest_known(world, pipeline)
    elif not _is_known(world, pipeline, count) and switches.unseen_logs != "empty":
        raise Refusal(int(switches.unseen_logs), f"No logs were found for run {count}.")
    run = pipeline.runs.get(count) if _is_known(world, pipeline, count) else None
    if run is None:
        return listed(world, [])
    console, escaped = ask.body.get("type") == CONSOLE, switches.json_text == "escaped"
    return listed(
        world, run.log.newest(console=console, ties=switches.ties, rng=world.ties, escaped=escaped)
    )


def _stop(ask: Ask) -> Done:
    pipeline, world = _pipeline(ask), ask.world
    stopped = world.stop(pipeline_id=pipeline.spec.id, user=ask.member.name)
    if not stopped and world.switches.stop_idle != "success":
        message = "The pipeline is not running."
        if world.switches.stop_idle == "400":
            raise Refusal(400, message)
        return acted(world, {"status": "failed", "message": message})
    return acted(world, {"status": "success", "message": "The pipeline has been stopped."})


def _reset(ask: Ask) -> Done:
    ask.world.reset(pipeline_id=_pipeline(ask).spec.id, user=ask.member.name)
    message = "The pipeline run status has been reset."
    return acted(ask.world, {"status": "success", "message": message})


def _summary(ask: Ask) -> Done:
    return shown(ask.world, _pipeline(ask).describe())


def _pipelines(ask: Ask) -> Done:
    world = ask.world
    ours = [one for one in world.pipelines.values() if world.accounts.may_use(ask.member, one.spec)]
    return listed(world, encoded(world, [one.describe() for one in ours[:LIST_LIMIT]]))


ROUTES: dict[tuple[str, str], Call] = {
    ("POST", "/api/v1/pipeline/run"): Call("run", _CHANGING, _run),
    ("POST", "/api/v1/pipeline/status"): Call("status", _READING, _status),
    ("POST", "/api/v1/pipeline/reset"): Call("reset", _CHANGING, _reset),
    ("POST", "/api/v1/pipeline/stop"): Call("stop", _CHANGING, _stop),
    ("POST", "/api/v1/pipeline/summary"): Call("summary", _READING, _summary),
    ("POST", "/api/v1/pipeline/logs"): Call("logs", _READING, _logs),
    ("GET", "/api/v1/pipeline/pipelines"): Call(
        "pipelines", _READING, _pipelines, for_power_users=True
    ),
}
"""The calls on pipelines by method and path."""


def _pipeline(ask: Ask) -> Pipeline:
    pipeline_id = identifier(ask.body.get("pipelineId"), "pipelineId")
    pipeline = ask.world.pipelines.get(pipeline_id)
    if pipeline is None:
        raise not_found(ask.world, f"Pipeline {pipeline_id}")
    require_access(ask, pipeline.spec)
    return pipeline


def _run_count(ask: Ask) -> int | None:
    return whole_number(ask.body.get("runCount"), "runCount")


def _is_known(world: World, pipeline: Pipeline, count: int) -> bool:
    run = pipeline.runs.get(count)
    if run is None:
        return pipeline.known_count(count)
    seen = world.now >= run.accepted + world.switches.unseen_seconds
    return seen and (run.state != "queued" or world.switches.queued_known)


def _newest_known(world: World, pipeline: Pipeline) -> int:
    begun = [count for count, run in pipeline.runs.items() if run.started is not None]
    known = [count for count in begun if _is_known(world, pipeline, count)]
    return max(known, default=pipeline.spec.run_count)
