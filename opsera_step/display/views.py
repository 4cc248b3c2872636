"""Objects of the API as tables for a person. Pure; the texts are made safe where they are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from opsera_step.api import (
    JsonObject,
    LogRecord,
    Pipeline,
    Step,
    Task,
    TokenUse,
    Tool,
    UserAction,
    text_at,
)
from opsera_step.display.answers import Answer, Table
from opsera_step.outcome import Outcome

_WHOLE = 2
"""Of properties the values are never cut: a terminal can wrap them."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)(?:\.\d+)?Z", re.ASCII)


def pipelines_table(pipelines: Sequence[Pipeline]) -> Table:
    """Tell of pipelines, a row each."""
    return Table(
        ("ID", "NAME", "STATE", "RUNS", "OWNER", "UPDATED"),
        [
            (
                one.id,
                one.name,
                _state(one),
                str(one.run_count) if one.has_run_count else "",
                text_at(one.data, "owner_name") or text_at(one.data, "owner"),
                _minute(text_at(one.data, "updatedAt")),
            )
            for one in pipelines
        ],
        yields=("UPDATED", "OWNER", "RUNS", "STATE"),
    )


def pipeline_tables(one: Pipeline, url: str) -> tuple[Table, Table]:
    """Tell of one pipeline, and of the steps of its plan."""
    rows = [
        ("id", one.id),
        ("name", one.name),
        ("description", text_at(one.data, "description")),
        ("state", _state(one)),
        ("runs", str(one.run_count) if one.has_run_count else ""),
        ("last run", f"{one.last_run_count or ''} {one.last_run_status}".strip()),
        ("owner", text_at(one.data, "owner_name") or text_at(one.data, "owner")),
        ("updated", text_at(one.data, "updatedAt")),
        ("page", url),
    ]
    steps = [
        (str(number), step.name, step.tool, "" if step.active else "off", _mark(one, step))
        for number, step in enumerate(one.plan, 1)
    ]
    return Table((), [row for row in rows if row[1]], _WHOLE), Table(
        ("#", "STEP", "TOOL", "", ""), steps
    )


def tools_table(tools: Sequence[Tool]) -> Table:
    """Tell of tools, a row each."""
    return Table(
        ("ID", "NAME", "TOOL", "ACTIVE", "OWNER", "UPDATED"),
        [
            (one.id, one.name, one.kind, _yes(one.active), one.owner, _minute(one.updated))
            for one in tools
        ],
        yields=("UPDATED", "OWNER", "ACTIVE", "TOOL"),
    )


def tasks_table(tasks: Sequence[Task]) -> Table:
    """Tell of tasks, a row each."""
    return Table(
        ("ID", "NAME", "TYPE", "STATUS", "RUNS", "OWNER", "UPDATED"),
        [
            (
                one.id,
                one.name,
                one.kind,
                one.status,
                _number(one.run_count),
                one.owner,
                _minute(one.updated),
            )
            for one in tasks
        ],
        yields=("UPDATED", "OWNER", "RUNS", "TYPE", "STATUS"),
    )


def actions_table(actions: Sequence[UserAction]) -> Table:
    """Tell of what users did, a row each."""
    return Table(
        ("TIME", "USER", "TYPE", "ACTION", "TARGET"),
        [(_second(one.created), one.user, one.kind, one.action, one.target) for one in actions],
        yields=("TYPE",),
    )


def uses_table(uses: Sequence[TokenUse]) -> Table:
    """Tell of uses of tokens, a row each."""
    return Table(
        ("TIME", "USER", "TOKEN", "SCOPE", "TARGET"),
        [(_second(one.created), one.user, one.token, one.scope, one.target) for one in uses],
        yields=("TOKEN", "SCOPE"),
    )


def records_table(records: Sequence[LogRecord]) -> Table:
    """Tell of the records of a run's log, a row each."""
    return Table(
        ("TIME", "STEP", "ACTION", "STATUS", "TEXT"),
        [
            (
                _second(text_at(one.data, "createdAt")),
                one.step_name,
                one.action,
                one.status,
                one.text,
            )
            for one in records
        ],
        yields=("ACTION", "STATUS", "STEP"),
    )


def task_records_table(records: Sequence[Any]) -> Table:
    """Tell of the records of a task's log, a row each."""
    return Table(
        ("TIME", "RUN", "STATUS", "TEXT"),
        [
            (_second(one.created_text), _number(one.run_count), one.status, one.text)
            for one in records
        ],
        yields=("STATUS", "RUN"),
    )


def object_table(item: JsonObject) -> Table:
    """Tell of an object: its properties, those of its objects one level down too."""
    rows: list[tuple[str, ...]] = []
    for key, value in item.items():
        if isinstance(value, dict) and value:
            rows += [(f"{key}.{inner}", _text(one)) for inner, one in value.items()]
        else:
            rows.append((key, _text(value)))
    return Table((), rows, _WHOLE)


def outcome_answer(outcome: Outcome, heard: Mapping[str, Any]) -> Answer:
    """Tell of what became of a command, with the API's own answers, by the word of the call."""
    told = {**outcome.to_json(), **({"answers": dict(heard)} if heard else {})}
    shown = {**told, "schemaVersion": None, "steps": None, "answers": None}
    rows = [(key, _text(one)) for key, one in shown.items() if one not in (None, "", [])]
    return Answer(told, (Table((), rows, _WHOLE),))


def _state(one: Pipeline) -> str:
    if one.has_run_count or one.state.active:
        return one.state.value if one.run_count or one.state.active else "never ran"
    return ""


def _mark(pipeline: Pipeline, step: Step) -> str:
    if step.id and step.id == pipeline.failed_step_id:
        return "failed here"
    return pipeline.state.value if pipeline.state.active and step == pipeline.current_step else ""


def _minute(time: str) -> str:
    """Shorten a time as the API writes it to the minute; any other stays as it is."""
    return _TIME.sub(r"\1 \2Z", time)


def _second(time: str) -> str:
    return _TIME.sub(r"\1 \2\3Z", time)


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
