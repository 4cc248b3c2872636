"""Signals: in this process by calling the handler, in a child process with real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opsera_step.clock import FakeClock
from opsera_step.errors import Cancelled
from opsera_step.signals import GRACE, LAST_OUTPUTS, InterruptibleClock, Signals

ROOT = Path(__file__).resolve().parents[2]
KILLED_AFTER = 7.5
"""Seconds that GitHub leaves after SIGINT (actions/runner, ProcessInvoker)."""


@pytest.fixture
def signals() -> Signals:
    return Signals()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_in_a_guard_a_signal_raises_at_once(signals, number, code):
    """Where the program waits, a signal raises Cancelled with its exit code."""
    with pytest.raises(Cancelled) as caught, signals.guard():
        signals.notice(number)
    assert (caught.value.signal_number, caught.value.exit_code) == (number, code)
    assert str(caught.value) == number.name


def test_a_signal_that_came_before_raises_in_the_next_guard(signals):
    """A noted signal is raised at the next wait, before the wait starts."""
    signals.notice(signal.SIGINT)
    started = False
    with pytest.raises(Cancelled), signals.guard():
        started = True
    assert not started


def test_it_is_reported_once(signals):
    """After it was raised, the cleanup may wait without limits."""
    with pytest.raises(Cancelled), signals.guard():
        signals.notice(signal.SIGTERM)
    for _ in range(3):
        with signals.guard():
            pass


def test_a_second_signal_changes_nothing(signals):
    """Later signals neither raise again nor change the exit code."""
    with pytest.raises(Cancelled) as caught, signals.guard():
        signals.notice(signal.SIGTERM)
    with signals.guard():
        signals.notice(signal.SIGINT)
        signals.notice(signal.SIGTERM)
    assert caught.value.exit_code == 143
    assert signals.number == signal.SIGTERM


def test_a_guard_within_a_guard_ends_only_itself(signals):
    """After an inner guard the outer one still lets a signal raise."""
    inner = signals.guard()
    with pytest.raises(Cancelled), signals.guard():  # noqa: PT012 - the guards are the point
        with inner:
            pass
        signals.notice(signal.SIGTERM)


def test_after_an_error_in_a_guard_a_signal_is_only_noted(signals):
    """A guard ends with its block, however that ends."""
    with pytest.raises(OSError, match="broken"), signals.guard():
        raise OSError("broken")
    signals.notice(signal.SIGTERM)
    with pytest.raises(Cancelled), signals.guard():
        pass


def test_an_interruptible_sleep_ends_with_the_signal(signals):
    """A sleep ends when the signal comes, not when it is over."""
    inner = FakeClock()
    clock = InterruptibleClock(inner, signals)
    inner.call_at(3.0, lambda: signals.notice(signal.SIGTERM))
    with pytest.raises(Cancelled):
        clock.sleep(60)
    assert clock.monotonic() == 3.0


def test_no_sleep_starts_after_a_signal(signals):
    """A signal that came while the program worked ends the next sleep before it starts."""
    inner = FakeClock()
    signals.notice(signal.SIGINT)
    with pytest.raises(Cancelled):
        InterruptibleClock(inner, signals).sleep(60)
    assert inner.monotonic() == 0


def test_the_grace_period_fits_into_githubs():
    """The process ends by itself, with time to spare, before GitHub kills it."""
    assert GRACE + LAST_OUTPUTS < KILLED_AFTER - 1


CHILD = """
import os, signal, sys, time
from opsera_step import signals as module
from opsera_step.errors import Cancelled
module.GRACE, module.LAST_OUTPUTS, module.HEARD_WITHIN = 0.5, 0.3, 0.2
module.OVERRUN = module.OVERRUN_GRACE = 0.2
signals = module.Signals()
class Emergency:
    def stop_run(self, seconds):
        os.write(1, b"stopped\\n")
    def write_outputs(self, exit_code):
        os.write(1, b"outputs\\n")
        return exit_code
signals.emergency = Emergency()
signals.install()
def hang():
    while True:
        time.sleep(0.01)
def ready():
    os.write(1, b"ready\\n")
"""
HANGS = "ready(); hang()"
WAITS = """
ready()
try:
    with signals.guard():
        hang()
except Cancelled as cancelled:
    os.write(1, b"cleaned up\\n")
    signals.ignore()
    sys.exit(cancelled.exit_code)
