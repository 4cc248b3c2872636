"""What the API says, as frozen dataclasses, and the tolerant parsers of its JSON.

Nothing here asks the network or decides what to do; a value that is missing or of a wrong type
becomes None, so that an odd field never ends a job. Sources of the field names: the API page,
and the records as the public portal reads them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

JsonObject = Mapping[str, Any]

CONSOLE_OUTPUT = "console output"
"""The exact `type` of the log call, and `action` of the records, that hold console text."""

OCTOPUS_CONSOLE_TOPIC = "opsera.pipeline.octopus.console.log"


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
    def alive(self) -> bool:
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


@dataclass(frozen=True)
class RunStatus:
    """The answer of the status call: the state, the word it came as, and the message."""

    state: State
    word: str
    message: str = ""


@dataclass(frozen=True)
class RunAnswer:
    """The answer of the run call; `run_count` is None where the API gave none."""

    word: str
    message: str
    run_count: int | None

    @property
    def refused(self) -> bool:
        """Whether the API says that it did not start anything (it says so with HTTP 200)."""
        return self.run_count is None and state_of(self.word) is State.FAILED


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
    last_run_word: str = ""

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

    @property
    def is_console(self) -> bool:
        """Whether the record holds console text."""
        return self.action.strip().lower() == CONSOLE_OUTPUT


def unwrap(data: Any) -> Any:
    """Take an answer out of a `{"data": …}` wrapper, if it is in one."""
    if isinstance(data, Mapping) and isinstance(data.get("data"), (list, Mapping)):
        return data["data"]
    return data


def parse_list(data: Any) -> list[JsonObject] | None:
    """Return the objects of a list answer, bare or wrapped; None when it is no list."""
    inner = unwrap(data)
    if not isinstance(inner, list):
        return None
    return [item for item in inner if isinstance(item, Mapping)]


def parse_object(data: Any) -> JsonObject | None:
    """Return the object of an answer: bare, wrapped, or as the one item of a list."""
    inner = unwrap(data)
    if isinstance(inner, list) and len(inner) == 1:
        inner = inner[0]
    return inner if isinstance(inner, Mapping) else None


def parse_status(data: Any) -> RunStatus | None:
    """Read the answer of the status call; None when there is no status in it."""
    answer = parse_object(data)
    word = data if isinstance(data, str) else _text(answer, "status")
    if not word:
        return None
    return RunStatus(state_of(word), word, _text(answer, "message"))


def parse_run_answer(data: Any) -> RunAnswer | None:
    """Read the answer of the run call; None when it says neither status nor run count."""
    answer = parse_object(data)
    if answer is None:
        return None
    word, count = _text(answer, "status"), _count(answer.get("runCount"))
    if not word and count is None:
        return None
    return RunAnswer(word, _text(answer, "message"), count)


def parse_pipeline(data: Any) -> Pipeline | None:
    """Read a pipeline object; None when it has no ID."""
    answer = parse_object(data)
    identity = _text(answer, "_id")
    if answer is None or not identity:
        return None
    workflow = _inner(answer, "workflow")
    last_step, last_run = _inner(workflow, "last_step"), _inner(workflow, "last_run")
    return Pipeline(
        id=identity,
        name=_text(answer, "name"),
        run_count=_count(workflow.get("run_count")) or 0,
        state=derive_state(last_step),
        plan=_plan(workflow.get("plan")),
        current_step_id=_step_id(last_step.get("running")) or _text(last_step, "step_id"),
        failed_step_id=_step_id(last_step.get("failed")),
        last_run_count=_count(last_run.get("run_count")),
        last_run_word=_text(last_run, "status"),
    )


def derive_state(last_step: JsonObject) -> State:
    """Derive a pipeline's state from `workflow.last_step` by the portal's rule."""
    if _inner(last_step, "running").get("paused") is True:
        return State.PAUSED
    if state_of(_text(last_step, "status")) is State.RUNNING:
        return State.RUNNING
    if _step_id(last_step.get("failed")):
        return State.FAILED
    if _step_id(last_step.get("success")):
        return State.SUCCESS
    return State.STOPPED


def parse_record(item: JsonObject) -> LogRecord:
    """Read an activity log record."""
    return LogRecord(
        id=_text(item, "_id"),
        created=parse_time(item.get("createdAt")),
        step_id=_text(item, "step_id"),
        step_name=_text(item, "step_name"),
        step_index=_count(item.get("step_index")),
        action=_text(item, "action"),
        status=_text(item, "status"),
        message=_text(item, "message"),
        tool=_text(item, "tool_identifier"),
        user_id=_text(item, "user_id"),
        text=console_text(item),
    )


def parse_time(value: Any) -> float | None:
    """Read an ISO 8601 time as seconds since 1970; without a zone it is UTC, as the API's are."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def console_text(item: JsonObject) -> str:
    """Find the console text of a record: the first of the places where the portal looks.

    A place counts when it holds text; an empty string does not hide what stands further down.
    """
    answer = item.get("api_response")
    if isinstance(answer, Mapping):
        for text in _console_places(item, answer):
            if text:
                return text
        return _text(item, "message") or (_as_json(answer) if answer else "")
    if isinstance(answer, str) and answer:
        return answer
    return _text(item, "message") or ("" if answer is None else _as_json(answer))


def _console_places(item: JsonObject, answer: JsonObject) -> list[str]:
    topic = _text(_inner(item, "step_configuration"), "topic")
    nested = _inner(_inner(answer, "apiResponse"), "message")
    return [
        _text(answer, "jenkinsConsoleLog"),
        _text(answer, "jenkins_console_log"),
        _joined_parts(answer.get("consoleLog")),
        _text(answer, "message") if topic == OCTOPUS_CONSOLE_TOPIC else "",
        _text(answer, "buildLog"),
        _text(nested, "message"),
        _text(answer, "message"),
    ]


def _joined_parts(value: Any) -> str:
    """Join a `consoleLog`: a string, or an object whose values are `{id, log}` parts."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        return ""
    parts = [part for part in value.values() if isinstance(part, Mapping)]
    if all(str(part.get("id", "")).isdecimal() for part in parts):
        parts.sort(key=lambda part: int(str(part["id"])))
    return "\n".join(_text(part, "log").removesuffix("\n") for part in parts)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _text(data: JsonObject | None, key: str) -> str:
    value = data.get(key) if data is not None else None
    return value if isinstance(value, str) else ""


def _inner(data: JsonObject, key: str) -> JsonObject:
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}


def _count(value: Any) -> int | None:
    """Read a whole number that may come as text; booleans are no numbers."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value[:18])
    return value if isinstance(value, int) else None


def _step_id(value: Any) -> str:
    """Read `{step_id: …}`, or the bare ID."""
    return _text(value, "step_id") if isinstance(value, Mapping) else str(value or "")


def _plan(value: Any) -> tuple[Step, ...]:
    items = value if isinstance(value, list) else []
    return tuple(
        Step(
            id=_text(item, "_id"),
            name=_text(item, "name") or _text(item, "_id"),
            tool=_text(_inner(item, "tool"), "tool_identifier"),
            active=item.get("active") is not False,
        )
        for item in items
        if isinstance(item, Mapping)
    )
