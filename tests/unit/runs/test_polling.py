"""The poll schedule, played against runs that log so and so fast."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from opsera_step.runs.log_cursor import WINDOW
from opsera_step.runs.polling import (
    LONGEST_TICK,
    QUICKEST_TICK,
    STATUS_TICK,
    STEADY_TICK,
    Call,
    PollSchedule,
)

MIDDLE = 0.5


@dataclass
class Played:
    """What a schedule did: when it asked, and how many records each read of the log found."""

    calls: list[float] = field(default_factory=list)
    found: list[int] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    def per_minute(self, after: float = 0.0) -> float:
        times = [time for time in self.calls if time >= after]
        return 60 * len(times) / (times[-1] - after)


def play(
    lines_until: Callable[[float], float],
    seconds: float,
    seed: int = 1,
    longest_request: float = 0.5,
    cadence: PollSchedule | None = None,
) -> Played:
    """Let a run have so many lines until each moment, and poll it as following does."""
    rng, played = random.Random(seed), Played()
    cadence = cadence or PollSchedule(rng.random)
    now = changed = read_at = answered_at = 0.0
    while now < seconds:
        started = now
        for call in cadence.next_call(now - changed):
            played.calls.append(now)
            request = rng.uniform(0, longest_request)
            looked_at = now + rng.uniform(0, request)
            now += request
            if call is Call.LOG:
                count = int(lines_until(looked_at)) - int(lines_until(read_at))
                played.found.append(count)
                if count:
                    changed = now
                    played.lags += [
                        now - read_at - (looked_at - read_at) * share / 20 for share in range(1, 21)
                    ]
                cadence.saw_records(min(count, WINDOW), now - answered_at)
                read_at, answered_at = looked_at, now
        now += cadence.pause(now - changed, now - started)
    return played


@pytest.mark.parametrize("rate", [1, 10, 100, 190])
def test_while_lines_flow_it_asks_once_a_second(rate: int):
    """A steady log costs about 60 requests a minute, and half of the lines show in a second."""
    played = play(lambda time: rate * time, 600)
    assert played.per_minute() <= 65
    assert statistics.median(played.lags) < 1.0 + 0.3 * (rate == 1)
    assert max(played.lags) < 4


@pytest.mark.parametrize("rate", [200, 300, 400])
@pytest.mark.parametrize("seed", range(5))
def test_a_window_never_passes_by(rate: int, seed: int):
    """Up to 400 records a second no more than 1000 lie between two reads of the log."""
    played = play(lambda time: rate * time, 300, seed)
    assert max(played.found) <= WINDOW


@pytest.mark.parametrize("rate", [800, 1500])
def test_a_faster_log_is_read_faster(rate: int):
    """Beyond that it is read as fast as the requests themselves allow."""
    played = play(lambda time: rate * time, 120, longest_request=0.1)
    assert max(played.found[5:]) <= WINDOW


def test_after_a_burst_it_calms_down():
    """Soon after a burst the pace is that of a quiet log again."""
    played = play(lambda time: min(time, 60) * 400, 400)
    assert played.per_minute(after=240) < 20


def test_a_burst_begins_with_quick_ticks():
    """The first lines after a silence quicken the ticks, and a burst that goes on slows them."""
    cadence, ticks = PollSchedule(lambda: MIDDLE), []
    cadence.saw_records(0, 30.0)
    for _ in range(25):
        cadence.saw_records(2, 1.0)
        ticks.append(cadence.pause(0.1))
    assert ticks[0] == QUICKEST_TICK
    assert ticks[-1] == STEADY_TICK
    assert ticks == sorted(ticks)


def test_after_a_lone_line_it_calms_down_sooner():
    """A single line in a long silence is no reason to expect more of them, a burst is."""
    pauses = {}
    for records in (1, 10):
        cadence = PollSchedule(lambda: MIDDLE)
        cadence.saw_records(0, 60.0)
        cadence.saw_records(records, 5.0)
        pauses[records] = cadence.pause(20)
    assert pauses[1] > 2 * pauses[10]


@pytest.mark.parametrize("longest_request", [0.0, 0.3])
def test_a_silent_hour_costs_little(longest_request: float):
    """An hour without a change costs about 300 requests."""
    played = play(lambda time: 0, 3600, longest_request=longest_request)
    assert len(played.calls) <= 310
    assert max(b - a for a, b in pairwise(played.calls)) < 1.2 * LONGEST_TICK + 1


def test_in_silence_each_second_tick_asks_for_the_status():
    """While nothing comes the log is asked for at each tick, the status at each second."""
    cadence = PollSchedule(lambda: MIDDLE)
    calls = [cadence.next_call(silent=60) for _ in range(10)]
    assert calls == [(Call.STATUS, Call.LOG), (Call.LOG,)] * 5


def test_while_lines_flow_the_log_goes_first():
    """While lines come each tick is for the log, each sixth for the status too."""
    cadence = PollSchedule(lambda: MIDDLE)
    calls = [cadence.next_call(silent=0.5) for _ in range(12)]
    assert calls == ([(Call.STATUS, Call.LOG)] + [(Call.LOG,)] * 5) * 2


def test_what_breaks_a_silence_makes_it_ask_for_the_status():
    """A line after a silence may be the run's last one: the next tick asks how the run stands."""
    cadence = PollSchedule(lambda: MIDDLE)
    cadence.next_call(silent=60)
    cadence.saw_records(0, 60.0)
    cadence.saw_records(1, 5.0)
    assert cadence.next_call(silent=0.5) == (Call.STATUS, Call.LOG)
    assert cadence.next_call(silent=0.5) == (Call.LOG,)


