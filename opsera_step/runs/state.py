"""What is known of the run while a job works on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opsera_step.api import Ack, Pipeline, Run, RunStatus
from opsera_step.errors import ApiError
from opsera_step.runs.steps import RunDetails, StepHistory

STARTED, ATTACHED, WATCHED = "started", "attached", "watched"
"""How a job got its run: it started the run, attached to one, or was asked to watch one."""
ACTIVE_FOR = 70.0
"""Seconds for which an observation that the run is active holds; it is observed more often."""


class StopResult(NamedTuple):
    """What came of stopping a run."""

    sentence: str
    status: RunStatus | None = None
    """The run's status afterwards, if it is known; also if the run ended by itself."""
    failure: ApiError | None = None
    """Why the run could not be stopped; it may still be in progress."""
    ack: Ack | None = None
    """The API's response to the stop call, if it was sent and not refused."""
    is_queued: bool = False
    """Whether the run is still queued, and was left because it can't be withdrawn."""
    is_unknown: bool = False
    """Whether the run was left because it may be another one that is in progress."""


@dataclass
class RunState:
    """The run of a job. Written only by start, follow, and stop; read by everyone else."""

    pipeline: Pipeline | None = None
    before: int | None = None
    """Number of the latest run before ours was requested; None until then."""
    requested: bool = False
    """Whether the API may have accepted our request for a run."""
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
    history: StepHistory = field(default_factory=StepHistory)
    """The records of the run so far."""
    identities: frozenset[str] = frozenset()
    """IDs of the token's owner, who started our runs."""
    in_doubt_since: int | None = None
    """Number of the latest run before a request that got no usable response and after which
    another one was sent: a later run may be ours as well."""
    responses: dict[str, Any] = field(default_factory=dict)
    """The API's last responses to run, reset, stop, and status, as they came, by call."""

    _read_details: RunDetails | None = None

    @property
    def details(self) -> RunDetails:
        """What is known of the steps and times of the run so far, or was set."""
        if self._read_details is not None:
            return self._read_details
        if self.history.pipeline is None:
            self.history.pipeline = self.pipeline
        return self.history.details(self.run, self.status.state if self.status else None)

    @details.setter
    def details(self, details: RunDetails) -> None:
        self._read_details = details

    def is_active(self, now: float) -> bool:
        """Whether a stop call is known to hit this run: it was active a moment ago.

        A run that was started on an idle pipeline, and not observed since, has no other run ahead.
        """
        if self.active_at is None:
            return self.origin == STARTED and self.behind is None and self.status is None
        return now - self.active_at <= ACTIVE_FOR

    def observe(self, status: RunStatus, now: float) -> None:
        """Note what the status call returned."""
        self.status, self.responses["status"] = status, status.response
        is_active = status.state.active and not status.is_waiting
        self.active_at = now if is_active else None

    @classmethod
    def watching(cls, run: Run, pipeline: Pipeline | None = None) -> RunState:
        """Return the state for a run that already exists."""
        return cls(pipeline=pipeline, run=run, origin=WATCHED)
