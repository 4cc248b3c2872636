"""Clocks, deadlines, and durations, passed in as values.

Nothing else in the package reads a clock or sleeps, so that a test can play an hour in a second.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import NamedTuple, Protocol


class Clock(Protocol):
    """A source of time."""

    def monotonic(self) -> float:
        """Return seconds since some fixed point, unmoved by changes of the wall clock."""
        ...

    def time(self) -> float:
        """Return the wall clock as seconds since 1970-01-01 UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let the given time pass."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    def time(self) -> float:
        """Return `time.time()`."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Sleep; an exception raised by a signal handler ends it at once (PEP 475)."""
        time.sleep(max(0.0, seconds))


class FakeClock:
    """A clock that moves only when something sleeps on it or moves it; safe to share by threads.

    Callbacks given to `call_at` run in the thread that moves the clock past their time.
    """

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        """Start at the given wall-clock time (default 2026-01-01T00:00:00Z)."""
        self._start = start
        self._elapsed = 0.0
        self._lock = threading.RLock()
        self._planned: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def monotonic(self) -> float:
        """Return the seconds that have passed on this clock."""
        with self._lock:
            return self._elapsed

    def time(self) -> float:
        """Return the start time plus the seconds that have passed."""
        with self._lock:
            return self._start + self._elapsed

    def sleep(self, seconds: float) -> None:
        """Move on by the given time at once, running what was planned on the way."""
        with self._lock:
            target = self._elapsed + max(0.0, seconds)
        while (planned := self._next_until(target)) is not None:
            planned()
        with self._lock:
            self._elapsed = max(self._elapsed, target)

    def call_at(self, elapsed: float, action: Callable[[], None]) -> None:
        """Plan a callback for the moment when `elapsed` seconds have passed on this clock."""
        with self._lock:
            heapq.heappush(self._planned, (elapsed, next(self._numbers), action))

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back without any time passing."""
        with self._lock:
            self._start += seconds

    def _next_until(self, target: float) -> Callable[[], None] | None:
        with self._lock:
            if not self._planned or self._planned[0][0] > target:
                return None
            at, _, action = heapq.heappop(self._planned)
            self._elapsed = max(self._elapsed, at)
            return action


class Deadline(NamedTuple):
    """A moment on a clock by which something must be done, or never when `at` is None."""

    clock: Clock
    at: float | None

    @classmethod
    def after(cls, clock: Clock, seconds: float | None) -> Deadline:
        """Make a deadline the given number of seconds from now; None means never."""
        return cls(clock, None if seconds is None else clock.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never below 0; infinite when there is no deadline."""
        return float("inf") if self.at is None else max(0.0, self.at - self.clock.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the moment has come."""
        return self.remaining <= 0.0

    def no_later_than(self, seconds: float) -> Deadline:
        """Return this deadline, or one `seconds` from now if that comes first."""
        other = self.clock.monotonic() + seconds
        return Deadline(self.clock, other if self.at is None else min(self.at, other))


def format_duration(seconds: float) -> str:
    """Format a duration: `8s`, `3m05s`, `3m`, `1h02m`, `1h`."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes:02d}m" if minutes else f"{hours}h"
    if minutes:
        return f"{minutes}m{rest:02d}s" if rest else f"{minutes}m"
    return f"{rest}s"
