"""What can happen while a run is started and followed: the vocabulary between the core and render.

Plain data. Durations are in seconds; texts are as the API gave them, not yet safe to print. Named
tuples, since each start makes these classes anew, and a dataclass takes several times as long; but
one has a `count`, as tuples have.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from opsera_step.api import Run, RunStatus, State, Step


class Note(NamedTuple):
    """Something that the user should know, in a sentence of ours."""

    text: str
    warning: bool = False


class RunKnown(NamedTuple):
    """The run to follow is known: it was started, or is one that was going."""

    run: Run
    started: bool
    message: str = ""


class Answered(NamedTuple):
    """The API answered a call that changes something: the call's word, the answer as it came."""

    call: str
    whole: Any


class Queued(NamedTuple):
    """Our run waits for an earlier one."""

    behind: int


class StateChanged(NamedTuple):
    """The status call said something else than before."""

    status: RunStatus
    before: State | None


class PausedAt(NamedTuple):
    """The run waits for somebody; the gate is None where it can't be known."""

    gate: Step | None
    message: str


class LogLines(NamedTuple):
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


class Trouble(NamedTuple):
    """The API has not answered well for a while; it is asked again, for `left` seconds at most."""

    what: str
    lasting: float
    left: float = float("inf")


class Recovered(NamedTuple):
    """The API answers again."""

    after: float


class Heartbeat(NamedTuple):
    """Nothing was shown for a while: what is going on; `silent` is seconds without any change."""

    status: RunStatus | None
    step: Step | None
    queued_behind: int | None
    silent: float
    trouble: str


class Tick(NamedTuple):
    """Time passed; for a display that moves."""


class EndReason(Enum):
    """Why following ended."""

    FINAL = "final"
    PAUSED = "paused"
    TIMEOUT = "timeout"
    LOST = "lost"


class Ended(NamedTuple):
    """Following is over; `log_complete` says whether every line was seen."""

    reason: EndReason
    status: RunStatus | None
    log_complete: bool
    detail: str = ""


Event = (
    Note
    | RunKnown
    | Answered
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
