"""When to ask the API next, and what: the poll schedule, pure.

One request a tick. While lines flow a tick is about a second and five of six go to the log; the
longer nothing comes, the longer the ticks (a sixteenth of the silence), log and status in turn.
Figures: at most about 60 requests a minute, about 250 in a silent hour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from opsera_step.logs import WINDOW

Jitter = Callable[[], float]
"""Gives random numbers in [0, 1)."""

SHORTEST_TICK = 1.0
LONGEST_TICK = 18.0
_FLOWING = 2.5
_LOGS_PER_STATUS = 5
_SAFE_SHARE = 0.4
_LEAST_PAUSE = 0.05
_MOST_SLOWING = 16.0
_LONGEST_SLOWED = 30.0


class Call(Enum):
    """What a tick asks for."""

    LOG = "log"
    STATUS = "status"


@dataclass
class Cadence:
    """The schedule of one job; `fixed` is the user's own interval in seconds, None for auto."""

    jitter: Jitter
    fixed: float | None = None
    logs_wanted: bool = True
    _logs_since_status: int = _LOGS_PER_STATUS
    _rate: float = 0.0
    _slowing: float = 1.0

    def next_call(self, silent: float) -> tuple[Call, ...]:
        """Choose what to ask for, given the seconds since something last changed."""
        if not self.logs_wanted:
            return (Call.STATUS,)
        if self.fixed is not None:
            return (Call.STATUS, Call.LOG)
        logs_first = _LOGS_PER_STATUS if silent < _FLOWING else 1
        if self._logs_since_status >= logs_first:
            self._logs_since_status = 0
            # In a burst even one tick without the log could let records go by.
            burst = self._rate * 2 * SHORTEST_TICK > _SAFE_SHARE * WINDOW
            return (Call.STATUS, Call.LOG) if burst else (Call.STATUS,)
        self._logs_since_status += 1
        return (Call.LOG,)

    def pause(self, silent: float, spent: float = 0.0) -> float:
        """Return the seconds to wait before the next tick; `spent` went into this one's request.

        Spread by 15 % either way, so that jobs that start together do not stay in step.
        """
        if self.fixed is not None:
            return max(_LEAST_PAUSE, self.fixed - spent)
        shortest = SHORTEST_TICK if self.logs_wanted else 2 * SHORTEST_TICK
        tick = min(LONGEST_TICK, max(shortest, silent / 16))
        if self._rate > 0:
            # Never let more records pass between two reads than one answer can hold.
            tick = min(tick, _SAFE_SHARE * WINDOW / self._rate)
        slowed = min(tick * self._slowing, _LONGEST_SLOWED)
        tick = max(tick, slowed) * (0.85 + 0.3 * self.jitter())
        return max(_LEAST_PAUSE, tick - spent)

    def saw_records(self, count: int, over_seconds: float) -> None:
        """Learn the rate of new records; it rises at once and falls slowly."""
        rate = count / max(over_seconds, _LEAST_PAUSE)
        self._rate = max(rate, 0.7 * self._rate) if rate >= 1 else 0.7 * self._rate

    def throttled(self) -> None:
        """Go slower: the API answered 429."""
        self._slowing = min(_MOST_SLOWING, self._slowing * 2)

    def answered(self) -> None:
        """Come back to normal speed by and by: the API answered."""
        self._slowing = max(1.0, self._slowing * 0.9)