"""
FAILING = "def fail(*_): raise RuntimeError\nEmergency.write_outputs = fail\n" + HANGS
ENDLESS = "Emergency.write_outputs = Emergency.stop_run = lambda *_: hang()\n" + HANGS
CLEANS_UP_FOREVER = """
try:
    ready()
    with signals.guard():
        hang()
finally:
    hang()
"""
FULL_PIPE = """
reader, writer = os.pipe()
ready()
while True:
    os.write(writer, b"x" * 10_000_000)
"""


def play(
    script: str, *numbers: signal.Signals, wrapper: tuple[str, ...] = ()
) -> tuple[int, list[str], float]:
    """Run a child, send it signals once it is ready; return its code, lines, and last seconds."""
    with subprocess.Popen(
        [*wrapper, sys.executable, "-c", CHILD + script], cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        started = time.monotonic()
        for number in numbers:
            child.send_signal(number)
            time.sleep(0.05)
        said, _ = child.communicate(timeout=20)
        return child.returncode, said.split("\n")[:-1], time.monotonic() - started


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize(
    "script", [HANGS, FULL_PIPE, CLEANS_UP_FOREVER], ids=["working", "writing", "cleaning up"]
)
def test_a_process_that_hangs_is_ended(script, number, code):
    """Wherever the main thread hangs, the run is stopped, outputs are written, the process ends."""
    ended, said, seconds = play(script, number)
    assert (ended, said) == (code, ["stopped", "outputs"])
    assert 0.5 <= seconds < 10


def test_a_process_that_waits_ends_by_itself():
    """Where it waits, it gets the signal at once and cleans up without the watchdog."""
    ended, said, _ = play(WAITS, signal.SIGTERM)
    assert (ended, said) == (143, ["cleaned up"])


@pytest.mark.parametrize("script", [HANGS, WAITS])
def test_the_first_of_several_signals_counts(script):
    """A second signal, of whatever kind, changes neither the time nor the exit code."""
    ended, _, seconds = play(script, signal.SIGTERM, signal.SIGINT, signal.SIGTERM)
    assert ended == 143
    assert seconds < 10


@pytest.mark.parametrize("script", [FAILING, ENDLESS], ids=["failing", "endless"])
def test_nothing_keeps_the_process(script):
    """Stopping and outputs that fail or hang do not keep the process."""
    ended, _, seconds = play(script, signal.SIGINT)
    assert ended == 130
    assert seconds < 10


def test_a_hangup_that_was_ignored_stays_ignored():
    """Under nohup a closed terminal does not cancel the job."""
    ended, said, _ = play("ready(); time.sleep(0.5)", signal.SIGHUP, wrapper=("nohup",))
    assert (ended, said) == (0, [])


JUST_BEFORE = """
reader, writer = os.pipe()
def notice(number, frame):
    # As if the signal had come just before the wait, where the handler runs only after it.
    if signals.number is not None:
        signals.notice(number)
    signals.number = number
signal.signal(signal.SIGTERM, notice)
ready()
try:
    with signals.guard():
        os.read(reader, 1)
except Cancelled as cancelled:
    os.write(1, b"heard\\n")
    os._exit(cancelled.exit_code)
"""


def test_a_signal_just_before_a_wait_is_heard():
    """A wait that started although the signal was there is ended by another one."""
    ended, said, _ = play(JUST_BEFORE, signal.SIGTERM)
    assert (ended, said) == (143, ["heard"])


def test_a_process_that_overruns_its_timeout_is_ended():
    """A job that hangs beyond its timeout ends although no one cancels it."""
    ended, said, _ = play("signals.end_after(0.2)\n" + FULL_PIPE)
    assert (ended, said) == (124, ["stopped", "outputs"])


def test_a_process_that_ends_in_time_is_not_kept():
    """The watchdog keeps no process that has ended."""
    ended, said, _ = play("signals.end_after(0.2)\nready()")
    assert (ended, said) == (0, [])


RESTORED = """
signals.restore()
try:
    ready()
    hang()
except KeyboardInterrupt:
    os.write(1, b"interrupted\\n")
    time.sleep(1.0)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_restored_signals(number):
    """A command that cleans up by itself gets KeyboardInterrupt, and no watchdog."""
    ended, said, _ = play(RESTORED, number)
    assert (ended, said) == (0, ["interrupted"])
