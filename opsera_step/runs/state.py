"""What is known of the run while a job works on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opsera_step.api import Pipeline, Run, RunStatus
from opsera_step.runs.stop import StopResult

STARTED, ATTACHED, WATCHED = "started", "attached", "watched"
"""How a job got its run: it started the run, attached to one, or was asked to watch one."""
ACTIVE_FOR = 70.0
"""Seconds for which an observation that the run is active holds; it is observed more often."""


@dataclass
class RunState:
    """The run of a job. Written only by start, follow, and stop; read by everyone else."""

    pipeline: Pipeline | None = None
    before: int | None = None
    """Number of the latest run before ours was requested; None until then."""
    requested: bool = False
    """Whether the API may have accepted a request for a run of ours."""
    run: Run | None = None
    origin: str = ""
    """STARTED, ATTACHED, or WATCHED; empty until the run is known."""
    behind: int | None = None
    """Number of the run that may have to end before ours starts."""
    status: RunStatus | None = None
    """The last status observed."""
    active_at: float | None = None
    """Monotonic time, in seconds, of the last observation that this very run is active."""
    stop: StopResult | None = None
    """What came of stopping the run."""
    responses: dict[str, Any] = field(default_factory=dict)
    """The API's last responses to run, reset, stop, and status, as they came, by call."""

    def is_active(self, now: float) -> bool:
        """Whether a stop call is known to hit this run: it was active a moment ago."""
        return self.active_at is not None and now - self.active_at <= ACTIVE_FOR
