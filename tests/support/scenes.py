"""Small scenarios for the simulator."""

from __future__ import annotations

from typing import Any

Scenario = dict[str, Any]


def step(name: str, *log: dict[str, Any], tool: str = "jenkins", **rest: Any) -> dict[str, Any]:
    """Return a step of a plan."""
    return {"name": name, "tool": tool, "log": list(log), **rest}


def prints(*lines: str, every: float = 0.5) -> dict[str, Any]:
    """Return log records of one line each."""
    return {"lines": list(lines), "every": every}


def scenario(*steps: dict[str, Any], **rest: Any) -> Scenario:
    """Return a scenario with one pipeline, “Deploy shop”, that has run 41 times."""
    pipeline = {"name": "Deploy shop", "run_count": 41, "plan": list(steps)}
    return {"pipelines": [pipeline], **rest}


BUILD = step("Build", prints("compiling", "linking", "built"))
PASSES = scenario(BUILD, step("Deploy", prints("rolled out"), tool="kubernetes"))
FAILS = scenario(
    BUILD,
    step("Unit tests", prints("test_cart FAILED", "1 failed"), result="failed", message="1 failed"),
    step("Deploy", prints("never")),
)
GATE = step("Approve production", tool="approval", gate={"decision": "wait"})
PAUSES = scenario(BUILD, GATE, step("Deploy", prints("rolled out")))
APPROVED_LATER = scenario(
    BUILD,
    step("Approve production", tool="approval", gate={"decision": "approve", "after": 300}),
    step("Deploy", prints("rolled out")),
)
SLOW = scenario(step("Build", prints("working"), duration=3600))

OUTPUTS = (
    "runCount", "status", "message", "pipelineId", "pipelineName", "url", "duration",
    "startedAt", "finishedAt",
    "failedStep", "logLines", "logComplete", "result",
)  # fmt: skip
