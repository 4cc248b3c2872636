"""Signals: a cancelled job is told of it where it waits, once, and never outlives its grace.

A handler that raised anywhere could tear a file in two, so SIGINT and SIGTERM are only noted, and
raise `Cancelled` inside of `guard`: around sleeping and waiting for the network. As PID 1 of a
container the process would ignore SIGTERM without a handler of its own.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from opsera_step.errors import Cancelled
from opsera_step.timing import Clock

GRACE = 4.8
"""Seconds from the signal to the end. GitHub kills 7.5 s after SIGINT, `docker stop` after 10 s."""

LAST_WORDS = 1.0
"""Seconds that the last words may take, once the grace is over."""


class Cancellation:
    """Notes the first signal and raises it where the program waits; later ones change nothing."""

    def __init__(self) -> None:
        """Start without a signal."""
        self.signal_number: int | None = None
        self._waiting = False
        self._told = False
        self.last_words: Callable[[], None] = _nothing
        """What to do before the process is ended because it hangs."""

    def notice(self, signal_number: int, _frame: FrameType | None = None) -> None:
        """Take a signal; this is the handler.

        Raises:
            Cancelled: when the program waits right now.

        """
        if self.signal_number is None:
            self.signal_number = signal_number
        self._tell()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Let a signal raise `Cancelled` in this block, or one that came before it."""
        outer, self._waiting = self._waiting, True
        try:
            self._tell()
            yield
        finally:
            self._waiting = outer

    def _tell(self) -> None:
        if self._waiting and not self._told and self.signal_number is not None:
            self._told = True
            raise Cancelled(self.signal_number)

    def install(self) -> None:
        """Handle the process's signals, and end it when the grace is over.

        `last_words` is called then, from another thread: the main one may hang in a name lookup
        or in writing to a pipe that nobody reads, where no handler runs.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.notice)
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reader,), daemon=True).start()

    def ignore(self) -> None:
        """Take no more signals: everything is done, only the interpreter has yet to end."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def _watch(self, reader: int) -> None:
        """Wait for the first signal's byte, then for the grace, then end the process."""
        while (number := os.read(reader, 1)[0]) not in (signal.SIGINT, signal.SIGTERM):
            pass
        threading.Event().wait(GRACE)
        # In a thread of their own: what the main one hangs on may hold up these words too.
        words = threading.Thread(target=self.last_words, daemon=True)
        try:
            words.start()
            words.join(LAST_WORDS)
        finally:
            os._exit(128 + number)


def _nothing() -> None:
    """Say nothing."""


class InterruptibleClock:
    """A clock whose sleep ends with `Cancelled` when a signal comes."""

    def __init__(self, clock: Clock, cancellation: Cancellation) -> None:
        """Wrap a clock."""
        self._clock, self._cancellation = clock, cancellation

    def monotonic(self) -> float:
        """Return the wrapped clock's time."""
        return self._clock.monotonic()

    def time(self) -> float:
        """Return the wrapped clock's wall time."""
        return self._clock.time()

    def sleep(self, seconds: float) -> None:
        """Sleep; raise Cancelled when a signal comes meanwhile."""
        with self._cancellation.guard():
            self._clock.sleep(seconds)
