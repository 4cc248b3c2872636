"""The calls of the customer API on pipelines: what each checks, does and answers.

Faults, the journal and HTTP itself are the gate's work.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from opsera_step.simulator.pipelines import Pipeline
from opsera_step.simulator.records import CONSOLE
from opsera_step.simulator.wire import Answer, json_answer, raw_answer
from opsera_step.simulator.world import World

_LIST_LIMIT = 1000

_SENTENCES = {
    "success": "Pipeline: {name}'s Run {run} was successful.",
    "failed": "Pipeline: {name}'s Run {run} has failed.",
    "rejected": "Pipeline: {name}'s Run {run} was rejected.",
    "stopped": "Pipeline: {name}'s Run {run} was stopped.",
    "paused": "Pipeline: {name}'s Run {run} is paused.",
    "queued": "Pipeline: {name}'s Run {run} is queued.",
}
_GOING = "Pipeline: {name}'s Run {run} is currently running."


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault of the program
    """A call that is answered with an HTTP error."""

    def __init__(self, status: int, message: str) -> None:
        """Answer the given HTTP status with a message."""
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Done:
    """The answer of a call, and the run that it made, if any."""

    answer: Answer
    run_count: int | None = None


_Body = Mapping[str, object]


@dataclass(frozen=True)
class Call:
    """A call of the API: its name, and what carries it out."""

    name: str
    perform: Callable[[World, _Body], Done]


def authorize(world: World, authorization: str) -> None:
    """Refuse a token that is missing, unknown or expired."""
    scheme, _, text = authorization.partition(" ")
    known = {token.text: token for token in (world.token, world.expired_token)}
    token = known.get(text.strip()) if scheme.lower() == "bearer" else None
    if token is None or token.expires <= world.wall:
        raise Refusal(world.switches.bad_token_status, "Unauthorized")


def _run(world: World, body: _Body) -> Done:
    pipeline, switches = _pipeline(world, body), world.switches
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
    run = world.start(pipeline, world.user)
    message = f"Run pipeline request submitted successfully for ({pipeline.spec.id})"
    answer: dict[str, object] = {"status": status, "message": message}
    if told:
        answer["runCount"] = run.count if switches.run_count_as == "number" else str(run.count)
    return replace(_acted(world, answer), run_count=run.count)


def _refused(world: World, message: str) -> Done:
    data: dict[str, object] = {"status": "failed", "message": message}
    return _object(world, world.switches.action_answers, data, world.switches.refusal_status)


def _status(world: World, body: _Body) -> Done:
    pipeline, count = _pipeline(world, body), _run_count(body)
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
    return _acted(world, {"status": world.switches.spell(state), "message": message})


def _unknown_status(world: World, pipeline: Pipeline, count: int) -> Done:
    message = f"Pipeline: {pipeline.spec.name}'s Run {count} was not found."
    if world.switches.unseen_status.isdigit():
        raise Refusal(int(world.switches.unseen_status), message)
    return _acted(world, {"status": world.switches.unseen_status, "message": message})


def _logs(world: World, body: _Body) -> Done:
    pipeline, count = _pipeline(world, body), _run_count(body)
    switches = world.switches
    if count is None:
        count = _newest_known(world, pipeline)
    elif not _is_known(world, pipeline, count) and switches.unseen_logs != "empty":
        raise Refusal(int(switches.unseen_logs), f"No logs were found for run {count}.")
    run = pipeline.runs.get(count) if _is_known(world, pipeline, count) else None
    if run is None:
        return _listed(world, [])
    console, escaped = body.get("type") == CONSOLE, switches.json_text == "escaped"
    return _listed(
        world, run.log.newest(console=console, ties=switches.ties, rng=world.rng, escaped=escaped)
    )


def _stop(world: World, body: _Body) -> Done:
    pipeline = _pipeline(world, body)
    if not pipeline.stop(world.user) and world.switches.stop_idle != "success":
        message = "The pipeline is not running."
        if world.switches.stop_idle == "400":
            raise Refusal(400, message)
        return _acted(world, {"status": "failed", "message": message})
    return _acted(world, {"status": "success", "message": "The pipeline has been stopped."})


def _reset(world: World, body: _Body) -> Done:
    _pipeline(world, body).reset()
    message = "The pipeline run status has been reset."
    return _acted(world, {"status": "success", "message": message})


def _summary(world: World, body: _Body) -> Done:
    described = _pipeline(world, body).describe()
    return _object(world, world.switches.object_answers, described)


def _pipelines(world: World, _: _Body) -> Done:
    if not world.scenario.power_user:
        raise Refusal(world.switches.no_access_status, "Forbidden")
    open_to_us = [one for one in world.pipelines.values() if one.spec.access]
    escaped = world.switches.json_text == "escaped"
    described = [one.describe() for one in open_to_us[:_LIST_LIMIT]]
    return _listed(world, [json.dumps(one, ensure_ascii=escaped) for one in described])


ROUTES: dict[tuple[str, str], Call] = {
    ("POST", "/api/v1/pipeline/run"): Call("run", _run),
    ("POST", "/api/v1/pipeline/status"): Call("status", _status),
    ("POST", "/api/v1/pipeline/reset"): Call("reset", _reset),
    ("POST", "/api/v1/pipeline/stop"): Call("stop", _stop),
    ("POST", "/api/v1/pipeline/summary"): Call("summary", _summary),
    ("POST", "/api/v1/pipeline/logs"): Call("logs", _logs),
    ("GET", "/api/v1/pipeline/pipelines"): Call("pipelines", _pipelines),
}
"""Every call by method and path."""


def _pipeline(world: World, body: _Body) -> Pipeline:
    pipeline_id = body.get("pipelineId")
    if not isinstance(pipeline_id, str) or not pipeline_id:
        raise Refusal(400, "pipelineId is required.")
    pipeline = world.pipelines.get(pipeline_id)
    if pipeline is None:
        message = f"Pipeline {pipeline_id} was not found."
        raise Refusal(world.switches.unknown_pipeline_status, message)
    if not pipeline.spec.access:
        raise Refusal(world.switches.no_access_status, "Forbidden")
    return pipeline


def _run_count(body: _Body) -> int | None:
    count = body.get("runCount")
    if count is None:
        return None
    if isinstance(count, bool) or not isinstance(count, int):
        raise Refusal(400, "runCount must be an integer.")
    return count


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


def _wrapped(form: str, data: dict[str, object]) -> dict[str, object]:
    return data if form == "bare" else {"data": data}


def _acted(world: World, data: dict[str, object]) -> Done:
    return _object(world, world.switches.action_answers, data)


def _object(world: World, form: str, data: dict[str, object], status: int = 200) -> Done:
    escaped = world.switches.json_text == "escaped"
    return Done(json_answer(_wrapped(form, data), status, escaped=escaped))


def _listed(world: World, texts: list[str]) -> Done:
    array = f"[{','.join(texts)}]"
    form = world.switches.list_answers
    count = f'"count": {len(texts)}, ' if form == "counted" else ""
    return Done(raw_answer(array if form == "bare" else f'{{{count}"data": {array}}}'))
