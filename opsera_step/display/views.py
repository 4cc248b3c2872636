"""Objects of the API as tables. Pure; the texts are made safe where they are printed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opsera_step.api import (
    JsonObject,
    LogRecord,
    Pipeline,
    RunStatus,
    State,
    Step,
    format_timestamp,
    state_of,
    text_at,
    whole_number,
)
from opsera_step.clock import format_duration
from opsera_step.display.table import Answer, Table
from opsera_step.outcome import Outcome, word_of
from opsera_step.runs import RunDetails
from opsera_step.text import MASK

if TYPE_CHECKING:
    from opsera_step.api.account import AccountObject, AuditEntry, TaskRecord

_UNCUT = 2
"""Values of properties are never cut: a terminal can wrap them."""


def pipelines_table(pipelines: Sequence[Pipeline]) -> Table:
    """Return a row for each pipeline."""
    return Table(
        ("ID", "NAME", "STATE", "RUNS", "OWNER", "UPDATED"),
        [
            (
                one.id,
                one.name,
                _state(one),
                str(one.run_count) if one.has_run_count else "",
                _owner(one.data),
                text_at(one.data, "updatedAt"),
            )
            for one in pipelines
        ],
        expendable=("UPDATED", "OWNER", "RUNS", "STATE"),
    )


def pipeline_tables(one: Pipeline, url: str, *, masks: bool = True) -> tuple[Table, ...]:
    """Return the properties of a pipeline, its steps, and what can be set for a run.

    `masks` hides the default values of parameters whose names look secret.
    """
    from opsera_step.text.masking import is_secret_key  # noqa: PLC0415 - only here

    rows = [
        ("id", one.id),
        ("name", one.name),
        ("description", text_at(one.data, "description")),
        ("state", _state(one)),
        ("runs", str(one.run_count) if one.has_run_count else ""),
        ("last run", f"{one.last_run_count or ''} {_status(one.last_run_status)}".strip()),
        ("owner", _owner(one.data)),
        ("updated", text_at(one.data, "updatedAt")),
        ("url", url),
        ("branch", one.branch),
        ("runtime settings", {True: "on", False: "off", None: ""}[one.runtime_settings]),
    ]
    steps = [
        (str(number), step.name, step.tool, "" if step.active else "off", _mark(one, step))
        for number, step in enumerate(one.plan, 1)
    ]
    parameters = [
        (step.name, name, MASK if masks and value and is_secret_key(name) else value)
        for step in one.plan
        for name, value in step.parameters
    ]
    return (
        Table((), [row for row in rows if row[1]], _UNCUT),
        Table(("#", "STEP", "TOOL", "", ""), steps),
        *([Table(("STEP", "PARAMETER", "DEFAULT"), parameters, _UNCUT)] if parameters else []),
    )


def runs_table(runs: Sequence[tuple[int, RunStatus | None, RunDetails]]) -> Table:
    """Return a row for each run: its number, its status, and its details."""
    rows = []
    for count, status, details in runs:
        word = word_of(status.state) if status is not None else State.UNKNOWN.value
        if status is not None and status.state is State.UNKNOWN:
            word = status.value
        took = "" if details.duration is None else format_duration(details.duration)
        moments = (details.started_at, details.finished_at)
        times = ("" if one is None else format_timestamp(one) for one in moments)
        rows.append((str(count), word, *times, took))
    return Table(("RUN", "STATUS", "STARTED", "FINISHED", "DURATION"), rows, seconds=True)


def tools_table(tools: Sequence[AccountObject]) -> Table:
    """Return a row for each tool."""
    return Table(
        ("ID", "NAME", "TOOL", "ACTIVE", "OWNER", "UPDATED"),
        [
            (one.id, one.name, text_at(one.data, "tool_identifier"), _yes(one.data.get("active")),
             _owner(one.data), text_at(one.data, "updatedAt"))
            for one in tools
        ],
        expendable=("UPDATED", "OWNER", "ACTIVE", "TOOL"),
    )  # fmt: skip


def tasks_table(tasks: Sequence[AccountObject]) -> Table:
    """Return a row for each task."""
    return Table(
        ("ID", "NAME", "TYPE", "STATUS", "RUNS", "OWNER", "UPDATED"),
        [
            (one.id, one.name, text_at(one.data, "type"), _status(text_at(one.data, "status")),
             _number(one.data.get("run_count")), _owner(one.data), text_at(one.data, "updatedAt"))
            for one in tasks
        ],
        expendable=("UPDATED", "OWNER", "RUNS", "TYPE", "STATUS"),
    )  # fmt: skip


def actions_table(actions: Sequence[AuditEntry]) -> Table:
    """Return a row for each action of a user."""
    headings = ("TIME", "USER", "TYPE", "ACTION", "TARGET")
    rows = [_audit_row(one.data, "type", "action", "target_id") for one in actions]
    return Table(headings, rows, expendable=("TYPE",), seconds=True)


def uses_table(uses: Sequence[AuditEntry]) -> Table:
    """Return a row for each use of a token."""
    headings = ("TIME", "USER", "TOKEN", "SCOPE", "TARGET")
    rows = [_audit_row(one.data, "token_id", "scope", "target") for one in uses]
    return Table(headings, rows, expendable=("TOKEN", "SCOPE"), seconds=True)


def _audit_row(entry: JsonObject, *keys: str) -> tuple[str, ...]:
    user = text_at(entry, "user_email") or text_at(entry, "user_id")
    return (text_at(entry, "createdAt"), user, *(text_at(entry, key) for key in keys))


def records_table(records: Sequence[LogRecord]) -> Table:
    """Return a row for each record of the log of a run."""
    return Table(
        ("TIME", "STEP", "ACTION", "STATUS", "TEXT"),
        [
            (text_at(one.data, "createdAt"), one.step_name, one.action, one.status, one.text)
            for one in records
        ],
        expendable=("ACTION", "STATUS", "STEP"),
        seconds=True,
    )


def task_records_table(records: Sequence[TaskRecord]) -> Table:
    """Return a row for each record of the log of a task."""
    return Table(
        ("TIME", "RUN", "STATUS", "TEXT"),
        [
            (text_at(one.data, "createdAt"), _number(one.data.get("run_count")),
             text_at(one.data, "status"), one.text)
            for one in records
        ],
        expendable=("STATUS", "RUN"),
        seconds=True,
    )  # fmt: skip


def object_table(item: JsonObject) -> Table:
    """Return the properties of an object, with those of objects one level down."""
    rows: list[tuple[str, ...]] = []
    for key, value in item.items():
        if isinstance(value, dict) and value:
            rows += [(f"{key}.{inner}", _text(one)) for inner, one in value.items()]
        else:
            rows.append((key, _text(value)))
    return Table((), rows, _UNCUT)


def outcome_answer(outcome: Outcome, responses: Mapping[str, Any]) -> Answer:
    """Return the outcome of a command, with the API's own responses by the name of the call."""
    data = {**outcome.to_json(), **({"answers": dict(responses)} if responses else {})}
    shown = {**data, "schemaVersion": None, "steps": None, "answers": None}
    rows = [(key, _text(one)) for key, one in shown.items() if one not in (None, "", [])]
    return Answer(data, (Table((), rows, _UNCUT),))


def _state(one: Pipeline) -> str:
    if one.has_run_count or one.state.active:
        return word_of(one.state) if one.run_count or one.state.active else "never ran"
    return ""


def _status(value: str) -> str:
    """Return the word for the status of a run that is over; another status stays as it is."""
    state = state_of(value)
    return word_of(state) if state.final else value


def _mark(pipeline: Pipeline, step: Step) -> str:
    if step.id and step.id == pipeline.failed_step_id:
        return "failed here"
    return (
        word_of(pipeline.state) if pipeline.state.active and step == pipeline.current_step else ""
    )


def _owner(data: JsonObject) -> str:
    return text_at(data, "owner_name") or text_at(data, "owner")


def _yes(value: Any) -> str:
    """Return a word for a boolean, which may come as a string; empty for anything else."""
    return {"true": "yes", "false": "no"}.get(str(value).strip().lower(), "")


def _number(value: Any) -> str:
    number = whole_number(value)
    return "" if number is None else str(number)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
