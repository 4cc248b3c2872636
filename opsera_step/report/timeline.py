"""When each step of a run went on, as places on a scale from 0 to 1000. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsera_step.api import State
from opsera_step.runs import StepResult

SCALE = 1000
_THINNEST = 6
_MOST_TICKS = 5
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_DISTANCES = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * number for number in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * number for number in (1, 2, 3, 6, 12)),
    *(_DAY * number for number in (1, 2, 5, 10, 30, 100)),
)


@dataclass(frozen=True)
class Bar:
    """One step on the scale; `wait` is how wide the part is, at its end, in which it waited.

    `start` and `took` are in seconds from the beginning of the run's first step.
    """

    x: int
    width: int
    wait: int
    start: float
    took: float
    is_open: bool
    """Whether it had not ended."""


@dataclass(frozen=True)
class Timeline:
    """The bars of all steps, None where nothing tells; `ticks` are places and their seconds."""

    bars: tuple[Bar | None, ...]
    ticks: tuple[tuple[int, int], ...] = ()
    began: float | None = None
    length: float = 0.0


def timeline(steps: Sequence[StepResult]) -> Timeline:
    """Lay the steps out over the time from the first one's beginning to the last one's end."""
    known = [one for one in steps if one.started_at is not None and one.seconds is not None]
    if not known:
        return Timeline((None,) * len(steps))
    began = min(one.started_at or 0.0 for one in known)
    length = max((one.started_at or 0.0) + (one.seconds or 0.0) for one in known) - began
    bars = tuple(_bar(one, began, length) if one in known else None for one in steps)
    return Timeline(bars, _ticks(length), began, length)


def _bar(step: StepResult, began: float, length: float) -> Bar:
    start, took = (step.started_at or 0.0) - began, step.seconds or 0.0
    is_open = step.state in (State.RUNNING, State.PAUSED)
    x = min(_scaled(start, length), SCALE - _THINNEST)
    width = SCALE - x if is_open else max(_THINNEST, _scaled(took, length))
    width = min(width, SCALE - x)
    wait = min(width, _scaled(step.waited or 0.0, length))
    return Bar(x, width, width if step.state is State.PAUSED else wait, start, took, is_open)


def _scaled(seconds: float, length: float) -> int:
    return round(SCALE * seconds / length) if length > 0 else 0


def _ticks(length: float) -> tuple[tuple[int, int], ...]:
    fitting = (one for one in _DISTANCES if length / one <= _MOST_TICKS)
    distance = next(fitting, _DISTANCES[-1])
    count = min(_MOST_TICKS, int(length // distance))
    return tuple((_scaled(n * distance, length), n * distance) for n in range(1, count + 1))
