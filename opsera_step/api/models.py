"""What the API says, as frozen dataclasses, and the tolerant parsers of its JSON.

Nothing here asks the network or decides what to do; a value that is missing or of a wrong type
becomes None, so that an odd field never ends a job. Sources of the field names: the API page,
and the records as the public portal reads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from opsera_step.api.console import console_text
from opsera_step.api.fields import JsonObject, object_at, parse_time, text_at, whole_number

T = TypeVar("T")

CONSOLE_OUTPUT = "console output"
"""The exact `type` of the log call, and `action` of the records, that hold console text."""


class State(Enum):
    """How a run, a step or a pipeline stands."""

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
        """Whether a run in this state is still under way."""
        return self in (State.RUNNING, State.PAUSED)


_WORDS = {
    State.SUCCESS: ("success", "successful", "passed"),
    State.FAILED: ("failed", "failure", "rejected"),
    State.STOPPED: ("stopped", "aborted", "halted"),
    State.PAUSED: ("paused",),
    State.RUNNING: ("running", "pending", "processing event", "created", "queued"),
}
_STATE_OF_WORD = {word: state for state, words in _WORDS.items() for word in words}


def state_of(word: str) -> State:
    """Map a word of state to a State; a word never seen before is UNKNOWN, never success."""
    normal = re.sub(r"[\s_-]+", " ", word).strip().lower()
    return _STATE_OF_WORD.get(normal, State.UNKNOWN)


@dataclass(frozen=True)
class Run:
    """One run of a pipeline, named as the API names it."""

    pipeline_id: str
    count: int


_WAITING_WORDS = frozenset({"queued", "pending", "created"})


@dataclass(frozen=True)
class RunStatus:
    """The answer of the status call: the state, the word it came as, and the message."""

    state: State
    value: str
    message: str = ""
    response: Any = field(default=None, repr=False, compare=False)
    """The answer as it came."""

    @property
    def is_waiting(self) -> bool:
        """Whether the run has not begun: the pipeline may be in another one."""
        return self.value.strip().lower() in _WAITING_WORDS


@dataclass(frozen=True)
class RunResponse:
    """The answer of the run call; `run_count` is None where the API gave none."""

    value: str
    message: str
    run_count: int | None
    response: Any = field(default=None, repr=False, compare=False)
    """The answer as it came."""

    @property
    def refused(self) -> bool:
        """Whether the API says that it did not start anything (it says so with HTTP 200)."""
        return self.run_count is None and state_of(self.value) is State.FAILED


@dataclass(frozen=True)
class Ack:
    """The answer of a call that changes something and was not refused: stop, reset."""

    message: str = ""
    response: Any = field(default=None, repr=False, compare=False)
    """The answer as it came."""


@dataclass(frozen=True)
class Step:
    """A step of a pipeline's plan."""

    id: str
    name: str
    tool: str = ""
    active: bool = True


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
    """Whether it said how many runs there were; without that no run can be told by its number."""
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """The JSON that it was read from."""
    response: Any = field(default=None, repr=False, compare=False)
    """The answer as it came, with all that was around the object; None for one of a list."""

    def step(self, step_id: str) -> Step | None:
        """Find a step of the plan by its ID."""
        return next((step for step in self.plan if step.id == step_id), None) if step_id else None

    @property
    def current_step(self) -> Step | None:
        """The step that runs or waits now."""
        return self.step(self.current_step_id)


@dataclass(frozen=True)
class LogRecord:
    """One activity log record; `created` is in seconds since 1970 UTC, None if unreadable."""

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
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """The JSON that it was read from."""

    @property
    def is_console(self) -> bool:
        """Whether the record holds console text."""
        return self.action.strip().lower() == CONSOLE_OUTPUT


def unwrap(data: Any) -> Any:
    """Take an answer out of a `{"data": …}` wrapper, if it is in one; what has an ID is none."""
    is_wrapper = isinstance(data, dict) and "_id" not in data
    return data["data"] if is_wrapper and isinstance(data.get("data"), (list, dict)) else data


