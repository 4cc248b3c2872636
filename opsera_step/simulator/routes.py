"""The calls of the API: their paths and scopes, and what each checks, does, and returns.

Authentication, scopes, faults, and HTTP itself are the business of `server`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import Any, TypeVar

from opsera_step.simulator.identifiers import is_object_id
from opsera_step.simulator.responses import (
    HttpRequest,
    Response,
    json_response,
    raw_response,
    text_response,
)
from opsera_step.simulator.scenario.flags import Flags
from opsera_step.simulator.scenario.spec import Member, RunSettings, User
from opsera_step.simulator.world.audit import AuditLog, span_of
from opsera_step.simulator.world.log_store import CONSOLE
from opsera_step.simulator.world.pipeline import Pipeline
from opsera_step.simulator.world.task import Task
from opsera_step.simulator.world.tool import Tool, invalid_change
from opsera_step.simulator.world.world import World

LIST_LIMIT = 1000
"""The most items in one response."""

T = TypeVar("T", Pipeline, Tool, Task)
V = TypeVar("V")
_Data = dict[str, object]


class Refusal(Exception):
    """A call that returns an HTTP error."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Call:
    """One call of an authorized user."""

    world: World
    member: Member
    body: Mapping[str, object]
    http: HttpRequest

    @property
    def user(self) -> User:
        """The user who calls."""
        return User.from_text(self.member.name)

    @property
    def flags(self) -> Flags:
        """How the API behaves."""
        return self.world.flags

    def value(self, name: str) -> object:
        """Return a parameter that can be in the query or in the body."""
        return self.http.query.get(name, self.body.get(name))


@dataclass(frozen=True)
class Result:
    """What a call returns, and the number of the run that it started or stopped."""

    response: Response
    run_count: int | None = None


@dataclass(frozen=True)
class Endpoint:
    """One call of the API.

    `scopes` are those that the API's page states, `wide_scopes` those that may work as well.
    """

    name: str
    method: str
    path: str
    scopes: tuple[str, ...]
    wide_scopes: tuple[str, ...]
    handler: Callable[[Call], Result]
    needs_power_user: bool = False

    def scopes_with(self, flags: Flags) -> tuple[str, ...]:
        """Return the scopes that the call accepts."""
        return self.scopes if flags.scopes == "page" else (*self.scopes, *self.wide_scopes)


def endpoint_of(method: str, path: str) -> Endpoint | None:
    """Return the call with a method and a path."""
    return _BY_ROUTE.get((method, path))


def methods_of(path: str) -> list[str]:
    """Return the methods of a path."""
    return [endpoint.method for endpoint in ENDPOINTS if endpoint.path == path]


# Pipelines


def _run(call: Call) -> Result:
    data, number = _start_run(call, _pipeline(call))
    status = call.flags.refused_run_status if number is None else 200
    return replace(_action(call, data, status), run_count=number)


def _start_run(call: Call, pipeline: Pipeline) -> tuple[_Data, int | None]:
    """Start or queue a run; return the data of the response, and the number of the run."""
    settings, flags = _settings(call, pipeline), call.flags
    refused = settings if isinstance(settings, str) else _refusal_of_run(call, pipeline)
    if refused or isinstance(settings, str):
        return {"status": "failed", "message": refused}, None
    busy = pipeline.busy
    word, _, without_count = (flags.busy_response if busy else "executed").partition("_")
    counted = not without_count and (busy or flags.run_response == "with_count")
    run = call.world.run(pipeline, call.user, settings)
    message = f"Run pipeline request submitted successfully for ({pipeline.spec.id})"
    data: _Data = {"status": word, "message": message}
    if counted:
        data["runCount"] = run.number if flags.run_count_type == "number" else str(run.number)
    return data, run.number


