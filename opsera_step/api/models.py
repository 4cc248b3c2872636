"""The API's objects as frozen dataclasses and named tuples, and tolerant parsers of its JSON.

Nothing here does I/O or makes decisions. A value that is missing or of a wrong type becomes None
or empty, so that an odd field never ends a job. The field names are those of the API page, and of
the records as the public portal reads them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from opsera_step.api.fields import JsonObject, object_at, parse_time, text_at, whole_number

T = TypeVar("T")

CONSOLE_OUTPUT = "console output"
"""The exact `type` of the log call, and `action` of the records, that hold console text."""
OCTOPUS_CONSOLE_TOPIC = "opsera.pipeline.octopus.console.log"


class State(Enum):
    """The state of a run, a step or a pipeline."""

    SUCCESS = "success"
    FAILED = "failed"
    STOPPED = "stopped"
    PAUSED = "paused"
    RUNNING = "running"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in (State.SUCCESS, State.FAILED, State.STOPPED)

    @property
    def active(self) -> bool:
        """Whether a run in this state is still in progress."""
        return self in (State.RUNNING, State.PAUSED)


_STATUS_VALUES = {
    State.SUCCESS: ("success", "successful", "passed"),
    State.FAILED: ("failed", "failure", "rejected"),
    State.STOPPED: ("stopped", "aborted", "halted"),
    State.PAUSED: ("paused",),
    State.RUNNING: ("running", "pending", "processing event", "created", "queued"),
}
_STATE_OF = {value: state for state, values in _STATUS_VALUES.items() for value in values}
_WAITING_VALUES = frozenset({"queued", "pending", "created"})


def state_of(value: str) -> State:
    """Map a status value to its State; an unrecognized value is UNKNOWN, never success."""
    return _STATE_OF.get(re.sub(r"[\s_-]+", " ", value).strip().lower(), State.UNKNOWN)


@dataclass(frozen=True)
class Run:
    """A run of a pipeline, identified as in the API."""

    pipeline_id: str
    count: int


@dataclass(frozen=True)
class RunStatus:
    """The response of the status call."""

    state: State
    value: str
    """The status as the API reports it."""
    message: str = ""
    response: Any = field(default=None, repr=False, compare=False)
    """The response as it came."""

    @property
    def is_waiting(self) -> bool:
        """Whether the run has not started: another one may be in progress."""
        return self.value.strip().lower() in _WAITING_VALUES


@dataclass(frozen=True)
class RunResponse:
    """The response of the run call; `run_count` is None if there is none in it."""

    value: str
    """The status as the API reports it, such as `executed`."""
    message: str
    run_count: int | None
    response: Any = field(default=None, repr=False, compare=False)
    """The response as it came."""

    @property
    def refused(self) -> bool:
        """Whether the API reports that it did not do it; it does so with HTTP 200."""
        return self.run_count is None and state_of(self.value) is State.FAILED


@dataclass(frozen=True)
class Ack:
    """The response of a call that changes something and was not refused: stop, reset, approve."""

    message: str = ""
    response: Any = field(default=None, repr=False, compare=False)
    """The response as it came."""


class StepParameter(NamedTuple):
    """A parameter of a step that can be set for a run."""

    name: str
    value: str


class Step(NamedTuple):
    """A step of a pipeline's plan."""

    id: str
    name: str
    tool: str = ""
    active: bool = True
    parameters: tuple[StepParameter, ...] = ()
    """The parameters that can be set for a run, with their defaults."""


@dataclass(frozen=True)
class Pipeline:
    """A pipeline object, as far as this program reads it."""

    id: str
    name: str
    run_count: int
    state: State
    plan: tuple[Step, ...] = ()
    current_step_id: str = ""
    failed_step_id: str = ""
    last_run_count: int | None = None
    last_run_status: str = ""
    has_run_count: bool = True
    """Whether the object contains a run count; without it no run can be identified."""
    runtime_settings: bool | None = None
    """Whether the branch and parameters can be set for a run; None if the object doesn't say."""
    branch: str = ""
    """The Git branch of the pipeline's source."""
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """The JSON from which it was parsed."""
    response: Any = field(default=None, repr=False, compare=False)
    """The response as it came, with everything around the object; None for one of a list."""

    def step(self, step_id: str) -> Step | None:
        """Find a step of the plan by its ID."""
        return next((step for step in self.plan if step.id == step_id), None) if step_id else None

    @property
    def current_step(self) -> Step | None:
        """The step that runs or waits now."""
        return self.step(self.current_step_id)


