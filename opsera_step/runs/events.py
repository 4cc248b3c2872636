"""What can happen while a run is started and followed.

Plain data. Durations are in seconds; texts are as the API sent them and not yet safe to print.
Named tuples rather than dataclasses, because creating these classes is part of every start-up.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from opsera_step.api import Run, RunStatus, State, Step
from opsera_step.runs.steps import RunDetails


class Note(NamedTuple):
    """Something that the user should know, as a sentence."""

    text: str
    warning: bool = False


class RunKnown(NamedTuple):
    """The run to follow is known: it was started, or it already existed."""

    run: Run
    started: bool
    message: str = ""


class Queued(NamedTuple):
    """Our run waits for an earlier one."""

    behind: int


class StateChanged(NamedTuple):
    """The status call returned another status or message than before."""

    status: RunStatus
    before: State | None


class PausedAt(NamedTuple):
    """The run is waiting for approval; `step` is None if the approval step is unknown."""

    step: Step | None
    message: str
    since: float | None = None
    """When it paused, in seconds since 1970 UTC; None if no record shows it."""
    user: str = ""
    """Who was asked to approve, if a record carries a name."""


class LogLines(NamedTuple):
    """New lines of the log, in order, from one record of one step."""

    step_id: str
    step_name: str
    tool: str
    lines: tuple[str, ...]
    created: float | None = None
    """Time of the record in seconds since 1970 UTC."""


class LinesMissing(NamedTuple):
    """Log records are out of reach at this point."""

    too_large: bool = False
    """Whether a response was too large to be read whole."""


class Retrying(NamedTuple):
    """API calls have been failing for a while; they are retried."""

    error: str
    elapsed: float
    """Seconds since the first failure."""
    remaining: float = float("inf")
    """Seconds for which the calls are retried at most."""
    wait: float = 0.0
    """Seconds until the next attempt, if the API asked for a long wait; else 0."""


class Recovered(NamedTuple):
    """The API answers again."""

    elapsed: float


class Heartbeat(NamedTuple):
    """Nothing was shown for a while: what is in progress."""

    status: RunStatus | None
    step: Step | None
    queued_behind: int | None
    idle_seconds: float
    """Seconds without a new line of the log."""
    error: str
    """Why the status can't be read at the moment; empty if it can."""
    log_error: str = ""
    """Why the log can't be read at the moment; empty if it can."""


class Tick(NamedTuple):
    """Time passed; for a display that moves."""


class EndReason(Enum):
    """Why following ended."""

    FINAL = "final"
    PAUSED = "paused"
    TIMEOUT = "timeout"
    LOST = "lost"


class Ended(NamedTuple):
    """Following is over; `log_complete` is true only if every line was seen."""

    reason: EndReason
    status: RunStatus | None
    log_complete: bool
    detail: str = ""
    """Technical reason, for TIMEOUT and LOST."""
    details: RunDetails = RunDetails()
    """What is known about the steps and the times of the run."""


Event = (
    Note
    | RunKnown
    | Queued
    | StateChanged
    | PausedAt
    | LogLines
    | LinesMissing
    | Retrying
    | Recovered
    | Heartbeat
    | Tick
    | Ended
)
