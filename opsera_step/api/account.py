"""Tools, tasks, and audit logs. Each object keeps the JSON that it was read from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opsera_step.api.fields import JsonObject, parse_time, text_at
from opsera_step.api.models import console_text, parse_object, parse_single


@dataclass(frozen=True)
class AccountObject:
    """A tool or a task."""

    id: str
    name: str
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)
    response: Any = field(default=None, repr=False, compare=False)
    """The whole response, unmodified; None for an item of a list."""


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
    text: str
    data: JsonObject = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class AuditEntry:
    """An entry of an audit log: who changed what, or which token was used for what."""

    data: JsonObject


def parse_account_object(data: Any) -> AccountObject | None:
    """Parse a response that is a tool or a task; None if it has no ID."""
    return parse_single(data, read_account_object)


def read_account_object(item: JsonObject, response: Any = None) -> AccountObject:
    """Read a tool or a task: an item of a list, or a whole response."""
    return AccountObject(text_at(item, "_id"), text_at(item, "name"), item, response)


def parse_task_status(data: Any) -> TaskStatus | None:
    """Parse the status of a task: a bare value, or an object with it; None if there is none."""
    inner = data.get("data") if isinstance(data, dict) else data
    value = inner if isinstance(inner, str) else text_at(parse_object(data), "status")
    return TaskStatus(value.strip(), data) if value.strip() else None


def read_task_record(item: JsonObject) -> TaskRecord:
    """Read a record of a task's log."""
    created = parse_time(item.get("createdAt"))
    return TaskRecord(text_at(item, "_id"), created, console_text(item), item)