@dataclass(frozen=True)
class LogRecord:
    """An activity log record; `created` is in seconds since 1970 UTC, None if unreadable."""

    id: str
    created: float | None
    step_id: str
    step_name: str
    step_index: int | None
    action: str
    status: str
    message: str
    tool: str
    user_id: str
    text: str
    user: str = ""
    """The name of the user, or the ID if the record carries no name."""
    branch: str = ""
    """The Git branch that the record names."""
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """The JSON from which it was parsed."""

    @property
    def is_console(self) -> bool:
        """Whether the record holds console text."""
        return self.action.strip().lower() == CONSOLE_OUTPUT


def make_settings(
    branch: str = "", parameters: Iterable[tuple[str, str, str]] = ()
) -> dict[str, Any]:
    """Return runtime settings as the portal sends them; parameters are (step, name, value)."""
    steps: dict[str, list[dict[str, str]]] = {}
    for step, name, value in parameters:
        steps.setdefault(step, []).append({"name": name, "value": value})
    settings: dict[str, Any] = {"branch": branch} if branch else {}
    if steps:
        settings["steps"] = [
            {"name": step, "stepParameters": listed} for step, listed in steps.items()
        ]
    return settings


def unwrap(data: Any) -> Any:
    """Take a response out of its `{"data": …}` wrapper; an object with an ID is none."""
    is_wrapper = isinstance(data, dict) and "_id" not in data
    return data["data"] if is_wrapper and isinstance(data.get("data"), (list, dict)) else data


def parse_list(data: Any) -> list[JsonObject] | None:
    """Return the objects of a list response, bare or wrapped; None if it is no list."""
    inner = unwrap(data)
    if not isinstance(inner, list):
        return None
    return [item for item in inner if isinstance(item, dict)]


def parse_object(data: Any) -> JsonObject | None:
    """Return the object of a response: bare, wrapped, or the only item of a list."""
    inner = unwrap(data)
    if isinstance(inner, list) and len(inner) == 1:
        inner = inner[0]
    return inner if isinstance(inner, dict) else None


def parse_single(data: Any, read: Callable[[JsonObject, Any], T]) -> T | None:
    """Parse the response of a call for one object; None if that has no ID."""
    found = parse_object(data)
    return read(found, data) if found and text_at(found, "_id") else None


def _object_with(data: Any, *keys: str) -> JsonObject | None:
    """Return the object that has one of the keys: the inner one, or the one around it."""
    inner = parse_object(data)
    if inner is not None and any(key in inner for key in keys):
        return inner
    return data if isinstance(data, dict) else inner


def parse_message(data: Any) -> str:
    """Find the message of a response or an error body, in any of the shapes that were seen.

    A bare string, an object with `message`, `msg`, or `error`, `{"metadata": {"message"}}` of v2
    responses, a list `errors`, or one of these in a wrapper.
    """
    if isinstance(data, str):
        return data.strip()
    if isinstance(data, list):
        return next(filter(None, map(parse_message, data[:3])), "")
    if not isinstance(data, dict):
        return ""
    inner = (data.get(key) for key in ("message", "msg", "error", "metadata", "errors", "data"))
    return next(filter(None, map(parse_message, inner)), "")


def parse_status(data: Any) -> RunStatus | None:
    """Parse the response of the status call; None if there is no status in it."""
    found = _object_with(data, "status")
    value = data if isinstance(data, str) else text_at(found, "status")
    if not value:
        return None
    return RunStatus(state_of(value), value, text_at(found, "message"), response=data)


def parse_run_response(data: Any) -> RunResponse | None:
    """Parse the response of the run call; None if it has neither a status nor a run count."""
    found = _object_with(data, "status", "runCount")
    if found is None:
        return None
    value, count = text_at(found, "status"), whole_number(found.get("runCount"))
    if not value and count is None:
        return None
    message = text_at(found, "message") or parse_message(data)
    return RunResponse(value, message, count, response=data)


def parse_pipeline(data: Any) -> Pipeline | None:
    """Parse a pipeline object; None if it has no ID."""
    return parse_single(data, read_pipeline)


def read_pipeline(item: JsonObject, response: Any = None) -> Pipeline:
    """Read a pipeline: one of a list, or with the response that it is."""
    workflow = object_at(item, "workflow")
    last_step, last_run = object_at(workflow, "last_step"), object_at(workflow, "last_run")
    source = object_at(workflow, "source")
    dynamic = source.get("dynamicSettings")
    return Pipeline(
        id=text_at(item, "_id"),
        name=text_at(item, "name"),
        run_count=whole_number(workflow.get("run_count")) or 0,
        has_run_count="run_count" in workflow,
        state=derive_state(last_step),
        plan=_plan(workflow.get("plan")),
        current_step_id=_step_id(last_step.get("running")) or text_at(last_step, "step_id"),
        failed_step_id=_step_id(last_step.get("failed")),
        last_run_count=whole_number(last_run.get("run_count")),
        last_run_status=text_at(last_run, "status"),
        runtime_settings=dynamic if isinstance(dynamic, bool) else None,
        branch=text_at(source, "branch"),
        data=item,
        response=response,
    )


