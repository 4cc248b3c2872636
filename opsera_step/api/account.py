"""Tools, tasks and audit logs: what the API says of them, and the tolerant parsers of its JSON.

Each object keeps the JSON that it was read from, so that nothing the API sends is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from opsera_step.api.console import console_text
from opsera_step.api.fields import JsonObject, parse_time, text_at, whole_number
from opsera_step.api.models import State, parse_object, parse_one, state_of

T = TypeVar("T")


@dataclass(frozen=True)
class Tool:
    """A tool of the registry."""

    id: str
    name: str
    kind: str = ""
    """What it is: jenkins, sonar and so on."""
    description: str = ""
    owner: str = ""
    active: bool | None = None
    """Whether it is in use; None where that is not said."""
    tags: tuple[str, ...] = ()
    updated: str = ""
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)
    response: Any = field(default=None, repr=False, compare=False)
    """The answer as it came, with all that was around the object; None for one of a list."""


@dataclass(frozen=True)
class Task:
    """A task, and the status of its latest run."""

    id: str
    name: str
    kind: str = ""
    tool: str = ""
    description: str = ""
    owner: str = ""
    active: bool | None = None
    status: str = ""
    """Its status as the API reports it."""
    message: str = ""
    run_count: int | None = None
    updated: str = ""
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)
    response: Any = field(default=None, repr=False, compare=False)
    """The answer as it came, with all that was around the object; None for one of a list."""

    @property
    def state(self) -> State:
        """The state that its status stands for."""
        return state_of(self.status)


@dataclass(frozen=True)
class TaskStatus:
    """The response of the task status call."""

    value: str
    response: Any = field(default=None, repr=False, compare=False)
    """The answer as it came: the word alone, or what holds it."""


@dataclass(frozen=True)
class TaskRecord:
    """A record of a task's log; `created` is in seconds since 1970 UTC, None if unreadable."""

    id: str
    created: float | None
    created_text: str
    run_count: int | None
    name: str
    kind: str
    status: str
    message: str
    text: str
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class UserAction:
    """An entry of the user activity log: who changed what."""

    created: str
    user: str
    kind: str
    action: str
    target: str
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class TokenUse:
    """An entry of the token log: which token was used for what."""

    created: str
    user: str
    token: str
    scope: str
    target: str
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)


def parse_tool(data: Any) -> Tool | None:
    """Read a tool object; None when it has no ID."""
    return parse_one(data, read_tool)


def read_tool(item: JsonObject, response: Any = None) -> Tool:
    """Read a tool: of a list, or with the whole answer that it is."""
    return Tool(
        id=text_at(item, "_id"),
        name=text_at(item, "name"),
        kind=text_at(item, "tool_identifier"),
        description=text_at(item, "description"),
        owner=text_at(item, "owner_name") or text_at(item, "owner"),
        active=_flag(item.get("active")),
        tags=_tags(item.get("tags")),
        updated=text_at(item, "updatedAt"),
        data=item,
        response=response,
    )


def parse_task(data: Any) -> Task | None:
    """Read a task object; None when it has no ID."""
    return parse_one(data, read_task)


def read_task(item: JsonObject, response: Any = None) -> Task:
    """Read a task: of a list, or with the whole answer that it is."""
    return Task(
        id=text_at(item, "_id"),
        name=text_at(item, "name"),
        kind=text_at(item, "type"),
        tool=text_at(item, "tool_identifier"),
        description=text_at(item, "description"),
        owner=text_at(item, "owner_name") or text_at(item, "owner"),
        active=_flag(item.get("active")),
        status=text_at(item, "status"),
        message=text_at(item, "message"),
        run_count=whole_number(item.get("run_count")),
        updated=text_at(item, "updatedAt"),
        data=item,
        response=response,
    )


def parse_task_status(data: Any) -> TaskStatus | None:
    """Read the status of a task: a word, or an object that holds it; None when there is none."""
    inner = data.get("data") if isinstance(data, dict) else data
    word = inner if isinstance(inner, str) else text_at(parse_object(data), "status")
    return TaskStatus(word.strip(), data) if word.strip() else None


def read_task_record(item: JsonObject) -> TaskRecord:
    """Read a record of a task's log."""
    return TaskRecord(
        id=text_at(item, "_id"),
        created=parse_time(item.get("createdAt")),
        created_text=text_at(item, "createdAt"),
        run_count=whole_number(item.get("run_count")),
        name=text_at(item, "name"),
        kind=text_at(item, "log_type") or text_at(item, "type"),
        status=text_at(item, "status"),
        message=text_at(item, "message"),
        text=console_text(item),
        data=item,
    )


def read_user_action(item: JsonObject) -> UserAction:
    """Read an entry of the user activity log."""
    return UserAction(
        created=text_at(item, "createdAt"),
        user=text_at(item, "user_email") or text_at(item, "user_id"),
        kind=text_at(item, "type"),
        action=text_at(item, "action"),
        target=text_at(item, "target_id"),
        data=item,
    )


def read_token_use(item: JsonObject) -> TokenUse:
    """Read an entry of the token log."""
    return TokenUse(
        created=text_at(item, "createdAt"),
        user=text_at(item, "user_email") or text_at(item, "user_id"),
        token=text_at(item, "token_id"),
        scope=text_at(item, "scope"),
        target=text_at(item, "target"),
        data=item,
    )


def _flag(value: Any) -> bool | None:
    """Read a truth value, which may come as text."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _tags(value: Any) -> tuple[str, ...]:
    """Read tags: words, or objects with the word in `value`."""
    items = value if isinstance(value, list) else []
    words = (
        one if isinstance(one, str) else text_at(one, "value")
        for one in items
        if isinstance(one, (str, dict))
    )
    return tuple(word for word in words if word)
