"""Signals: a cancelled job is told of it where it waits, once, and never outlives its grace.

A handler that raised anywhere could tear a file in two, so SIGINT and SIGTERM are only noted, and
raise `Cancelled` inside of `guard`: around sleeping and waiting for the network. As PID 1 of a
container the process would ignore SIGTERM without a handler of its own.

The main thread may also hang where no handler helps: in a name lookup, or in writing to a pipe that
nobody reads. So a second thread hears of the signal too. It wakes the main one until that has
heard, stands in for it where it does not come to its work, and ends the process at last.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from opsera_step.clock import Clock
from opsera_step.errors import Cancelled

GRACE = 4.8
"""Seconds from the signal to the end. GitHub kills 7.5 s after SIGINT, `docker stop` after 10 s."""

LAST_WORDS = 1.0
"""Seconds that the last words may take, once the grace is over."""

PATIENCE = 0.6
"""Seconds that the main thread has to do what a cancelled job must, before another stands in."""

OVERTIME = 60.0
"""Seconds that a job may go on after its timeout; it needs about twenty when all is well."""
OVERTIME_WORDS = 6.0
"""Seconds that stopping the run and saying so may take then."""

_WAKE_EVERY = 0.05
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Once:
    """Something that is done once, by the thread that claims it first."""

    def __init__(self) -> None:
        """Begin unclaimed."""
        self._lock = threading.Lock()

    def claim(self) -> bool:
        """Take it; whether nobody had before."""
        return self._lock.acquire(blocking=False)

    @property
    def is_claimed(self) -> bool:
        """Whether somebody has taken it."""
        return self._lock.locked()


class Cancellation:
    """Notes the first signal and raises it where the program waits; later ones change nothing."""

    def __init__(self) -> None:
        """Start without a signal."""
        self.signal_number: int | None = None
        self._waiting = False
        self._told = False
        self._installed = False
        self._standing_in: threading.Thread | None = None
        self.stand_in: Callable[[], None] = _nothing
        """What to do, from another thread, when the main one seems to hang after a signal."""
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
        """Handle the process's signals, and end it when the grace is over; for the main thread.

        `stand_in` and `last_words` are called from other threads then.
        """
        for number in _SIGNALS:
            signal.signal(number, self.notice)
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._installed = True
        threading.Thread(target=self._watch, args=(reader,), daemon=True).start()

    def ignore(self) -> None:
        """Take no more signals: everything is done, only the interpreter has yet to end."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def end_overtime(
        self, seconds: float, words: Callable[[], None], exit_code: Callable[[], int]
    ) -> None:
        """End the process when it goes on for `OVERTIME` after its time of some seconds.

        Nobody may be there to cancel a job that hangs. Only where `install` was called.
        """
        if self._installed:
            arguments = (seconds, words, exit_code)
            threading.Thread(target=_end_overtime, args=arguments, daemon=True).start()

    def wait_for_stand_in(self, seconds: float) -> None:
        """Wait until what `stand_in` began is done."""
        if self._standing_in is not None:
            self._standing_in.join(seconds)

    def _watch(self, reader: int) -> None:
        """Wait for the first signal's byte, then for the grace, then end the process."""
        while (number := os.read(reader, 1)[0]) not in _SIGNALS:
            pass
        came = time.monotonic()
        self._wake_main_thread(number, came + PATIENCE)
        time.sleep(max(0.0, came + PATIENCE - time.monotonic()))
        self._standing_in = threading.Thread(target=self.stand_in, daemon=True)
        self._standing_in.start()
        time.sleep(max(0.0, came + GRACE - time.monotonic()))
        _end(128 + number, self.last_words, LAST_WORDS)

    def _wake_main_thread(self, number: int, until: float) -> None:
        """Send the signal on until it was told of.

        It may have come just before a wait began: the handler is only run between two steps of
        the interpreter, and the wait would go on. Another signal breaks it.
        """
        main = threading.main_thread().ident
        while main is not None and not self._told and time.monotonic() < until:
            time.sleep(_WAKE_EVERY)
            if not self._told:
                signal.pthread_kill(main, number)


def _end_overtime(seconds: float, words: Callable[[], None], exit_code: Callable[[], int]) -> None:
    time.sleep(seconds)
    # Apart: a process that was stopped for a while shall have this time all the same.
    time.sleep(OVERTIME)
    _end(exit_code(), words, OVERTIME_WORDS)


def _end(exit_code: int, words: Callable[[], None], seconds: float) -> None:
    """Say the last words and end the process, from whatever thread."""
    # In a thread of their own: what the main one hangs on may hold up these words too.
    thread = threading.Thread(target=words, daemon=True)
    try:
        thread.start()
        thread.join(seconds)
    finally:
        os._exit(exit_code)


def _nothing() -> None:
    """Do and say nothing."""


def interrupt_as_usual() -> None:
    """Let signals raise KeyboardInterrupt again, for what has no run and cleans up by itself."""
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)


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
