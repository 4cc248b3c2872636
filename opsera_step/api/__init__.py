"""The customer API over HTTP. Nothing of requests or urllib3 gets out of here."""

from opsera_step.api.account import Task, TaskRecord, TokenUse, Tool, UserAction
from opsera_step.api.client import OpseraClient
from opsera_step.api.endpoints import (
    CALLS,
    LIST_LIMIT,
    LOGS,
    PIPELINES,
    RUN,
    STATUS,
    SUMMARY,
    TASKS,
    TOOL_UPDATE,
    TOOLS,
    USER_ACTIONS,
    Call,
)
from opsera_step.api.fields import JsonObject, format_timestamp, object_at, text_at
from opsera_step.api.listing import Listing
from opsera_step.api.models import (
    CONSOLE_OUTPUT,
    Ack,
    LogRecord,
    Pipeline,
    Run,
    RunResponse,
    RunStatus,
    State,
    Step,
    state_of,
)
from opsera_step.api.task_pages import read_pages
from opsera_step.api.token import (
    TokenFacts,
    expiry_warning,
    explain_malformed,
    format_span,
    read_token,
)
from opsera_step.api.wording import HINT_OF_OTHERS

__all__ = [
    "CALLS",
    "CONSOLE_OUTPUT",
    "HINT_OF_OTHERS",
    "LIST_LIMIT",
    "LOGS",
    "PIPELINES",
    "RUN",
    "STATUS",
    "SUMMARY",
    "TASKS",
    "TOOLS",
    "TOOL_UPDATE",
    "USER_ACTIONS",
    "Ack",
    "Call",
    "JsonObject",
    "Listing",
    "LogRecord",
    "OpseraClient",
    "Pipeline",
    "Run",
    "RunResponse",
    "RunStatus",
    "State",
    "Step",
    "Task",
    "TaskRecord",
    "TokenFacts",
    "TokenUse",
    "Tool",
    "UserAction",
    "expiry_warning",
    "explain_malformed",
    "format_span",
    "format_timestamp",
    "object_at",
    "read_pages",
    "read_token",
    "state_of",
    "text_at",
]
