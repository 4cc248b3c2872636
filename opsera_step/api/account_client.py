"""The calls of the customer API about tools, tasks and audit logs."""

from __future__ import annotations

from typing import TypeVar

from opsera_step.api.account import (
    Task,
    TaskRecord,
    TaskStatus,
    TokenUse,
    Tool,
    UserAction,
    parse_task,
    parse_task_status,
    parse_tool,
    read_task,
    read_task_record,
    read_token_use,
    read_tool,
    read_user_action,
)
from opsera_step.api.asking import Asking, granted, same
from opsera_step.api.endpoints import (
    TASK,
    TASK_LOGS,
    TASK_STATUS,
    TASKS,
    TOKEN_USES,
    TOOL,
    TOOL_UPDATE,
    TOOLS,
    USER_ACTIONS,
)
from opsera_step.api.fields import JsonObject
from opsera_step.api.listing import Listing
from opsera_step.clock import Deadline

T = TypeVar("T")


class AccountClient(Asking):
    """One short method a call, over the transport that the whole client has."""

    def tools(self, deadline: Deadline) -> Listing[Tool]:
        """List the tools that the token's owner sees; the API gives 1000 at most."""
        return self.call_list(TOOLS, deadline, read_tool)

    def tool(self, tool_id: str, deadline: Deadline) -> Tool:
        """Ask for a tool."""
        tool = self.call(TOOL, {"toolId": tool_id}, deadline, parse_tool)
        return same(tool, tool.id, tool_id, TOOL)

    def update_tool(self, tool_id: str, changes: JsonObject, deadline: Deadline) -> Tool | None:
        """Replace root properties of a tool; return it as it is then, None if that is not said.

        An answer that says something else is no reason to send the changes again.
        """
        data = self.ask(TOOL_UPDATE, {"toolId": tool_id, "tool": dict(changes)}, deadline)
        tool = parse_tool(data)
        if tool is None:
            granted(data, TOOL_UPDATE)
        return tool if tool is not None and tool.id.lower() == tool_id.lower() else None

    def user_actions(
        self, deadline: Deadline, *, date: str = "", kind: str = "", count: int | None = None
    ) -> Listing[UserAction]:
        """List what users changed: on a date (YYYY-MM-DD), else in the last seven days."""
        call = USER_ACTIONS.with_query(date=date, type=kind, count=count)
        return self.call_list(call, deadline, read_user_action)

    def token_uses(
        self, deadline: Deadline, *, date: str = "", scope: str = ""
    ) -> Listing[TokenUse]:
        """List for what tokens were used: on a date, else in the last seven days."""
        call = TOKEN_USES.with_query(date=date, scope=scope)
        return self.call_list(call, deadline, read_token_use)

    def tasks(self, deadline: Deadline) -> Listing[Task]:
        """List the tasks that the token's owner may use."""
        return self.call_list(TASKS, deadline, read_task)

    def task(self, task_id: str, deadline: Deadline) -> Task:
        """Ask for a task."""
        task = self.call(TASK, {"taskId": task_id}, deadline, parse_task)
        return same(task, task.id, task_id, TASK)

    def task_status(self, task_id: str, deadline: Deadline) -> TaskStatus:
        """Ask how a task's newest run stands."""
        return self.call(TASK_STATUS, {"taskId": task_id}, deadline, parse_task_status)

    def task_logs(
        self,
        task_id: str,
        deadline: Deadline,
        *,
        run_count: int | None = None,
        page: int | None = None,
        count: int | None = None,
    ) -> Listing[TaskRecord]:
        """Ask for one page of a task's log."""
        call = TASK_LOGS.with_query(taskId=task_id, runCount=run_count, page=page, count=count)
        return self.call_list(call, deadline, read_task_record)