def _refusal_of_run(call: Call, pipeline: Pipeline) -> str:
    """Return why a run is refused, or nothing. Raises `Refusal` for an HTTP error."""
    flags, pipeline_id = call.flags, pipeline.spec.id
    if pipeline.locked_by:
        wordings = {
            "locked": f"Pipeline {pipeline_id} is locked.",
            "locked_by": (
                f"Pipeline {pipeline_id} has been locked by {pipeline.locked_by}. "
                "It cannot be triggered until it is unlocked."
            ),
            "permission": "You do not have permission to run a pipeline in a locked state.",
            "generic": "The pipeline run request could not be completed.",
        }
        message = wordings[flags.locked_message]
        if flags.locked_response.isdigit():
            raise Refusal(int(flags.locked_response), message)
        return message
    if pipeline.paused:
        return (
            f"Pipeline {pipeline_id} is currently in a paused state.  "
            "Will not start another job until this pending status is resolved."
        )
    if pipeline.busy and flags.busy_response == "refused":
        return f"Pipeline {pipeline_id} is already running."
    return ""


def _settings(call: Call, pipeline: Pipeline) -> RunSettings | str:
    """Return the runtime settings of a run, or why it is refused because of them."""
    flags, sent = call.flags, call.body.get("settings")
    if sent is None or flags.run_settings == "ignored":
        return RunSettings()
    if flags.run_settings.isdigit():
        raise Refusal(int(flags.run_settings), '"settings" is not allowed')
    if pipeline.spec.dynamic_settings is False and flags.settings_when_off != "honored":
        message = f"Dynamic settings are not enabled for pipeline {pipeline.spec.id}."
        if flags.settings_when_off == "400":
            raise Refusal(400, message)
        return RunSettings() if flags.settings_when_off == "ignored" else message
    try:
        return _parsed_settings(sent)
    except (KeyError, TypeError) as error:
        raise Refusal(400, "settings has the wrong form.") from error


def _parsed_settings(sent: Any) -> RunSettings:
    """Return the settings that were sent. Raises KeyError or TypeError for another form."""
    settings = _typed(sent, dict)
    parameters = {
        _typed(step["name"], str): {
            _typed(one["name"], str): one["value"]
            for one in map(_object_of, _typed(step["stepParameters"], list))
        }
        for step in map(_object_of, _typed(settings.get("steps", []), list))
    }
    return RunSettings(_typed(settings.get("branch", ""), str), parameters)


def _typed(value: Any, kind: type[V]) -> V:
    if not isinstance(value, kind):
        raise TypeError(kind)
    return value


def _object_of(value: Any) -> dict[str, Any]:
    return _typed(value, dict)


_SENTENCES = {
    "success": "Pipeline: {name}'s Run {run} was successful.",
    "failed": "Pipeline: {name}'s Run {run} has failed.",
    "rejected": "Pipeline: {name}'s Run {run} was rejected.",
    "stopped": "Pipeline: {name}'s Run {run} was stopped.",
    "paused": "Pipeline: {name}'s Run {run} is paused.",
    "queued": "Pipeline: {name}'s Run {run} is queued.",
}
_RUNNING = "Pipeline: {name}'s Run {run} is currently running."


def _status(call: Call) -> Result:
    number, pipeline = _integer(call.body.get("runCount"), "runCount"), _pipeline(call)
    if number is None:
        if call.flags.status_without_run_count == "400":
            raise Refusal(400, "runCount is required.")
        number = _latest_known(call, pipeline)
    if not _is_known(call, pipeline, number):
        message = f"Pipeline: {pipeline.spec.name}'s Run {number} was not found."
        if call.flags.unknown_run_status.isdigit():
            raise Refusal(int(call.flags.unknown_run_status), message)
        return _action(call, {"status": call.flags.unknown_run_status, "message": message})
    return _action(call, _status_of(call, pipeline, number))


def _status_of(call: Call, pipeline: Pipeline, number: int) -> _Data:
    run = pipeline.find(number)
    moment = call.world.now - call.flags.status_lag
    state = "success" if run is None else run.shown.at(moment)
    sentence = pipeline.spec.messages.get(state) or _SENTENCES.get(state, _RUNNING)
    message = sentence.replace("{name}", pipeline.spec.name).replace("{run}", str(number))
    return {"status": call.flags.spell(state), "message": message}


