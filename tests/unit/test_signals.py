"""Cancelling: in this process by calling the handler, in a child process with real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from opsera_step.clock import FakeClock
from opsera_step.errors import Cancelled
from opsera_step.signals import GRACE, LAST_WORDS, Cancellation, InterruptibleClock, Once

ROOT = Path(__file__).resolve().parents[2]
KILLED_AFTER = 7.5
"""Seconds that GitHub leaves after SIGINT (actions/runner, ProcessInvoker)."""


@pytest.fixture
def cancellation() -> Cancellation:
    return Cancellation()


def test_nothing_happens_without_a_signal(cancellation):
    """A guard without a signal is nothing."""
    with cancellation.guard():
        pass
    assert cancellation.signal_number is None


def test_outside_of_a_guard_a_signal_is_only_noted(cancellation):
    """Where the program works, a signal does not tear it out of what it does."""
    cancellation.notice(signal.SIGTERM)
    assert cancellation.signal_number == signal.SIGTERM


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_in_a_guard_a_signal_raises_at_once(cancellation, number, code):
    """Where the program waits, a signal raises Cancelled with its exit code."""
    with pytest.raises(Cancelled) as caught, cancellation.guard():
        cancellation.notice(number)
    assert (caught.value.signal_number, caught.value.exit_code) == (number, code)
    assert str(caught.value) == number.name


def test_a_signal_that_came_before_raises_in_the_next_guard(cancellation):
    """A noted signal is told at the next wait, before the wait begins."""
    cancellation.notice(signal.SIGINT)
    began = False
    with pytest.raises(Cancelled), cancellation.guard():
        began = True
    assert not began


def test_it_is_told_once(cancellation):
    """After it was told, the clean-up may wait as it likes."""
    with pytest.raises(Cancelled), cancellation.guard():
        cancellation.notice(signal.SIGTERM)
    for _ in range(3):
        with cancellation.guard():
            pass


def test_a_second_signal_changes_nothing(cancellation):
    """Later signals neither raise again nor change the exit code."""
    with pytest.raises(Cancelled) as caught, cancellation.guard():
        cancellation.notice(signal.SIGTERM)
    with cancellation.guard():
        cancellation.notice(signal.SIGINT)
        cancellation.notice(signal.SIGTERM)
    assert caught.value.exit_code == 143
    assert cancellation.signal_number == signal.SIGTERM


def test_two_signals_before_the_first_guard(cancellation):
    """Of two signals that were noted, the first counts."""
    cancellation.notice(signal.SIGINT)
    cancellation.notice(signal.SIGTERM)
    with pytest.raises(Cancelled) as caught, cancellation.guard():
        pass
    assert caught.value.exit_code == 130


def test_a_guard_within_a_guard_ends_only_itself(cancellation):
    """After an inner guard the outer one still lets a signal raise."""
    inner = cancellation.guard()
    with pytest.raises(Cancelled), cancellation.guard():  # noqa: PT012 - the guards are the point
        with inner:
            pass
        cancellation.notice(signal.SIGTERM)


def test_after_an_error_in_a_guard_a_signal_is_only_noted(cancellation):
    """A guard ends with its block, however that ends."""
    with pytest.raises(OSError, match="broken"), cancellation.guard():
        raise OSError("broken")
    cancellation.notice(signal.SIGTERM)
    with pytest.raises(Cancelled), cancellation.guard():
        pass


def test_an_interruptible_sleep_ends_with_the_signal(cancellation):
    """A sleep ends when the signal comes, not when it is over."""
    inner = FakeClock()
    clock = InterruptibleClock(inner, cancellation)
    inner.call_at(3.0, lambda: cancellation.notice(signal.SIGTERM))
    with pytest.raises(Cancelled):
        clock.sleep(60)
    assert clock.monotonic() == 3.0


def test_an_interruptible_clock_is_its_clock(cancellation):
    """Else it is the clock that it wraps."""
    inner = FakeClock()
    clock = InterruptibleClock(inner, cancellation)
    clock.sleep(5)
    assert clock.monotonic() == inner.monotonic() == 5
    assert clock.time() == inner.time()


def test_no_sleep_begins_after_a_signal(cancellation):
    """A signal that came while the program worked ends the next sleep before it begins."""
    inner = FakeClock()
    cancellation.notice(signal.SIGINT)
    with pytest.raises(Cancelled):
        InterruptibleClock(inner, cancellation).sleep(60)
    assert inner.monotonic() == 0


def test_the_grace_and_the_last_words_fit_into_githubs_patience():
    """The process has ended by itself, with time to spare, before GitHub kills it."""
    assert GRACE + LAST_WORDS < KILLED_AFTER - 1


# --- in a process of its own ----------------------------------------------------------------------

CHILD = """
import os, signal, sys, time
from opsera_step import signals as cancel
from opsera_step.errors import Cancelled
cancel.GRACE, cancel.LAST_WORDS, cancel.PATIENCE = 0.5, 0.3, 0.2
cancellation = cancel.Cancellation()
cancellation.last_words = lambda: os.write(1, b"last words\\n")
cancellation.install()
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
    with cancellation.guard():
        hang()
except Cancelled as cancelled:
    time.sleep(0.2)
    os.write(1, b"cleaned up\\n")
    sys.exit(cancelled.exit_code)
