"""The calls on tasks and their logs."""

from __future__ import annotations

from opsera_step.simulator.calling import (
    LIST_LIMIT,
    Ask,
    Call,
    Done,
    counted,
    counting_number,
    identifier,
    not_found,
    require_access,
    shown,
)
from opsera_step.simulator.tasks import Task
from opsera_step.simulator.wire import json_answer, text_answer

_READING = ("api", "api-readonly", "tasks", "tasks-readonly")
_LOGS = ("api", "security-logs", "tasks", "tasks-readonly")


def _tasks(ask: Ask) -> Done:
    world = ask.world
    ours = [one for one in world.tasks.values() if world.accounts.may_use(ask.member, one.spec)]
    return counted(world, [one.describe(world.now, world.switches) for one in ours])


def _summary(ask: Ask) -> Done:
    return shown(ask.world, _task(ask).describe(ask.world.now, ask.world.switches))


def _status(ask: Ask) -> Done:
    state = str(_task(ask).describe(ask.world.now, ask.world.switches)["status"])
    bare = ask.world.switches.task_status == "text"
    return Done(text_answer(state) if bare else json_answer(state))


def _logs(ask: Ask) -> Done:
    world = ask.world
    run_count = _run_count(ask.sent("runCount"))
    size = min(LIST_LIMIT, counting_number(ask.sent("count"), "count", LIST_LIMIT))
    page = _page(ask)
    records = _task(ask).records(world.now, world.switches, run_count)
    if world.switches.task_log_order == "newest_first":
        records.reverse()
    return counted(world, records, start=page * size, size=size)


def _page(ask: Ask) -> int:
    first = 1 if ask.world.switches.first_page == "one" else 0
    return counting_number(ask.sent("page"), "page", first, least=first) - first


def _run_count(value: object) -> int | None:
    return None if value is None else counting_number(value, "runCount")


ROUTES: dict[tuple[str, str], Call] = {
    ("GET", "/api/v1/tasks"): Call("tasks", _READING, _tasks),
    ("POST", "/api/v1/tasks/summary"): Call("task_summary", _READING, _summary),
    ("POST", "/api/v1/tasks/status"): Call("task_status", _READING, _status),
    ("GET", "/api/v1/logs/task"): Call("task_logs", _LOGS, _logs),
}
"""The calls on tasks by method and path."""


def _task(ask: Ask) -> Task:
    task_id = identifier(ask.sent("taskId"), "taskId")
    task = ask.world.tasks.get(task_id)
    if task is None:
        raise not_found(ask.world, f"Task {task_id}")
    require_access(ask, task.spec)
    return task
