"""A clock that runs faster or slower than the machine's, for demonstrations."""

from __future__ import annotations

import threading
import time


class SpeedClock:
    """Real time, multiplied: at speed 10 a minute-long run takes six seconds."""

    def __init__(self, speed: float = 1.0) -> None:
        """Start now; `speed` is how many seconds pass here in one real second."""
        if speed <= 0:
            raise ValueError(f"the speed must be above 0, not {speed}")
        self.speed = speed
        self._began = time.monotonic()
        self._wall = time.time()

    def monotonic(self) -> float:
        """Return the seconds that have passed on this clock."""
        return (time.monotonic() - self._began) * self.speed

    def time(self) -> float:
        """Return the wall clock: real when the clock was made, and on at its speed from there."""
        return self._wall + self.monotonic()

    def sleep(self, seconds: float, woken: threading.Event | None = None) -> None:
        """Let the given time of this clock pass, or wait to be woken."""
        left = min(max(0.0, seconds) / self.speed, threading.TIMEOUT_MAX)
        if woken is None:
            time.sleep(left)
        else:
            woken.wait(left)
