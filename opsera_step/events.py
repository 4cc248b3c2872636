"""What can happen while a run is started and followed: the vocabulary between the core and render.

Plain data. Durations are in seconds; texts are as the API gave them, not yet safe to print.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from opsera_step.models import Run, RunStatus, State, Step


@dataclass(frozen=True)
class Note:
    """Something that the user should know, in a sentence of ours."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class RunKnown:
    """The run to follow is known: it was started, or is one that was going."""

    run: Run
    started: bool
    message: str = ""


@dataclass(frozen=True)
class Queued:
    """Our run waits for an earlier one."""

    behind: int


@dataclass(frozen=True)
class StateChanged:
    """The status call said something else than before."""

    status: RunStatus
    before: State | None


@dataclass(frozen=True)
class PausedAt:
    """The run waits for somebody; the gate is None where it can't be known."""

    gate: Step | None
    message: str


@dataclass(frozen=True)
class LogLines:
    """New lines of the log, in order, from one step."""

    step_id: str
    step_name: str
    tool: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class LinesMissing:
    """Records of the log are out of reach; `count` is how many at most, None if nobody knows."""

    count: int | None
    estimated: bool


@dataclass(frozen=True)
class Trouble:
    """The API has not answered well for a while; it is asked again."""

    what: str
    lasting: float


@dataclass(frozen=True)
class Recovered:
    """The API answers again."""

    after: float


@dataclass(frozen=True)
class Heartbeat:
    """Nothing was shown for a while: what is going on; `silent` is seconds without any change."""

    status: RunStatus | None
    step: Step | None
    queued_behind: int | None
    silent: float
    trouble: str


@dataclass(frozen=True)
class Tick:
    """Time passed; for a display that moves."""


class EndReason(Enum):
    """Why following ended."""

    FINAL = "final"
    PAUSED = "paused"
    TIMEOUT = "timeout"
    LOST = "lost"


@dataclass(frozen=True)
class Ended:
    """Following is over; `log_complete` says whether every line was seen."""

    reason: EndReason
    status: RunStatus | None
    log_complete: bool
    detail: str = ""


Event = (
    Note
    | RunKnown
    | Queued
    | StateChanged
    | PausedAt
    | LogLines
    | LinesMissing
    | Trouble
    | Recovered
    | Heartbeat
    | Tick
    | Ended
)
