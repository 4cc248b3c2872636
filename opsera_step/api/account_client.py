"""The endpoints for tools, tasks, and audit logs."""

from __future__ import annotations

from opsera_step.api.account import (
    AccountObject,
    AuditEntry,
    TaskRecord,
    TaskStatus,
    parse_account_object,
    parse_task_status,
    read_account_object,
    read_task_record,
)
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
from opsera_step.api.transport import Caller
from opsera_step.clock import Deadline


class AccountClient(Caller):
    """One short method per endpoint, over the transport of the client."""

    def tools(self, deadline: Deadline) -> Listing[AccountObject]:
        """List the tools that the token's owner may see; the API returns at most 1000."""
        return self.call_list(TOOLS, deadline, read_account_object)

    def tool(self, tool_id: str, deadline: Deadline) -> AccountObject:
        """Get a tool."""
        tool = self.call(TOOL, {"toolId": tool_id}, deadline, parse_account_object)
        return self.check_id(tool, tool.id, tool_id, TOOL)

    def update_tool(
        self, tool_id: str, changes: JsonObject, deadline: Deadline
    ) -> AccountObject | None:
        """Replace root properties of a tool; return the tool after that, None if it is not shown.

        A response that shows something else is no reason to send the changes again.
        """
        body = {"toolId": tool_id, "tool": dict(changes)}
        data = self._transport.send(TOOL_UPDATE, body, deadline).data
        tool = parse_account_object(data)
        if tool is None:
            self.raise_if_refused(data, TOOL_UPDATE)
        return tool if tool is not None and tool.id.lower() == tool_id.lower() else None

    def user_actions(
        self, deadline: Deadline, *, date: str = "", kind: str = "", count: int | None = None
    ) -> Listing[AuditEntry]:
        """List user activity: of a date (YYYY-MM-DD), else of a week."""
        query = {"date": date, "type": kind, "count": count}
        return self.call_list(USER_ACTIONS.with_query(**query), deadline, AuditEntry)

    def token_uses(
        self, deadline: Deadline, *, date: str = "", scope: str = ""
    ) -> Listing[AuditEntry]:
        """List token usage; see `user_actions`."""
        endpoint = TOKEN_USES.with_query(date=date, scope=scope)
        return self.call_list(endpoint, deadline, AuditEntry)

    def tasks(self, deadline: Deadline) -> Listing[AccountObject]:
        """List the tasks that the token's owner may use."""
        return self.call_list(TASKS, deadline, read_account_object)

    def task(self, task_id: str, deadline: Deadline) -> AccountObject:
        """Get a task."""
        task = self.call(TASK, {"taskId": task_id}, deadline, parse_account_object)
        return self.check_id(task, task.id, task_id, TASK)

    def task_status(self, task_id: str, deadline: Deadline) -> TaskStatus:
        """Get the status of a task's latest run."""
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
        """Get one page of a task's log."""
        query = {"taskId": task_id, "runCount": run_count, "page": page, "count": count}
        return self.call_list(TASK_LOGS.with_query(**query), deadline, read_task_record)