"""
WORDLESS = "def fail(): raise RuntimeError('no words')\ncancellation.last_words = fail\n" + HANGS
ENDLESS = "cancellation.last_words = hang\n" + HANGS
CLEANS_UP_FOR_EVER = """
try:
    ready()
    with cancellation.guard():
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


def play(script: str, *signals: signal.Signals) -> tuple[int, list[str], float]:
    """Run a child, send it signals once it is ready; return its code, its lines, its last time."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD + script], cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        began = time.monotonic()
        for number in signals:
            child.send_signal(number)
            time.sleep(0.05)
        said, _ = child.communicate(timeout=20)
        return child.returncode, said.split("\n")[:-1], time.monotonic() - began


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_that_hangs_is_ended_after_its_grace(number, code):
    """When the main thread does not come back, last words are said and the process ends."""
    ended, said, seconds = play(HANGS, number)
    assert (ended, said) == (code, ["last words"])
    assert 0.5 <= seconds < 10


@pytest.mark.parametrize("script", [FULL_PIPE, CLEANS_UP_FOR_EVER], ids=["writing", "cleaning up"])
def test_wherever_it_hangs(script):
    """In a write to a pipe that nobody reads, or in its clean-up: it is ended all the same."""
    ended, said, seconds = play(script, signal.SIGTERM)
    assert (ended, said) == (143, ["last words"])
    assert seconds < 10


def test_a_process_that_waits_ends_by_itself():
    """Where it waits it is told at once, cleans up, and needs no last words."""
    ended, said, seconds = play(WAITS, signal.SIGTERM)
    assert (ended, said) == (143, ["cleaned up"])
    assert seconds < 10


@pytest.mark.parametrize("script", [HANGS, WAITS])
def test_the_first_of_several_signals_counts(script):
    """A second signal, of whatever kind, changes neither the time nor the exit code."""
    ended, _, seconds = play(script, signal.SIGTERM, signal.SIGINT, signal.SIGTERM)
    assert ended == 143
    assert seconds < 10


@pytest.mark.parametrize("script", [WORDLESS, ENDLESS], ids=["that fail", "without end"])
def test_last_words_cannot_keep_it(script):
    """Last words that fail or hang do not keep the process."""
    ended, _, seconds = play(script, signal.SIGINT)
    assert ended == 130
    assert seconds < 10


STANDS_IN = "cancellation.stand_in = lambda: os.write(1, b'stood in\\n')\n"


@pytest.mark.parametrize("script", [HANGS, FULL_PIPE], ids=["working", "writing"])
def test_another_thread_stands_in_for_one_that_hangs(script):
    """What a cancelled job must do is done although the main thread does not come to it."""
    ended, said, _ = play(STANDS_IN + script, signal.SIGTERM, signal.SIGINT)
    assert (ended, said) == (143, ["stood in", "last words"])


JUST_BEFORE = """
import select
reader, writer = os.pipe()
def notice(number, frame):
    # As if the signal had come just before the wait, where the handler runs only after it.
    if cancellation.signal_number is not None:
        cancellation.notice(number)
    cancellation.signal_number = number
signal.signal(signal.SIGTERM, notice)
ready()
try:
    with cancellation.guard():
        os.read(reader, 1)
except Cancelled as cancelled:
    os.write(1, b"told\\n")
    os._exit(cancelled.exit_code)
"""


def test_a_signal_just_before_a_wait_is_told_all_the_same():
    """A wait that began although the signal was there is broken by another one."""
    ended, said, _ = play(JUST_BEFORE, signal.SIGTERM)
    assert (ended, said) == (143, ["told"])


OVERTIME = """
cancel.OVERTIME = 0.2
words = lambda: os.write(1, b"overtime\\n")
cancellation.end_overtime(0.2, words, lambda: 124)
"""


def test_a_process_that_goes_on_beyond_its_time_is_ended():
    """Nobody has to cancel a job that hangs beyond its timeout."""
    ended, said, _ = play(OVERTIME + FULL_PIPE)
    assert (ended, said) == (124, ["overtime"])


def test_a_process_that_is_done_in_time_is_not_kept():
    """Watching over the time keeps no process that has ended."""
    ended, said, _ = play(OVERTIME + "ready()")
    assert (ended, said) == (0, [])


def test_without_handlers_no_process_is_ended(cancellation):
    """Where signals are not handled, in a test for instance, nothing ends the process."""
    before = threading.active_count()
    cancellation.end_overtime(0.0, lambda: None, lambda: 1)
    assert threading.active_count() == before


def test_something_is_done_once():
    """Of many threads that claim the same, one gets it."""
    once, got = Once(), []
    assert not once.is_claimed
    threads = [threading.Thread(target=lambda: got.append(once.claim())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (got.count(True), once.is_claimed) == (1, True)


AS_USUAL = """
cancel.interrupt_as_usual()
try:
    ready()
    hang()
except KeyboardInterrupt:
    os.write(1, b"interrupted\\n")
    time.sleep(1.0)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_as_usual(number):
    """A command that cleans up by itself hears of signals as KeyboardInterrupt, without a grace."""
    ended, said, _ = play(AS_USUAL, number)
    assert (ended, said) == (0, ["interrupted"])