def derive_state(last_step: JsonObject) -> State:
    """Derive a pipeline's state from `workflow.last_step`, as the portal does."""
    if object_at(last_step, "running").get("paused") is True:
        return State.PAUSED
    if state_of(text_at(last_step, "status")) is State.RUNNING:
        return State.RUNNING
    if _step_id(last_step.get("failed")):
        return State.FAILED
    if _step_id(last_step.get("success")):
        return State.SUCCESS
    return State.STOPPED


def parse_record(item: JsonObject) -> LogRecord:
    """Parse an activity log record."""
    user_id = text_at(item, "user_id")
    return LogRecord(
        id=text_at(item, "_id"),
        created=parse_time(item.get("createdAt")),
        step_id=text_at(item, "step_id"),
        step_name=text_at(item, "step_name"),
        step_index=whole_number(item.get("step_index")),
        action=text_at(item, "action"),
        status=text_at(item, "status"),
        message=text_at(item, "message"),
        tool=text_at(item, "tool_identifier"),
        user_id=user_id,
        text=console_text(item),
        user=_user_name(item) or user_id,
        branch=_branch(item),
        data=item,
    )


def console_text(item: JsonObject) -> str:
    """Find the console text of a record: the first of the places where the portal looks.

    An empty string counts as no text, so that it does not hide what is further down.
    """
    response = item.get("api_response")
    if isinstance(response, dict):
        for text in _console_places(item, response):
            if text:
                return text
    elif isinstance(response, str) and response:
        return response
    return text_at(item, "message") or (_as_json(response) if response else "")


def _console_places(item: JsonObject, response: JsonObject) -> Iterator[str]:
    """Look in one place after the other, no further than needed: there are many records."""
    yield text_at(response, "jenkinsConsoleLog")
    yield text_at(response, "jenkins_console_log")
    yield _join_parts(response.get("consoleLog"))
    if text_at(object_at(item, "step_configuration"), "topic") == OCTOPUS_CONSOLE_TOPIC:
        yield text_at(response, "message")
    yield text_at(response, "buildLog")
    yield text_at(object_at(object_at(response, "apiResponse"), "message"), "message")
    yield text_at(response, "message")


def _join_parts(value: Any) -> str:
    """Join a `consoleLog`: a string, or `{id, log}` parts as values of an object or in a list."""
    if isinstance(value, str):
        return value
    values = list(value.values()) if isinstance(value, dict) else value
    parts = [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []
    if all(whole_number(part.get("id")) is not None for part in parts):
        parts.sort(key=lambda part: whole_number(part.get("id")) or 0)
    return "\n".join(text_at(part, "log").removesuffix("\n") for part in parts)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        # Nesting that could just be read may be too deep to be written.
        return ""


def _user_name(item: JsonObject) -> str:
    names = (text_at(item, key) for key in ("user_name", "userName", "user_email"))
    user = object_at(item, "user")
    full = f"{text_at(user, 'firstName')} {text_at(user, 'lastName')}".strip()
    return next(filter(None, names), "") or text_at(user, "name") or full


def _branch(item: JsonObject) -> str:
    """Find the branch that a record of a step names."""
    tool = object_at(object_at(item, "step_configuration"), "tool")
    places = (item, object_at(tool, "configuration"), object_at(item, "step_configuration"))
    names = (
        text_at(place, key) for place in places for key in ("branch", "gitBranch", "git_branch")
    )
    return next(filter(None, names), "")


def _step_id(value: Any) -> str:
    """Read `{step_id: …}`, or the bare ID."""
    if isinstance(value, dict):
        return text_at(value, "step_id")
    return value if isinstance(value, str) else ""


def _plan(value: Any) -> tuple[Step, ...]:
    return tuple(
        Step(
            id=text_at(item, "_id"),
            name=text_at(item, "name") or text_at(item, "_id"),
            tool=text_at(tool := object_at(item, "tool"), "tool_identifier"),
            active=item.get("active") is not False,
            parameters=_parameters(object_at(tool, "configuration").get("stepParameters")),
        )
        for item in (value if isinstance(value, list) else ())
        if isinstance(item, dict)
    )


def _parameters(value: Any) -> tuple[StepParameter, ...]:
    return tuple(
        StepParameter(text_at(item, "name"), _parameter_value(item.get("value")))
        for item in (value if isinstance(value, list) else ())
        if isinstance(item, dict) and text_at(item, "name")
    )


def _parameter_value(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else _as_json(value)