def _logs(call: Call) -> Result:
    number, pipeline = _integer(call.body.get("runCount"), "runCount"), _pipeline(call)
    flags = call.flags
    if number is None:
        number = _latest_known(call, pipeline)
    elif not _is_known(call, pipeline, number) and flags.unknown_run_logs != "empty":
        raise Refusal(int(flags.unknown_run_logs), f"No logs were found for run {number}.")
    run = pipeline.find(number) if _is_known(call, pipeline, number) else None
    console = call.body.get("type") == CONSOLE
    texts: list[str] = []
    if run is not None:
        escaped = flags.json_encoding == "escaped"
        texts = run.log.latest(
            console=console, ties=flags.tie_order, rng=call.world.ties, escaped=escaped
        )
    result = _listed(call, texts)
    if not flags.etag:
        return result
    tag = f'"{sha256(result.response.body).hexdigest()[:20]}"'
    if call.http.headers.get("If-None-Match") == tag:
        return Result(Response(304, b"", headers={"ETag": tag}))
    return Result(replace(result.response, headers={"ETag": tag}))


def _stop(call: Call) -> Result:
    pipeline = _pipeline(call)
    running = pipeline.execution
    number = None if running is None else running.run.number
    return replace(_action(call, _stop_pipeline(call, pipeline)), run_count=number)


def _stop_pipeline(call: Call, pipeline: Pipeline) -> _Data:
    stopped = call.world.stop(pipeline, call.user)
    if not stopped and call.flags.stop_idle != "success":
        return _failed(call.flags.stop_idle, "The pipeline is not running.")
    return {"status": "success", "message": "The pipeline has been stopped."}


def _reset(call: Call) -> Result:
    return _action(call, _reset_pipeline(call, _pipeline(call)))


def _reset_pipeline(call: Call, pipeline: Pipeline) -> _Data:
    if pipeline.execution is not None and call.flags.reset_running != "stops":
        return _failed(call.flags.reset_running, "The pipeline is running and cannot be reset.")
    call.world.reset(pipeline, call.user)
    return {"status": "success", "message": "The pipeline run status has been reset."}


def _failed(form: str, message: str) -> _Data:
    """Return the data of a failed action, or raise the HTTP error that the flag names."""
    if form.isdigit():
        raise Refusal(int(form), message)
    return {"status": "failed", "message": message}


def _summary(call: Call) -> Result:
    return _object(call, _pipeline(call).describe())


def _pipelines(call: Call) -> Result:
    found = [one.describe() for one in _accessible(call, call.world.pipelines)[:LIST_LIMIT]]
    return _listed(call, _encoded(call, found))


def _pipeline(call: Call) -> Pipeline:
    return _found(call, call.world.pipelines, call.body.get("pipelineId"), "pipelineId")


def _is_known(call: Call, pipeline: Pipeline, number: int) -> bool:
    run = pipeline.find(number)
    if run is None:
        return pipeline.has_run(number)
    visible = call.world.now >= run.accepted + call.flags.new_run_hidden_seconds
    return visible and (run.state != "queued" or call.flags.queued_visible)


def _latest_known(call: Call, pipeline: Pipeline) -> int:
    started = (run for run in pipeline.runs if run.started is not None and not run.deleted)
    known = [run.number for run in started if _is_known(call, pipeline, run.number)]
    return max(known, default=pipeline.spec.run_count)


# Actions of the second version of the API


def _actions(call: Call) -> Result:
    action, targets = str(call.body.get("action")), call.body.get("target")
    known = action in (*_ACTIONS, "run")
    if not known or call.body.get("type") != "pipeline" or call.body.get("version") != 1:
        names = ", ".join(("run", *_ACTIONS))
        raise Refusal(400, f"action takes {names}; type is pipeline and version is 1.")
    if not isinstance(targets, list) or not targets or not all(map(is_object_id, targets)):
        raise Refusal(422, "target must be an array of pipeline identifiers.")
    pipelines = [_found(call, call.world.pipelines, one, "target") for one in targets]
    results: list[_Data] = []
    number: int | None = None
    for pipeline in pipelines:
        if action == "run":
            data, number = _start_run(call, pipeline)
        else:
            data = _ACTIONS[action](call, pipeline)
        results.append(data)
    return Result(_v2_response(call, action, results), number)


