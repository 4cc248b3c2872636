"""A clock for many jobs in one process, of whose threads only one runs at a time.

The thread with the earliest wake-up time runs next, so the order is the same each time, and no real
time passes in waiting. A server thread that delays a response takes a turn for the job that waits.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from itertools import count

START = 1_767_225_600.0


class TurnClock:
    """A clock that wakes sleeping threads in the order of their times."""

    def __init__(self) -> None:
        """Start at zero, with no sleeping thread."""
        self._now = 0.0
        self._lock = threading.Lock()
        self._sleepers: list[tuple[float, int, threading.Semaphore]] = []
        self._numbers = count()
        self._done = threading.Event()
        self._failures: list[BaseException] = []

    def monotonic(self) -> float:
        """Return the seconds that have passed on this clock."""
        return self._now

    def time(self) -> float:
        """Return the wall clock."""
        return START + self._now

    def sleep(self, seconds: float) -> None:
        """Let other threads run until the given time has passed."""
        mine = self._lie_down(self._now + max(0.0, seconds))
        self._wake_next()
        mine.acquire()

    def play(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Run all jobs from this moment on to their ends; a failure of one is raised at last."""
        threads = [threading.Thread(target=self._perform, args=(job,), daemon=True) for job in jobs]
        turns = [self._lie_down(self._now) for _ in threads]
        self._turns = dict(zip(threads, turns, strict=True))
        for thread in threads:
            thread.start()
        self._wake_next()
        self._done.wait()
        if self._failures:
            raise self._failures[0]

    def _perform(self, job: Callable[[], None]) -> None:
        self._turns[threading.current_thread()].acquire()
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that plays
            self._failures.append(error)
        self._wake_next()

    def _lie_down(self, until: float) -> threading.Semaphore:
        mine = threading.Semaphore(0)
        with self._lock:
            heapq.heappush(self._sleepers, (until, next(self._numbers), mine))
        return mine

    def _wake_next(self) -> None:
        with self._lock:
            if not self._sleepers:
                self._done.set()
                return
            at, _, sleeper = heapq.heappop(self._sleepers)
            self._now = max(self._now, at)
        sleeper.release()
