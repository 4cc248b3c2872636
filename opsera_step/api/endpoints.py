"""The endpoints of the customer API: paths, scopes, and which of them may be called twice."""

from __future__ import annotations

from typing import NamedTuple

LIST_LIMIT = 1000
"""The most records that a list endpoint returns (API page)."""

SCOPE_LABELS = {
    "api": "API Access",
    "api-readonly": "API Access (Read Only)",
    "pipeline": "Pipeline Access",
    "pipeline-readonly": "Pipeline Access (Read Only)",
    "registry": "Tool Registry Access",
    "registry-readonly": "Tool Registry Access (Read Only)",
    "tasks": "Tasks Access",
    "tasks-readonly": "Tasks Access (Read Only)",
    "security-logs": "Security Logs (Read Only)",
}
"""Scopes as the platform stores them, with their labels in its token dialog."""

_PIPELINE = ("pipeline", "api")
_PIPELINE_LOGS = ("pipeline-readonly", *_PIPELINE)
_REGISTRY = ("registry", "api")
_AUDIT = ("security-logs", "api")
_TASKS = ("api",)


class Endpoint(NamedTuple):
    """An endpoint of the API. Its reads are POST too, so each states whether it is repeatable."""

    method: str
    path: str
    action: str
    """What a request does, for messages: “Opsera denied the request to …”."""
    repeatable: bool
    """Whether sending the request twice does no harm."""
    scopes: tuple[str, ...] = ()
    """The token scopes that the API page lists. Others may work; this is not known."""
    resource: str = "pipeline"
    """What it is about."""
    needs_power_user: bool = False
    """Whether the token's owner needs the Power User role."""
    may_be_text: bool = False
    """Whether the response may be a bare string instead of JSON."""
    max_values: int = 500_000
    """The most JSON values that are accepted in a response."""
    query: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The path without its prefix: pipeline/run."""
        return self.path.removeprefix("/api/v1/").removeprefix("/api/")

    def with_query(self, **values: str | int | None) -> Endpoint:
        """Return this endpoint with those query parameters that have a value."""
        given = ((name, str(value)) for name, value in values.items() if value not in ("", None))
        return self._replace(query=tuple(given))


# fmt: off
RUN = Endpoint("POST", "/api/v1/pipeline/run", "start the run", False, _PIPELINE)
STATUS = Endpoint("POST", "/api/v1/pipeline/status", "read the run status", True, _PIPELINE_LOGS)
SUMMARY = Endpoint("POST", "/api/v1/pipeline/summary", "read the pipeline", True, _PIPELINE)
LOGS = Endpoint(
    "POST", "/api/v1/pipeline/logs", "read the log", True, _PIPELINE_LOGS, max_values=200_000
)
# A second stop might hit the next run, so it is not repeated blindly.
STOP = Endpoint("POST", "/api/v1/pipeline/stop", "stop the run", False, _PIPELINE)
RESET = Endpoint("POST", "/api/v1/pipeline/reset", "reset the pipeline", True, _PIPELINE)
PIPELINES = Endpoint(
    "GET", "/api/v1/pipeline/pipelines", "list the pipelines", True, _PIPELINE,
    needs_power_user=True, max_values=2_000_000,
)
# A second approval might hit the next approval step.
ACTIONS = Endpoint("POST", "/api/v2/actions", "act on the run", False, _PIPELINE)
TOOLS = Endpoint(
    "GET", "/api/v1/registry/tools", "list the tools", True, _REGISTRY, "tool",
    needs_power_user=True, max_values=2_000_000,
)
TOOL = Endpoint("POST", "/api/v1/registry/summary", "read the tool", True, _REGISTRY, "tool")
# The same values twice make the same tool; only a change made in between would be lost.
TOOL_UPDATE = Endpoint(
    "POST", "/api/v1/registry/update", "update the tool", True, _REGISTRY, "tool"
)
USER_ACTIONS = Endpoint(
    "GET", "/api/v1/logs/user/actions", "list user activity", True, _AUDIT, "audit log",
    needs_power_user=True, max_values=2_000_000,
)
TOKEN_USES = Endpoint(
    "GET", "/api/v1/logs/user/tokens", "list token usage", True, _AUDIT, "audit log",
    needs_power_user=True, max_values=2_000_000,
)
TASKS = Endpoint(
    "GET", "/api/v1/tasks", "list the tasks", True, _TASKS, "task", max_values=2_000_000
)
TASK = Endpoint("POST", "/api/v1/tasks/summary", "read the task", True, _TASKS, "task")
TASK_STATUS = Endpoint(
    "POST", "/api/v1/tasks/status", "read the task status", True, _TASKS, "task", may_be_text=True
)
TASK_LOGS = Endpoint(
    "GET", "/api/v1/logs/task", "read the task log", True, _AUDIT, "task", max_values=2_000_000
)

ENDPOINTS = (
    RUN, STATUS, RESET, STOP, SUMMARY, LOGS, PIPELINES, TOOLS, TOOL, TOOL_UPDATE,
    USER_ACTIONS, TOKEN_USES, TASKS, TASK, TASK_STATUS, TASK_LOGS,
)
"""The endpoints of the API page."""
# fmt: on


def endpoint_of(method: str, path: str) -> Endpoint:
    """Return the known endpoint of a path, else one that may be repeated only if it reads."""
    for known in (*ENDPOINTS, ACTIONS):
        if (known.method, known.path) == (method, path):
            return known
    is_read = method in ("GET", "HEAD")
    return Endpoint(method, path, f"call {path}", is_read, resource="", max_values=2_000_000)


def describe_scopes(scopes: tuple[str, ...]) -> str:
    """Name scopes with their labels: “Pipeline Access (pipeline) or API Access (api)”."""
    named = [f"{SCOPE_LABELS[one]} ({one})" if one in SCOPE_LABELS else one for one in scopes]
    if len(named) < 3:
        return " or ".join(named)
    return f"{', '.join(named[:-1])}, or {named[-1]}"
