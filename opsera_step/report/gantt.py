"""The steps of a run over time, as a Mermaid chart for Markdown. Pure.

A name is only letters, digits and a few signs here: Mermaid has no way to quote one, and takes
colons, semicolons, number signs and words at the start of a line for its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from opsera_step.api import State
from opsera_step.outcome import SIGNS
from opsera_step.runs import StepResult

MOST_BARS = 30
"""Bars that can be told apart at a glance; of more steps the longest are shown."""

_NAME = 32
_THINNEST = 0.004
_SHORT = 3600
_ALLOWED = frozenset(" .,_-/()+='")
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_INTERVALS = [
    (count * seconds, unit)
    for unit, seconds in _UNITS.items()
    for count in (1, 2, 5, 10, 15, 30)
    if unit not in ("hour", "day") or count in (1, 2, 5, 10)
]
_MOST_TICKS = 8
_KINDS = {
    State.SUCCESS: "done, ",
    State.FAILED: "crit, ",
    State.STOPPED: "crit, done, ",
    State.PAUSED: "active, ",
    State.RUNNING: "active, ",
}


def gantt(steps: Sequence[StepResult]) -> tuple[list[str], int]:
    """Return the chart's lines and how many steps it shows; none where no times are known."""
    known = [step for step in steps if step.started_at is not None and step.seconds is not None]
    if not known:
        return [], 0
    shown = sorted(known, key=_weight, reverse=True)[:MOST_BARS]
    shown = [step for step in known if any(step is one for one in shown)]
    began = min(_began(step) for step in shown)
    length = max(_began(step) + (step.seconds or 0.0) for step in shown) - began
    lines = [
        "gantt",
        "    dateFormat x",
        f"    axisFormat {'%H:%M:%S' if length < _SHORT else '%H:%M'}",
        f"    tickInterval {_interval(length)}",
        "    todayMarker off",
        *(_bar(step, max(1.0, length * _THINNEST)) for step in shown),
    ]
    return lines, len(shown)


def _interval(length: float) -> str:
    fitting = (one for one in _INTERVALS if length / one[0] <= _MOST_TICKS)
    seconds, unit = next(fitting, _INTERVALS[-1])
    return f"{seconds // _UNITS[unit]}{unit}"


def label(name: str) -> str:
    """Return a name without anything that Mermaid, Markdown or HTML might obey."""
    kept = "".join(one if one.isalnum() or one in _ALLOWED else " " for one in name)
    kept = " ".join(kept.split()) or "step"
    return kept if len(kept) <= _NAME else kept[: _NAME - 1] + "…"


def _bar(step: StepResult, thinnest: float) -> str:
    start = _began(step)
    end = start + max(step.seconds or 0.0, thinnest)
    sign = SIGNS.get(step.state, "·") if step.state else "·"
    kind = _KINDS.get(step.state, "") if step.state else ""
    # The sign keeps a name from being read as a word of Mermaid's.
    return f"    {sign} {label(step.name)} :{kind}{round(start * 1000)}, {round(end * 1000)}"


def _weight(step: StepResult) -> tuple[bool, float]:
    return step.state is not State.SUCCESS, step.seconds or 0.0


def _began(step: StepResult) -> float:
    return step.started_at or 0.0
