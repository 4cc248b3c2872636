"""A clock that runs faster or slower than the machine's."""

from __future__ import annotations

import threading
import time


class SpeedClock:
    """Real time multiplied by a factor: at speed 10, a run of one minute takes six seconds."""

    def __init__(self, speed: float = 1.0) -> None:
        """Start now. `speed` is how many seconds pass on this clock in one real second."""
        if speed <= 0:
            raise ValueError(f"speed must be greater than 0, got {speed}")
        self.speed = speed
        self._start = time.monotonic()
        self._wall = time.time()

    def monotonic(self) -> float:
        """Return the seconds that have passed on this clock."""
        return (time.monotonic() - self._start) * self.speed

    def time(self) -> float:
        """Return the wall clock: the real time at the start, plus the seconds passed here."""
        return self._wall + self.monotonic()

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Wait for the given time of this clock, or until `wake` is set."""
        real = min(max(0.0, seconds) / self.speed, threading.TIMEOUT_MAX)
        if wake is None:
            time.sleep(real)
        else:
            wake.wait(real)