def test_in_a_burst_it_asks_sooner():
    """When a window could pass by in a tick, the tick is shorter."""
    cadence = PollSchedule(lambda: MIDDLE)
    cadence.saw_records(500, 1.0)
    assert cadence.pause(0.0) <= 0.8


def test_without_logs_only_the_status_is_asked_for():
    """With logs off there is one call, every two seconds at most."""
    cadence = PollSchedule(lambda: MIDDLE, logs_wanted=False)
    assert cadence.next_call(0) == (Call.STATUS,)
    assert cadence.pause(0) == STATUS_TICK


def test_a_fixed_interval_is_kept():
    """The user's own interval holds whatever happens, both calls each time."""
    cadence = PollSchedule(lambda: 0.99, fixed=7.0)
    cadence.saw_records(5000, 1.0)
    cadence.throttled()
    assert cadence.next_call(100) == (Call.STATUS, Call.LOG)
    assert cadence.pause(100, spent=2.0) == 5.0
    assert cadence.pause(0, spent=9.0) > 0


@pytest.mark.parametrize("silent", [0, 10, 100, 10_000])
def test_the_jitter_is_15_percent(silent: float):
    """Each pause is spread by 15 % either way, and never nothing."""
    low, middle, high = (PollSchedule(lambda j=j: j).pause(silent) for j in (0.0, 0.5, 1.0))
    assert low == pytest.approx(0.85 * middle)
    assert high == pytest.approx(1.15 * middle)
    assert PollSchedule(lambda: 0.0).pause(silent, spent=1000) > 0


def test_a_thousand_jobs_spread_out():
    """Jobs that started at one moment ask at all moments a few minutes later."""
    moments: Counter[int] = Counter()
    for seed in range(1000):
        calls = play(lambda time: time, 185, seed, longest_request=0.02).calls
        moments.update(int(time * 10) for time in calls if 180 <= time < 184)
    assert len(moments) == 40
    assert max(moments.values()) < 2 * statistics.mean(moments.values())


class TestThrottling:
    """What an answer of 429 does."""

    def test_each_one_doubles_the_pause(self):
        """The pace halves with each, up to half a minute."""
        cadence, pauses = PollSchedule(lambda: MIDDLE), []
        for _ in range(7):
            cadence.next_call(0)
            pauses.append(cadence.pause(0))
            cadence.throttled()
        assert pauses == pytest.approx([1.2, 2.4, 4.8, 9.6, 19.2, 19.2, 19.2])
        assert cadence.pause(100) == 30

    def test_a_tick_counts_once(self):
        """Status and log are asked for together, and refused together; that is one refusal."""
        cadence = PollSchedule(lambda: MIDDLE)
        cadence.next_call(0)
        cadence.throttled()
        cadence.throttled()
        assert cadence.pause(0) == 2 * STEADY_TICK

    def test_it_slows_an_idle_job_too_but_not_without_end(self):
        """The longest pauses do not multiply, so that the end of a run is not missed for long."""
        cadence = PollSchedule(lambda: 1.0)
        for _ in range(10):
            cadence.next_call(0)
            cadence.throttled()
        assert cadence.pause(10_000) < 60

    def test_good_answers_bring_it_back(self):
        """After some good answers the pace is the old one, and not faster."""
        cadence = PollSchedule(lambda: MIDDLE)
        for _ in range(10):
            cadence.next_call(0)
            cadence.throttled()
        answers = 0
        while cadence.pause(0) > STEADY_TICK:
            cadence.answered()
            answers += 1
        assert 10 < answers < 45
        cadence.answered()
        assert cadence.pause(0) == STEADY_TICK

    def test_a_fast_log_is_slowed_too(self):
        """A burst does not outrun what the server asks for."""
        cadence = PollSchedule(lambda: MIDDLE)
        cadence.saw_records(800, 1.0)
        before = cadence.pause(0)
        cadence.throttled()
        assert cadence.pause(0) == 2 * before


def test_the_rate_is_learnt_at_once_and_forgotten_slowly():
    """One read of a burst quickens the pace, a few quiet ones bring the old pace back."""
    cadence = PollSchedule(lambda: MIDDLE)
    cadence.saw_records(1000, 1.0)
    quick = cadence.pause(0)
    cadence.saw_records(0, 1.0)
    assert quick < cadence.pause(0) < STEADY_TICK
    for _ in range(20):
        cadence.saw_records(0, 1.0)
    assert cadence.pause(2.0) == STEADY_TICK
