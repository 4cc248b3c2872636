"""When to ask the API next, and what: the poll schedule, pure.

Each tick asks for the log; each sixth while lines flow, each second in silence, for the status
too. A burst begins with quick ticks, of half a second, that soon slow down to 1.2: so its lines
show at once, and an hour of them costs no more than a steady pace. The longer nothing comes, the
longer the ticks. Figures: about 60 requests a minute while lines flow, about 280 in a silent hour;
what that gives is measured by `benchmarks/latency.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from opsera_step.runs.log_cursor import WINDOW

Jitter = Callable[[], float]
"""Gives random numbers in [0, 1)."""

QUICKEST_TICK = 0.5
STEADY_TICK = 1.2
STATUS_TICK = 2.0
"""Seconds between two calls of the status, where the log is not wanted."""
LONGEST_TICK = 28.0
_FLOWING = 1.5
_TICKS_PER_STATUS = 6
_TICKS_PER_STATUS_IN_SILENCE = 2
_SETTLING = 10.0
"""Seconds in which the ticks of a burst slow down."""
_BURST_OVER = 6.0
"""Seconds without a record after which the next one begins another burst."""
_LONE = 3
"""Records that make a burst; after less there is no reason to expect more soon."""
_SHARE_AFTER_BURST, _SHARE_AFTER_FEW, _SHARE_LATE = 1 / 9, 1 / 4, 1 / 30
"""How much of the silence a tick may take: after a burst, else, and beyond a calm tick."""
_CALM_TICK = 10.0
_SAFE_SHARE = 0.4
_LEAST_PAUSE = 0.05
_MOST_SLOWING = 16.0
_LONGEST_SLOWED = 30.0
_RECOVERY = 0.93


class Call(Enum):
    """What a tick asks for."""

    LOG = "log"
    STATUS = "status"


@dataclass
class PollSchedule:
    """The schedule of one job; `fixed` is the user's own interval in seconds, None for auto."""

    jitter: Jitter
    fixed: float | None = None
    logs_wanted: bool = True
    _ticks: int = 0
    _status_due: bool = True
    _rate: float = 0.0
    _slowing: float = 1.0
    _throttled: bool = False
    _empty_for: float = 0.0
    _burst_for: float = _SETTLING
    _burst_size: int = _LONE

    def next_call(self, silent: float) -> tuple[Call, ...]:
        """Choose what to ask for, given the seconds since something last changed."""
        self._throttled = False
        if not self.logs_wanted:
            return (Call.STATUS,)
        if self.fixed is not None:
            return (Call.STATUS, Call.LOG)
        self._ticks += 1
        most = _TICKS_PER_STATUS if silent < _FLOWING else _TICKS_PER_STATUS_IN_SILENCE
        if self._ticks < most and not self._status_due:
            return (Call.LOG,)
        self._ticks, self._status_due = 0, False
        return (Call.STATUS, Call.LOG)

    def pause(self, silent: float, spent: float = 0.0) -> float:
        """Return the seconds to wait before the next tick; `spent` went into this one's request.

        Spread by 15 % either way, so that jobs that start together do not stay in step.
        """
        if self.fixed is not None:
            return max(_LEAST_PAUSE, self.fixed - spent)
        tick = self._tick(silent)
        if self._rate > 0:
            # Never let more records pass between two reads than one answer can hold.
            tick = min(tick, _SAFE_SHARE * WINDOW / self._rate)
        slowed = min(tick * self._slowing, _LONGEST_SLOWED)
        tick = max(tick, slowed) * (0.85 + 0.3 * self.jitter())
        return max(_LEAST_PAUSE, tick - spent)

    def _tick(self, silent: float) -> float:
        share = _SHARE_AFTER_BURST if self._burst_size >= _LONE else _SHARE_AFTER_FEW
        calm = min(share * silent, max(_CALM_TICK, _SHARE_LATE * silent))
        return min(LONGEST_TICK, max(self._shortest(silent), calm))

    def _shortest(self, silent: float) -> float:
        if not self.logs_wanted:
            return STATUS_TICK
        if silent >= _FLOWING:
            return STEADY_TICK
        settled = min(1.0, self._burst_for / _SETTLING)
        return QUICKEST_TICK + settled * (STEADY_TICK - QUICKEST_TICK)

    def saw_records(self, count: int, over_seconds: float) -> None:
        """Learn the rate of new records; it rises at once and falls slowly."""
        rate = count / max(over_seconds, _LEAST_PAUSE)
        self._rate = max(rate, 0.7 * self._rate) if rate >= 1 else 0.7 * self._rate
        if not count:
            self._empty_for += over_seconds
            return
        if self._empty_for >= _BURST_OVER:
            # What breaks a silence may be the last line of all: look at the status soon.
            self._burst_for, self._burst_size, self._status_due = 0.0, 0, True
        else:
            self._burst_for += over_seconds
        self._burst_size += count
        self._empty_for = 0.0

    def throttled(self) -> None:
        """Go slower: the API answered 429. Both calls of a tick count as one."""
        if not self._throttled:
            self._throttled = True
            self._slowing = min(_MOST_SLOWING, self._slowing * 2)

    def answered(self) -> None:
        """Come back to normal speed by and by: the API answered."""
        self._slowing = max(1.0, self._slowing * _RECOVERY)
