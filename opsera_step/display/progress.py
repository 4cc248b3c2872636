"""The progress display of a terminal, below the log: the steps of the run and their states.

Derived from the plan and from whose lines arrive; what can't be known that way is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opsera_step.api import Step
from opsera_step.clock import format_duration

DONE, RUNNING, TO_COME, WAITING, UNKNOWN = "✓", "●", "○", "‖", "·"
"""The signs of the steps; the last is for a step that was passed without a line."""
Line = tuple[str, str]
"""A text, and a time for a column of its own."""

_INTERLEAVED = 3.0
"""Seconds for which a step whose lines come between those of later ones counts as running."""


@dataclass
class _Progress:
    """What is known of one step, in seconds of the clock."""

    name: str
    first: float | None = None
    last: float = 0.0


class StepProgress:
    """The steps of one run."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._steps: dict[str, _Progress] = {}
        self._waiting = ""

    def set_plan(self, steps: Sequence[Step], inline: Callable[[str, int], str]) -> None:
        """Take the active steps of the plan; their names are made safe."""
        self._steps = {step.id: _Progress(inline(step.name, 60)) for step in steps if step.active}

    def line_seen(self, step_id: str) -> None:
        """Note that the step printed a line, or is known to be running."""
        step = self._steps.get(step_id)
        if step is not None:
            step.first = self._now() if step.first is None else step.first
            step.last = self._now()
            if step_id != self._waiting:
                self._waiting = ""

    def paused(self, step_id: str) -> None:
        """Note that the run waits at this step."""
        self.line_seen(step_id)
        self._waiting = step_id if step_id in self._steps else ""

    def resumed(self) -> None:
        """Note that the run no longer waits."""
        self._waiting = ""

    def lines(self, room: int) -> list[Line]:
        """Return the steps in at most so many lines; those far from the current one are counted."""
        steps = list(self._steps.values())
        started = [place for place, step in enumerate(steps) if step.first is not None]
        latest = started[-1] if started else -1
        shown = [self._line(steps, place, latest) for place in range(len(steps))]
        if len(shown) <= room:
            return shown
        if room < 3:
            return shown[max(0, latest) :][: max(0, room)]
        return _folded(shown, max(0, latest), room)

    def _line(self, steps: Sequence[_Progress], place: int, latest: int) -> Line:
        step, now = steps[place], self._now()
        if step.first is None:
            return f"{TO_COME if place > latest else UNKNOWN} {step.name}", ""
        if self._waiting and self._steps.get(self._waiting) is step:
            return f"{WAITING} {step.name}", format_duration(now - step.first)
        parallel = step.last > (steps[latest].first or 0.0) and now - step.last < _INTERLEAVED
        if place == latest or parallel:
            return f"{RUNNING} {step.name}", format_duration(now - step.first)
        later = (one.first for one in steps[place + 1 :] if one.first is not None)
        finished = min((first for first in later if first >= step.last), default=step.last)
        return f"{DONE} {step.name}", format_duration(finished - step.first)


def _folded(lines: Sequence[Line], latest: int, room: int) -> list[Line]:
    """Show the lines around a place, and how many there are before and after."""
    start = min(max(0, latest - (room - 2) // 2), len(lines) - room + 1)
    before = start if start > 1 else 0
    kept = room - (before > 0) - 1
    if before + kept >= len(lines) - 1:
        kept = room - 1
        before = len(lines) - kept
    after = len(lines) - before - kept
    head = [(f"{DONE} {before} steps before", "")] if before else []
    tail = [(f"{TO_COME} {after} steps after", "")] if after else []
    return [*head, *lines[before : before + kept], *tail]
