"""What a terminal shows below the log: the run's steps, how far they are, and what goes on now.

Told from the plan and from whose lines come; what can't be known so is shown as that. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opsera_step.api import Step
from opsera_step.clock import format_duration

DONE, RUNNING, TO_COME, WAITS, UNKNOWN = "✓", "●", "○", "‖", "·"
"""The signs of the steps; the last is for one that was passed without a word."""
Line = tuple[str, str]
"""A text, and a time that stands in a column of its own."""

_MIXED = 3.0
"""Seconds for which a step that speaks among later ones is taken to go on beside them."""


@dataclass
class _Progress:
    """What is known of one step; times are the clock's seconds."""

    name: str
    first: float | None = None
    last: float = 0.0


class StepProgress:
    """The steps of one run."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Take what tells the time."""
        self._now = now
        self._steps: dict[str, _Progress] = {}
        self._gate = ""

    def plan(self, steps: Sequence[Step], inline: Callable[[str, int], str]) -> None:
        """Take the plan's active steps; their names are made safe."""
        self._steps = {step.id: _Progress(inline(step.name, 60)) for step in steps if step.active}

    def spoke(self, step_id: str) -> None:
        """Note that a line of the step came, or that it is known to go on."""
        step = self._steps.get(step_id)
        if step is not None:
            step.first = self._now() if step.first is None else step.first
            step.last = self._now()
            if step_id != self._gate:
                self._gate = ""

    def waits(self, step_id: str) -> None:
        """Note that the run waits at this step."""
        self.spoke(step_id)
        self._gate = step_id if step_id in self._steps else ""

    def goes_on(self) -> None:
        """Note that the run waits no more."""
        self._gate = ""

    def lines(self, room: int) -> list[Line]:
        """Return the steps in at most so many lines: those before and after now are summed up."""
        steps = list(self._steps.values())
        began = [place for place, step in enumerate(steps) if step.first is not None]
        latest = began[-1] if began else -1
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
        if self._gate and self._steps.get(self._gate) is step:
            return f"{WAITS} {step.name}", format_duration(now - step.first)
        beside = step.last > (steps[latest].first or 0.0) and now - step.last < _MIXED
        if place == latest or beside:
            return f"{RUNNING} {step.name}", format_duration(now - step.first)
        later = (one.first for one in steps[place + 1 :] if one.first is not None)
        ended = min((first for first in later if first >= step.last), default=step.last)
        return f"{DONE} {step.name}", format_duration(ended - step.first)


def _folded(lines: Sequence[Line], latest: int, room: int) -> list[Line]:
    """Show what is around the place, and how many there are before and after it."""
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
