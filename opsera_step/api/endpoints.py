"""The calls of the customer API: where each is, whether it may be sent twice, who may send it."""

from __future__ import annotations

from dataclasses import dataclass, replace

LIST_LIMIT = 1000
"""Most records that a list call gives (API page)."""

_API = ("api",)
_READ_API = ("api", "api-readonly")
_PIPELINE = ("pipeline", *_API)
_READ_PIPELINE = ("pipeline-readonly", "pipeline", *_READ_API)
_REGISTRY = ("registry", *_API)
_READ_REGISTRY = ("registry-readonly", "registry", *_READ_API)
_READ_TASKS = ("tasks-readonly", "tasks", *_READ_API)
_TASK_LOGS = ("tasks-readonly", "tasks", "security-logs", *_API)
_AUDIT = ("security-logs", *_API)


@dataclass(frozen=True)
class Endpoint:
    """A call of the API, and whether sending it twice does no harm (the API's reads are POST)."""

    method: str
    path: str
    repeatable: bool
    scopes: tuple[str, ...] = ()
    """The scopes with which a token may send it (API page)."""
    resource: str = "pipeline"
    """What it is about, in a word."""
    needs_power_user: bool = False
    """Whether it takes the Power User role, whatever else the token's owner has access to."""
    may_be_text: bool = False
    """Whether the answer may be a bare word rather than JSON."""
    query: tuple[tuple[str, str], ...] = ()
    """What is asked for in the address."""

    def with_query(self, **values: str | int | None) -> Endpoint:
        """Return this call with those parameters in its address that have a value."""
        given = ((name, str(one)) for name, one in values.items() if one not in ("", None))
        return replace(self, query=tuple(given))


RUN = Endpoint("POST", "/api/v1/pipeline/run", repeatable=False, scopes=_PIPELINE)
STATUS = Endpoint("POST", "/api/v1/pipeline/status", repeatable=True, scopes=_READ_PIPELINE)
SUMMARY = Endpoint("POST", "/api/v1/pipeline/summary", repeatable=True, scopes=_READ_PIPELINE)
LOGS = Endpoint("POST", "/api/v1/pipeline/logs", repeatable=True, scopes=_READ_PIPELINE)
# A second stop might hit the next run, so it is not repeated blindly.
STOP = Endpoint("POST", "/api/v1/pipeline/stop", repeatable=False, scopes=_PIPELINE)
RESET = Endpoint("POST", "/api/v1/pipeline/reset", repeatable=True, scopes=_PIPELINE)
PIPELINES = Endpoint(
    "GET", "/api/v1/pipeline/pipelines", repeatable=True,
    scopes=_READ_PIPELINE, needs_power_user=True,
)  # fmt: skip
TOOLS = Endpoint(
    "GET", "/api/v1/registry/tools", repeatable=True,
    scopes=_READ_REGISTRY, resource="tool", needs_power_user=True,
)  # fmt: skip
TOOL = Endpoint(
    "POST", "/api/v1/registry/summary", repeatable=True, scopes=_READ_REGISTRY, resource="tool"
)
# The same values twice are the same tool; only what somebody wrote in between would be lost.
TOOL_UPDATE = Endpoint(
    "POST", "/api/v1/registry/update", repeatable=True, scopes=_REGISTRY, resource="tool"
)
USER_ACTIONS = Endpoint(
    "GET", "/api/v1/logs/user/actions", repeatable=True,
    scopes=_AUDIT, resource="audit log", needs_power_user=True,
)  # fmt: skip
TOKEN_USES = Endpoint(
    "GET", "/api/v1/logs/user/tokens", repeatable=True,
    scopes=_AUDIT, resource="audit log", needs_power_user=True,
)  # fmt: skip
TASKS = Endpoint("GET", "/api/v1/tasks", repeatable=True, scopes=_READ_TASKS, resource="task")
TASK = Endpoint(
    "POST", "/api/v1/tasks/summary", repeatable=True, scopes=_READ_TASKS, resource="task"
)
TASK_STATUS = Endpoint(
    "POST", "/api/v1/tasks/status", repeatable=True,
    scopes=_READ_TASKS, resource="task", may_be_text=True,
)  # fmt: skip
TASK_LOGS = Endpoint(
    "GET", "/api/v1/logs/task", repeatable=True, scopes=_TASK_LOGS, resource="task"
)

ENDPOINTS = (
    RUN, STATUS, RESET, STOP, SUMMARY, LOGS, PIPELINES, TOOLS, TOOL, TOOL_UPDATE,
    USER_ACTIONS, TOKEN_USES, TASKS, TASK, TASK_STATUS, TASK_LOGS,
)  # fmt: skip
"""All calls of the customer API."""
