"""One word and one sign for each state of a run and of a step, for report and summary."""

from __future__ import annotations

from collections.abc import Mapping

from opsera_step.api import State
from opsera_step.runs import StepResult

NOT_STARTED, UNKNOWN = "not started", "unknown"

STATUS_WORDS: Mapping[str, str] = {
    "success": "succeeded",
    "failed": "failed",
    "stopped": "stopped",
    "paused": "waiting for approval",
    "running": "running",
    "timeout": "timed out",
    "cancelled": "cancelled",
    "error": "error",
}
"""Displayed states, by the values of the output `status`."""

ICONS: Mapping[str, str] = {
    "succeeded": "✓",
    "failed": "✕",
    "stopped": "■",
    "waiting for approval": "‖",
    "running": "▶",
    NOT_STARTED: "–",
    UNKNOWN: "?",
    "timed out": "✕",
    "cancelled": "■",
    "error": "!",
}
EMOJI: Mapping[str, str] = {
    "succeeded": "✅",
    "failed": "❌",
    "stopped": "⏹️",
    "waiting for approval": "⏸️",
    "running": "▶️",
    NOT_STARTED: "➖",
    UNKNOWN: "❔",
}


def step_word(step: StepResult) -> str:
    """Return the state of a step. What no record shows is unknown, and nothing else."""
    if step.state is None:
        return NOT_STARTED if step.not_started and step.started_at is None else UNKNOWN
    if step.state is State.UNKNOWN:
        return UNKNOWN
    return STATUS_WORDS[step.state.value]