def _v2_response(call: Call, action: str, results: list[_Data]) -> Response:
    escaped = call.flags.json_encoding == "escaped"
    failed = [one for one in results if one["status"] == "failed" and action != "status"]
    shown = (failed or results)[0]
    if call.flags.v2_format == "plain":
        return json_response(shown, escaped=escaped)
    envelope = {
        "status": "failed" if failed else "success",
        "data": results[0] if len(results) == 1 else {"results": results},
        "metadata": {"message": shown["message"], "apiVersion": "v2"},
    }
    return json_response(envelope, escaped=escaped)


def _latest_status(call: Call, pipeline: Pipeline) -> _Data:
    return _status_of(call, pipeline, _latest_known(call, pipeline))


def _delete(call: Call, pipeline: Pipeline) -> _Data:
    call.world.delete_pipeline(pipeline, call.user)
    return {"status": "success", "message": "The pipeline has been deleted."}


def _approve(call: Call, pipeline: Pipeline) -> _Data:
    return _decide(call, pipeline, approved=True)


def _reject(call: Call, pipeline: Pipeline) -> _Data:
    return _decide(call, pipeline, approved=False)


def _decide(call: Call, pipeline: Pipeline, *, approved: bool) -> _Data:
    message = str(call.body.get("message", ""))
    if not call.world.decide(pipeline, approved, call.user, message):
        return _failed(call.flags.decision_not_paused, "The pipeline is not waiting for approval.")
    word = "approved" if approved else "rejected"
    return {"status": "success", "message": f"The pipeline step has been {word}."}


_ACTIONS: Mapping[str, Callable[[Call, Pipeline], _Data]] = {
    "stop": _stop_pipeline,
    "reset": _reset_pipeline,
    "status": _latest_status,
    "delete": _delete,
    "approve": _approve,
    "reject": _reject,
}


# Tool registry


def _tools(call: Call) -> Result:
    found = [one.fields for one in _accessible(call, call.world.tools)[:LIST_LIMIT]]
    return _listed(call, _encoded(call, found))


def _tool_summary(call: Call) -> Result:
    return _object(call, _tool(call).fields)


def _tool_update(call: Call) -> Result:
    tool_id, changes = call.body.get("toolId"), call.body.get("tool")
    if not tool_id or not isinstance(tool_id, str):
        raise Refusal(400, "toolId is required.")
    if not isinstance(changes, dict):
        raise Refusal(400, "tool must be an object with the properties to replace.")
    if error := invalid_change(changes):
        raise Refusal(400, error)
    tool = _tool(call)
    call.world.update_tool(tool, changes, call.user)
    return _object(call, tool.fields)


def _tool(call: Call) -> Tool:
    return _found(call, call.world.tools, call.body.get("toolId"), "toolId")


# Audit logs


def _user_actions(call: Call) -> Result:
    size = _count(call.http.query.get("count"), "count", LIST_LIMIT)
    kind = call.http.query.get("type", "")
    return _audit(call, call.world.audit.actions, {"type": kind}, size)


def _token_uses(call: Call) -> Result:
    scope = call.http.query.get("scope", "")
    return _audit(call, call.world.audit.uses, {"scope": scope}, LIST_LIMIT)


def _audit(call: Call, log: AuditLog, wanted: Mapping[str, object], size: int) -> Result:
    day, scale = call.http.query.get("date"), call.http.query.get("timescale")
    seconds = 0.0 if call.flags.timescale == "ignored" else _timescale(scale)
    start, end = span_of(_date(day), seconds, call.world.milliseconds())
    return _counted_list(call, log.find(start, end, dict(wanted)), size=size)


