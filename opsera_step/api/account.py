"""Tools, tasks, and audit logs as dataclasses, and tolerant parsers of their JSON.

Each object keeps the JSON from which it was parsed, so that nothing is lost that the API sends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from opsera_step.api.fields import JsonObject, parse_time, text_at, whole_number
from opsera_step.api.models import State, console_text, parse_object, parse_single, state_of

T = TypeVar("T")


@dataclass(frozen=True)
class Tool:
    """A tool of the registry."""

    id: str
    name: str
    kind: str = ""
    """The tool it is: jenkins, sonar, …"""
    description: str = ""
    owner: str = ""
    active: bool | None = None
    """Whether it is active; None if unknown."""
    tags: tuple[str, ...] = ()
    updated: str = ""
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)
    response: Any = field(default=None, repr=False, compare=False)
    """The response as it came, with everything around the object; None for one of a list."""


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
    """The response as it came, with everything around the object; None for one of a list."""

    @property
    def state(self) -> State:
        """The state that its status means."""
        return state_of(self.status)


@dataclass(frozen=True)
class TaskStatus:
    """The response of the task status call."""

    value: str
    response: Any = field(default=None, repr=False, compare=False)
    """The response as it came: the bare value, or what contains it."""


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
    """Parse a tool object; None if it has no ID."""
    return parse_single(data, read_tool)


def read_tool(item: JsonObject, response: Any = None) -> Tool:
    """Read a tool: one of a list, or with the response that it is."""
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
    """Parse a task object; None if it has no ID."""
    return parse_single(data, read_task)


def read_task(item: JsonObject, response: Any = None) -> Task:
    """Read a task: one of a list, or with the response that it is."""
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
    """Parse the status of a task: a bare value, or an object with it; None if there is none."""
    inner = data.get("data") if isinstance(data, dict) else data
    value = inner if isinstance(inner, str) else text_at(parse_object(data), "status")
    return TaskStatus(value.strip(), data) if value.strip() else None


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
    """Read a boolean, which may come as a string."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _tags(value: Any) -> tuple[str, ...]:
    """Read tags: strings, or objects with the string in `value`."""
    items = value if isinstance(value, list) else []
    values = (
        one if isinstance(one, str) else text_at(one, "value")
        for one in items
        if isinstance(one, (str, dict))
    )
    return tuple(value for value in values if value)