def parse_list(data: Any) -> list[JsonObject] | None:
    """Return the objects of a list answer, bare or wrapped; None when it is no list."""
    inner = unwrap(data)
    if not isinstance(inner, list):
        return None
    return [item for item in inner if isinstance(item, dict)]


def parse_object(data: Any) -> JsonObject | None:
    """Return the object of an answer: bare, wrapped, or as the one item of a list."""
    inner = unwrap(data)
    if isinstance(inner, list) and len(inner) == 1:
        inner = inner[0]
    return inner if isinstance(inner, dict) else None


def parse_one(data: Any, read: Callable[[JsonObject, Any], T]) -> T | None:
    """Read an object that was asked for by itself; None when it has no ID."""
    found = parse_object(data)
    return read(found, data) if found and text_at(found, "_id") else None


def _answer_with(data: Any, *keys: str) -> JsonObject | None:
    """Return the object that has one of the keys: the inner one, or that around it."""
    inner = parse_object(data)
    if inner is not None and any(key in inner for key in keys):
        return inner
    return data if isinstance(data, dict) else inner


def parse_status(data: Any) -> RunStatus | None:
    """Read the answer of the status call; None when there is no status in it."""
    answer = _answer_with(data, "status")
    word = data if isinstance(data, str) else text_at(answer, "status")
    if not word:
        return None
    return RunStatus(state_of(word), word, text_at(answer, "message"), response=data)


def parse_run_answer(data: Any) -> RunResponse | None:
    """Read the answer of the run call; None when it says neither status nor run count."""
    answer = _answer_with(data, "status", "runCount")
    if answer is None:
        return None
    word, count = text_at(answer, "status"), whole_number(answer.get("runCount"))
    if not word and count is None:
        return None
    return RunResponse(word, text_at(answer, "message"), count, response=data)


def parse_pipeline(data: Any) -> Pipeline | None:
    """Read a pipeline object; None when it has no ID."""
    return parse_one(data, read_pipeline)


def read_pipeline(answer: JsonObject, response: Any = None) -> Pipeline:
    """Read a pipeline: of a list, or with the whole answer that it is."""
    workflow = object_at(answer, "workflow")
    last_step, last_run = object_at(workflow, "last_step"), object_at(workflow, "last_run")
    return Pipeline(
        id=text_at(answer, "_id"),
        name=text_at(answer, "name"),
        run_count=whole_number(workflow.get("run_count")) or 0,
        has_run_count="run_count" in workflow,
        state=derive_state(last_step),
        plan=_plan(workflow.get("plan")),
        current_step_id=_step_id(last_step.get("running")) or text_at(last_step, "step_id"),
        failed_step_id=_step_id(last_step.get("failed")),
        last_run_count=whole_number(last_run.get("run_count")),
        last_run_status=text_at(last_run, "status"),
        data=answer,
        response=response,
    )


def derive_state(last_step: JsonObject) -> State:
    """Derive a pipeline's state from `workflow.last_step` by the portal's rule."""
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
    """Read an activity log record."""
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
        user_id=text_at(item, "user_id"),
        text=console_text(item),
        data=item,
    )


def _step_id(value: Any) -> str:
    """Read `{step_id: …}`, or the bare ID."""
    if isinstance(value, dict):
        return text_at(value, "step_id")
    return value if isinstance(value, str) else ""


def _plan(value: Any) -> tuple[Step, ...]:
    items = value if isinstance(value, list) else []
    return tuple(
        Step(
            id=text_at(item, "_id"),
            name=text_at(item, "name") or text_at(item, "_id"),
            tool=text_at(object_at(item, "tool"), "tool_identifier"),
            active=item.get("active") is not False,
        )
        for item in items
        if isinstance(item, dict)
    )