# Tasks


def _tasks(call: Call) -> Result:
    now, flags = call.world.now, call.flags
    tasks = _accessible(call, call.world.tasks)
    return _counted_list(call, [task.describe(now, flags) for task in tasks])


def _task_summary(call: Call) -> Result:
    return _object(call, _task(call).describe(call.world.now, call.flags))


def _task_status(call: Call) -> Result:
    status = str(_task(call).describe(call.world.now, call.flags)["status"])
    as_text = call.flags.task_status == "text"
    return Result(text_response(status) if as_text else json_response(status))


def _task_logs(call: Call) -> Result:
    run_count = call.value("runCount")
    number = None if run_count is None else _count(run_count, "runCount")
    size = min(LIST_LIMIT, _count(call.value("count"), "count", LIST_LIMIT))
    first = 1 if call.flags.first_page == "one" else 0
    page = _count(call.value("page"), "page", first, least=first) - first
    records = _task(call).records(call.world.now, call.flags, number)
    if call.flags.task_log_order == "latest_first":
        records.reverse()
    return _counted_list(call, records, start=page * size, size=size)


def _task(call: Call) -> Task:
    return _found(call, call.world.tasks, call.value("taskId"), "taskId")


# What several calls share


def _found(call: Call, objects: Mapping[str, T], value: object, name: str) -> T:
    """Return an object by the ID that was sent. Raises `Refusal`."""
    if not isinstance(value, str) or not value:
        raise Refusal(400, f"{name} is required.")
    found = objects.get(value)
    if found is None:
        kind = name.removesuffix("Id").replace("target", "pipeline").capitalize()
        flags = call.flags
        known_form = is_object_id(value)
        status = flags.not_found_status if known_form else flags.malformed_id_status
        raise Refusal(status, f"{kind} {value} was not found.")
    if not call.world.accounts.may_use(call.member, found.spec):
        raise Refusal(call.flags.forbidden_status, "Forbidden")
    return found


def _accessible(call: Call, objects: Mapping[str, T]) -> list[T]:
    may_use = call.world.accounts.may_use
    return [one for one in objects.values() if may_use(call.member, one.spec)]


