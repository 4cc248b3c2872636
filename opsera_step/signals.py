"""Signals: a cancelled job is interrupted where it waits, once, and ends within its grace period.

A handler that raised anywhere could leave a file incomplete, so signals are only noted, and raise
`Cancelled` inside `guard`: around sleeping and waiting for the network. As PID 1 of a container the
process would ignore SIGTERM without a handler of its own.

The main thread may also hang where no handler runs: in a name lookup, or in writing to a pipe that
is not read. The watchdog, a second thread, also reacts to signals, and to a job that overruns its
timeout. It stops the run if the main thread does not, writes the outputs, and ends the process.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Protocol

from opsera_step.clock import Clock
from opsera_step.errors import Cancelled, ExitCode

GRACE = 4.8
"""Seconds from a signal to the end. GitHub kills 7.5 s after SIGINT, `docker stop` after 10 s."""
HEARD_WITHIN = 0.6
"""Seconds that the main thread has to react to a signal before the watchdog stops the run."""
OVERRUN = 60.0
"""Seconds that a job may continue after its timeout; it needs about twenty if all is well."""
OVERRUN_GRACE = 6.0
"""Seconds for stopping the run of a job that overran its timeout."""
LAST_OUTPUTS = 1.0
"""Seconds that writing the outputs may take before the process ends anyway."""
_WAKE_EVERY = 0.05
_SLICE = 5.0
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Emergency(Protocol):
    """What the watchdog does for a job whose main thread hangs."""

    def stop_run(self, seconds: float) -> None:
        """Stop the run within some seconds, unless this has already started or is not wanted."""

    def write_outputs(self, exit_code: int) -> int:
        """Write the outputs; return the exit code, which is the job's own if it had ended."""


class Signals:
    """Notes the first signal and raises it where the program waits; later ones change nothing."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal that came."""
        self.emergency: Emergency | None = None
        """The emergency actions of the watchdog; None while there is nothing to stop or write."""
        self._waiting = False
        self._raised = False
        self._left: float | None = None
        """Seconds until the job overruns; None for never."""
        self._wakeup: socket.socket | None = None

    def notice(self, number: int, _frame: FrameType | None = None) -> None:
        """Handle a signal.

        Raises:
            Cancelled: if the program is waiting.
        """
        if self.number is None:
            self.number = _meaning(number)
        self._raise()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Let a signal raise `Cancelled` in this block, also one that came before it."""
        outer, self._waiting = self._waiting, True
        try:
            self._raise()
            yield
        finally:
            self._waiting = outer

    def _raise(self) -> None:
        if self._waiting and not self._raised and self.number is not None:
            self._raised = True
            raise Cancelled(self.number)

    def install(self) -> None:
        """Handle the process's signals and start the watchdog; for the main thread."""
        for number in _handled():
            signal.signal(number, self.notice)
        reader, self._wakeup = socket.socketpair()
        self._wakeup.setblocking(False)
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reader,), daemon=True).start()

    def ignore(self) -> None:
        """Ignore further signals: only the interpreter has to exit."""
        for number in _handled():
            signal.signal(number, signal.SIG_IGN)

    def restore(self) -> None:
        """Let signals raise KeyboardInterrupt again, for programs that clean up by themselves."""
        signal.set_wakeup_fd(-1)
        for number in _handled():
            signal.signal(number, signal.default_int_handler)

    def end_after(self, seconds: float) -> None:
        """End the process if it overruns the job's timeout of some seconds by `OVERRUN`."""
        self._left = seconds + OVERRUN
        if self._wakeup is not None:
            # Notify the watchdog.
            with suppress(OSError):
                self._wakeup.send(b"\0")

    def _watch(self, reader: socket.socket) -> None:
        """Wait for a signal or the overrun, then make sure that the process ends."""
        number = 0
        while number not in _handled():
            if self._left is not None and self._left <= 0:
                self._end(ExitCode.TIMEOUT, OVERRUN_GRACE)
            # In slices, so that the time during which the process was suspended doesn't count.
            wait = None if self._left is None else min(_SLICE, self._left)
            ready, _, _ = select.select([reader], [], [], wait)
            number = _meaning(reader.recv(1)[0]) if ready else 0
            if self._left is not None and wait is not None and not ready:
                self._left -= wait
        came = time.monotonic()
        if self.number is None:
            # The main thread hangs and doesn't run the handler.
            self.number = number
        time.sleep(_WAKE_EVERY)
        self._wake_main_thread(number, came + HEARD_WITHIN)
        time.sleep(max(0.0, came + HEARD_WITHIN - time.monotonic()))
        self._end(128 + number, came + GRACE - time.monotonic())

    def _wake_main_thread(self, number: int, until: float) -> None:
        """Send the signal again until it is handled.

        It may have come just before a wait started: Python runs the handler only between two steps
        of the interpreter, and the wait would continue. Another signal ends it.
        """
        main = threading.main_thread().ident
        while main is not None and time.monotonic() < until:
            if self._raised:
                return
            if sys.platform != "win32":
                signal.pthread_kill(main, number)
            time.sleep(_WAKE_EVERY)

    def _end(self, exit_code: int, grace: float) -> None:
        """Stop the run, write the outputs, and end the process, independent of the main thread."""
        emergency, until = self.emergency, time.monotonic() + grace
        try:
            if emergency is not None:
                _run(lambda: emergency.stop_run(max(1.0, grace - 1.0)), grace)
                # The main thread may be about to finish by itself.
                time.sleep(max(0.0, until - time.monotonic()))
                result: list[int] = []
                _run(lambda: result.append(emergency.write_outputs(exit_code)), LAST_OUTPUTS)
                exit_code = result[0] if result else exit_code
            else:
                time.sleep(max(0.0, until - time.monotonic()))
        finally:
            os._exit(exit_code)


def _handled() -> list[signal.Signals]:
    """Return the signals to handle: of SIGHUP nothing if it was ignored at the start (nohup)."""
    found = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    return [one for one in found if one.name != "SIGHUP" or not _HANGUP_IGNORED]


def _meaning(number: int) -> int:
    """Return what a signal stands for: on Windows, runners send Ctrl+Break as a SIGTERM."""
    return signal.SIGTERM if number == getattr(signal, "SIGBREAK", None) else number


_HANGUP_IGNORED = sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def _run(action: Callable[[], None], seconds: float) -> None:
    """Run a function in a separate thread: it may block like the main thread."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(seconds)


class InterruptibleClock:
    """A clock whose sleep ends with `Cancelled` when a signal comes."""

    def __init__(self, clock: Clock, signals: Signals) -> None:
        self._clock, self._signals = clock, signals

    def monotonic(self) -> float:
        """Return the wrapped clock's monotonic time in seconds."""
        return self._clock.monotonic()

    def time(self) -> float:
        """Return the wrapped clock's wall time in seconds since 1970 UTC."""
        return self._clock.time()

    def sleep(self, seconds: float) -> None:
        """Sleep; raise Cancelled when a signal comes."""
        with self._signals.guard():
            self._clock.sleep(seconds)
