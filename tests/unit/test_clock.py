"""Clocks, deadlines, the back-off, outages, and durations for people."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.clock import Deadline, FakeClock, SystemClock, format_duration

SECONDS = st.floats(0, 1000)


class TestFakeClock:
    """A clock that moves when a thread sleeps on it."""

    @given(st.lists(SECONDS))
    def test_sleeping_moves_it(self, pauses: list[float]):
        """Both times move on by what was slept."""
        clock = FakeClock(1000.0)
        for pause in pauses:
            clock.sleep(pause)
        assert clock.monotonic() == pytest.approx(sum(pauses))
        assert clock.time() == pytest.approx(1000 + sum(pauses))

    def test_the_wall_clock_may_jump(self):
        """Setting the wall clock does not move the monotonic one."""
        clock = FakeClock(1000.0)
        clock.jump_wall(-300)
        assert (clock.monotonic(), clock.time()) == (0.0, 700.0)

    @given(st.lists(SECONDS), st.lists(SECONDS))
    def test_callbacks_come_in_their_order(self, times: list[float], pauses: list[float]):
        """Each callback runs once, at its time, in the order of times and then of planning."""
        clock, log = FakeClock(), []
        for number, at in enumerate(times):
            clock.call_at(
                at, lambda at=at, number=number: log.append((at, number, clock.monotonic()))
            )
        for pause in [*pauses, 1001]:
            clock.sleep(pause)
        assert [entry[:2] for entry in log] == sorted((at, n) for n, at in enumerate(times))
        assert all(at == now for at, _, now in log)

    def test_planning_at_one_time_between_others(self):
        """Callbacks of one time come as they were planned, also when others ran in between."""
        clock, log = FakeClock(), []
        clock.call_at(1, lambda: log.append("a"))
        clock.call_at(2, lambda: log.append("b"))
        clock.sleep(1)
        clock.call_at(2, lambda: log.append("c"))
        clock.sleep(1)
        assert log == ["a", "b", "c"]

    def test_a_callback_may_plan_and_sleep(self):
        """What a callback plans runs too, and its own sleeping counts."""
        clock, log = FakeClock(), []

        def first() -> None:
            clock.call_at(3, lambda: log.append(clock.monotonic()))
            clock.sleep(5)
            log.append(clock.monotonic())

        clock.call_at(1, first)
        clock.sleep(2)
        assert log == [3, 6]
        assert clock.monotonic() == 6

    def test_a_callback_that_raises_ends_the_sleep(self):
        """Like a signal handler, it ends the sleep at that moment; the rest stays planned."""
        clock, log = FakeClock(), []
        clock.call_at(1, lambda: 1 / 0)
        clock.call_at(2, lambda: log.append("later"))
        with pytest.raises(ZeroDivisionError):
            clock.sleep(10)
        assert clock.monotonic() == 1
        clock.sleep(1)
        assert log == ["later"]

    def test_threads_may_share_it(self):
        """Sleepers of several threads never move it back, and no callback is lost or doubled."""
        clock, log = FakeClock(), []
        for number in range(500):
            clock.call_at(number / 10, lambda number=number: log.append(number))
        threads = [
            threading.Thread(target=lambda: [clock.sleep(0.5) for _ in range(200)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(log) == list(range(500))


def test_the_system_clock_is_the_machines():
    """It returns the machine's times and really sleeps; a negative pause is none."""
    clock = SystemClock()
    started = time.monotonic()
    clock.sleep(0.01)
    clock.sleep(-1)
    assert 0.01 <= clock.monotonic() - started < 5
    assert abs(clock.time() - time.time()) < 5


class TestDeadline:
    """A moment by which something must be done."""

    def test_it_comes(self):
        """What remains shrinks to nothing and stays there."""
        clock = FakeClock()
        deadline = Deadline.after(clock, 10)
        assert (deadline.remaining, deadline.expired) == (10, False)
        clock.sleep(9.5)
        assert deadline.remaining == 0.5
        clock.sleep(5)
        assert (deadline.remaining, deadline.expired) == (0, True)

    def test_never(self):
        """Without seconds it never comes."""
        clock = FakeClock()
        deadline = Deadline.after(clock, None)
        clock.sleep(1e9)
        assert (deadline.at, deadline.remaining, deadline.expired) == (None, float("inf"), False)

    @pytest.mark.parametrize(
        ("seconds", "cap", "remaining"), [(10, 3, 3), (3, 10, 3), (None, 3, 3), (0, 3, 0)]
    )
    def test_no_later_than(self, seconds: float | None, cap: float, remaining: float):
        """The earlier of two moments counts."""
        assert Deadline.after(FakeClock(), seconds).no_later_than(cap).remaining == remaining


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0s"), (0.4, "0s"), (59.4, "59s"), (59.6, "1m"), (61, "1m01s"), (3599, "59m59s"),
        (3599.7, "1h"), (3720, "1h02m"), (100 * 3600, "100h"),
    ],
)  # fmt: skip
def test_durations_for_people(seconds: float, text: str):
    """A duration is rounded as a whole, so that no part of it is ever 60."""
    assert format_duration(seconds) == text