def _integer(value: object, name: str) -> int | None:
    """Return an integer of a JSON body, None if it was not sent."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | None):
        raise Refusal(400, f"{name} must be an integer.")
    return value


def _count(value: object, name: str, default: int = 0, least: int = 1) -> int:
    """Return a number of a query, where everything is text, or of a body."""
    if value is None:
        return default
    text = str(value)
    known = isinstance(value, str | int) and not isinstance(value, bool)
    # Longer numbers than any count are cut, because Python refuses to read very long ones.
    if not (known and text.isascii() and text.isdigit() and int(text[:18]) >= least):
        raise Refusal(400, f"{name} must be an integer of at least {least}.")
    return int(text[:18])


def _date(text: str | None) -> str:
    if text is None:
        return ""
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise Refusal(400, "date must have the form YYYY-MM-DD.")


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def _timescale(text: str | None) -> float:
    if text is None:
        return 0.0
    found = re.fullmatch(r"([1-9]\d{0,6})([smhdw])", text, re.ASCII)
    if found is None:
        raise Refusal(400, "timescale must have a form such as 30s, 13m, 1h, 3d, or 2w.")
    return float(int(found[1]) * _UNITS[found[2]])


def _action(call: Call, data: Mapping[str, object], status: int = 200) -> Result:
    """Return the outcome of an action."""
    return _wrapped(call, call.flags.action_format, data, status)


def _object(call: Call, data: Mapping[str, object]) -> Result:
    """Return a whole object."""
    return _wrapped(call, call.flags.object_format, data, 200)


def _wrapped(call: Call, form: str, data: Mapping[str, object], status: int) -> Result:
    escaped = call.flags.json_encoding == "escaped"
    whole = data if form == "bare" else {"data": data}
    return Result(json_response(whole, status, escaped=escaped))


def _listed(call: Call, texts: list[str]) -> Result:
    """Return a list that is documented as an array. Its items are JSON already."""
    return _list(call.flags.list_format, texts, len(texts))


def _counted_list(
    call: Call, items: Iterable[Mapping[str, object]], *, start: int = 0, size: int = LIST_LIMIT
) -> Result:
    """Return a list that is documented with a count: `size` of its items from `start` on."""
    every = list(items)
    page = every[start : start + min(size, LIST_LIMIT)]
    count = len(page if call.flags.count_field == "returned" else every)
    return _list(call.flags.counted_list_format, _encoded(call, page), count)


def _encoded(call: Call, items: Iterable[Mapping[str, object]]) -> list[str]:
    escaped = call.flags.json_encoding == "escaped"
    return [json.dumps(item, ensure_ascii=escaped) for item in items]


def _list(form: str, texts: list[str], count: int) -> Result:
    array = f"[{','.join(texts)}]"
    counted = f'"count": {count}, ' if form == "counted" else ""
    return Result(raw_response(array if form == "bare" else f'{{{counted}"data": {array}}}'))


_PIPELINE, _PIPELINE_LOGS = ("api", "pipeline"), ("api", "pipeline", "pipeline-readonly")
_READ_PIPELINES = ("api-readonly", "pipeline-readonly")
_REGISTRY, _READ_REGISTRY = ("api", "registry"), ("api-readonly", "registry-readonly")
_READ_TASKS = ("api-readonly", "tasks", "tasks-readonly")
_AUDIT = ("api", "security-logs")

ENDPOINTS = (
    Endpoint("run", "POST", "/api/v1/pipeline/run", _PIPELINE, (), _run),
    Endpoint("status", "POST", "/api/v1/pipeline/status", _PIPELINE_LOGS, ("api-readonly",),
             _status),
    Endpoint("reset", "POST", "/api/v1/pipeline/reset", _PIPELINE, (), _reset),
    Endpoint("stop", "POST", "/api/v1/pipeline/stop", _PIPELINE, (), _stop),
    Endpoint("summary", "POST", "/api/v1/pipeline/summary", _PIPELINE, _READ_PIPELINES, _summary),
    Endpoint("logs", "POST", "/api/v1/pipeline/logs", _PIPELINE_LOGS, ("api-readonly",), _logs),
    Endpoint("pipelines", "GET", "/api/v1/pipeline/pipelines", _PIPELINE, _READ_PIPELINES,
             _pipelines, needs_power_user=True),
    Endpoint("actions", "POST", "/api/v2/actions", _PIPELINE, (), _actions),
    Endpoint("tools", "GET", "/api/v1/registry/tools", _REGISTRY, _READ_REGISTRY, _tools,
             needs_power_user=True),
    Endpoint("tool_summary", "POST", "/api/v1/registry/summary", _REGISTRY, _READ_REGISTRY,
             _tool_summary),
    Endpoint("tool_update", "POST", "/api/v1/registry/update", _REGISTRY, (), _tool_update),
    Endpoint("user_actions", "GET", "/api/v1/logs/user/actions", _AUDIT, (), _user_actions,
             needs_power_user=True),
    Endpoint("token_uses", "GET", "/api/v1/logs/user/tokens", _AUDIT, (), _token_uses,
             needs_power_user=True),
    Endpoint("tasks", "GET", "/api/v1/tasks", ("api",), _READ_TASKS, _tasks),
    Endpoint("task_summary", "POST", "/api/v1/tasks/summary", ("api",), _READ_TASKS, _task_summary),
    Endpoint("task_status", "POST", "/api/v1/tasks/status", ("api",), _READ_TASKS, _task_status),
    Endpoint("task_logs", "GET", "/api/v1/logs/task", _AUDIT, ("tasks", "tasks-readonly"),
             _task_logs),
)  # fmt: skip
"""Every call of the API."""

_BY_ROUTE = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}
