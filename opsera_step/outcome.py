"""How it ended: the outcome, and the outputs that follow from it. Plain data, no effects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsera_step.api import State
from opsera_step.errors import ExitCode
from opsera_step.runs import StepResult

OUTPUTS: Mapping[str, str] = {
    "runCount": "The number of the run.",
    "status": (
        "How it ended: success, failed, stopped, paused, running, timeout, cancelled or error."
    ),
    "message": "What Opsera, or opsera-step, says about it, in a sentence.",
    "pipelineId": "The pipeline's ID.",
    "pipelineName": "The pipeline's name.",
    "url": "Address of the pipeline's page in Opsera.",
    "duration": "How long it was followed, in seconds.",
    "failedStep": "Name of the step that failed, if one did and it is known.",
    "logLines": "How many lines of the log were read.",
    "logComplete": "true when every line of the log was seen up to its end, else false.",
    "result": "The whole outcome as JSON.",
}
"""The names of all outputs, and what they mean."""

SCHEMA_VERSION = 1
"""Of the outcome as JSON, which docs/result.schema.json describes."""

EXIT_CODE_OF_STATE = {
    State.SUCCESS: ExitCode.SUCCESS,
    State.FAILED: ExitCode.FAILED,
    State.STOPPED: ExitCode.FAILED,
    State.PAUSED: ExitCode.PAUSED,
}


@dataclass(frozen=True)
class Outcome:
    """The result of a job; `status` is a word of the outputs, `duration` is in seconds."""

    status: str
    exit_code: int
    message: str = ""
    hint: str = ""
    pipeline_id: str = ""
    pipeline_name: str = ""
    run_count: int | None = None
    url: str = ""
    duration: float = 0.0
    failed_step: str = ""
    log_lines: int = 0
    log_complete: bool = False
    steps: tuple[StepResult, ...] = ()
    waits_for: str = ""
    """The gate at which a run paused, if it is known."""
    reason: str = ""
    """What the failed step's own record says."""
    answer: str = ""
    """The answer to a question, as JSON."""

    def but(self, **changes: Any) -> Outcome:
        """Return this outcome with some fields changed."""
        return replace(self, **changes)

    @property
    def is_decided(self) -> bool:
        """Whether somebody has decided on the gate since the run paused there."""
        gate = (step.state for step in self.steps if step.name == self.waits_for)
        return self.status == "paused" and any(state and state.final for state in gate)

    def to_json(self) -> dict[str, Any]:
        """Return the whole outcome for the output `result` and for result.json."""
        return {
            "schemaVersion": SCHEMA_VERSION,
            "status": self.status,
            "exitCode": int(self.exit_code),
            "message": self.message,
            "hint": self.hint,
            "pipelineId": self.pipeline_id,
            "pipelineName": self.pipeline_name,
            "runCount": self.run_count,
            "url": self.url,
            "duration": round(self.duration, 1),
            "failedStep": self.failed_step,
            "reason": self.reason,
            "waitsFor": "" if self.is_decided else self.waits_for,
            "logLines": self.log_lines,
            "logComplete": self.log_complete,
            "steps": [step.to_json() for step in self.steps],
        }

    def early_outputs(self) -> dict[str, str]:
        """Return what is written as soon as the run is known."""
        return {"runCount": str(self.run_count or ""), "url": self.url}

    def outputs(self) -> dict[str, str]:
        """Return all outputs as text."""
        return {
            **self.early_outputs(),
            "status": self.status,
            "message": self.message,
            "pipelineId": self.pipeline_id,
            "pipelineName": self.pipeline_name,
            "duration": str(round(self.duration)),
            "failedStep": self.failed_step,
            "logLines": str(self.log_lines),
            "logComplete": "true" if self.log_complete else "false",
            "result": self.answer
            or json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":")),
        }
