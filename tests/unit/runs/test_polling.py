"""The poll schedule, played against logs of several kinds: how late, and how many requests."""

from __future__ import annotations

import random
import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from benchmarks.traces import Trace, busy, long_bursts, quiet, short_bursts, steady
from opsera_step.runs.log_cursor import WINDOW
from opsera_step.runs.polling import (
    ACTIVITY_AFTER,
    FOR_A_PERSON,
    IN_CI,
    MAX_LOG_INTERVAL,
    MAX_STATUS_INTERVAL,
    Pace,
    PollSchedule,
    Request,
)

LATENCY = 0.1


def regular(seed: int, minutes: float = 5) -> Trace:
    """A line a second, nearly."""
    rng, times = random.Random(seed), [0.5]
    while times[-1] < 60 * minutes:
        times.append(times[-1] + rng.uniform(0.8, 1.2))
    return Trace("regular", "", tuple(times), times[-1] + rng.uniform(0, 1))


def idle(seed: int, minutes: float = 60) -> Trace:
    """One line, and an hour of silence."""
    return Trace("idle", "", (1.0,), 60 * minutes + random.Random(seed).uniform(0, 60))


@dataclass
class Played:
    """What a schedule did with a trace."""

    requests: list[tuple[float, Request]] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    found: list[int] = field(default_factory=list)
    end_delay: float = 0.0
    end: float = 0.0

    def count(self, request: Request) -> int:
        return sum(one is request for _, one in self.requests)

    @property
    def per_minute(self) -> float:
        return 60 * len(self.requests) / self.end

    @property
    def median(self) -> float:
        return statistics.median(self.delays)


def play(
    trace: Trace,
    seed: int = 1,
    pace: Pace = IN_CI,
    latency: float = LATENCY,
    throttled: tuple[float, float] = (0.0, 0.0),
) -> Played:
    """Send what the schedule requests until it notices the end, as following does.

    In the seconds `throttled` the API answers 429.
    """
    times, end, played = trace.times, trace.end, Played(end=trace.end)
    schedule = PollSchedule(random.Random(seed).random, pace=pace)
    now = read_at = 0.0
    seen = 0
    while True:
        request, delay = schedule.plan(now)
        assert delay >= 0
        now += max(delay, schedule.gap)
        sent_at, looked_at = now, now + latency / 2
        now += latency
        played.requests.append((sent_at, request))
        is_refused = throttled[0] <= sent_at < throttled[1]
        (schedule.throttled if is_refused else schedule.answered)()
        if is_refused:
            pass
        elif request in (Request.LOG, Request.ACTIVITY):
            there = bisect_right(times, looked_at)
            played.delays += [now - at for at in times[seen:there]]
            played.found.append(there - seen)
            if there > seen:
                over_seconds = min(now - read_at, times[there - 1] - times[seen])
                schedule.saw_lines(now, over_seconds, there - seen, times[there - 1])
            elif request is Request.LOG:
                schedule.saw_none(now - read_at)
            seen, read_at = there, now
        schedule.sent(request, sent_at, now)
        if looked_at >= end and request in (Request.STATUS, Request.SUMMARY):
            played.end_delay = now - end
            return played


def play_all(make: Callable[..., Trace], pace: Pace, runs: int, *length: float) -> list[Played]:
    return [play(make(seed, *length), seed, pace) for seed in range(runs)]


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * len(values))]


BOUNDS = {
    # requests a minute in CI and for a person, median delay of a line, in seconds
    steady: (26.0, 63.0, 1.5, 0.62),
    regular: (25.0, 60.0, 1.5, 0.62),
    busy: (25.0, 60.0, 1.5, 0.62),
    short_bursts: (26.5, 65.0, 1.5, 0.62),
    long_bursts: (24.0, 45.0, 0.76, 0.6),
}


@pytest.mark.parametrize("make", BOUNDS, ids=lambda make: make.__name__)
def test_while_lines_come(make):
    """In CI about 24 requests a minute and half of the lines within 1.5 seconds, in longer bursts
    within 0.75; for a person about 60 and 0.6.
    """
    ci, person, ci_delay, person_delay = BOUNDS[make]
    for pace, requests, delay in ((IN_CI, ci, ci_delay), (FOR_A_PERSON, person, person_delay)):
        played = play_all(make, pace, 24)
        assert statistics.mean(one.per_minute for one in played) <= requests
        assert statistics.median([late for one in played for late in one.delays]) <= delay


@pytest.mark.parametrize("make", BOUNDS, ids=lambda make: make.__name__)
def test_the_end_is_noticed_while_lines_come(make):
    """Within four seconds at p95, or 5.5 for a log that has just been silent for four."""
    delays = [one.end_delay for one in play_all(make, IN_CI, 100, 0.7)]
    assert percentile(delays, 0.95) <= (5.5 if make is short_bursts else 4.0)


@pytest.mark.parametrize("pace", [IN_CI, FOR_A_PERSON])
def test_an_idle_hour(pace):
    """It costs at most 300 requests, and its end is noticed within 15 seconds at p95."""
    played = play_all(idle, pace, 60)
    assert max(sum(at < 3600 for at, _ in one.requests) for one in played) <= 300
    assert percentile([one.end_delay for one in played], 0.95) <= 15.0
    assert statistics.median([one.end_delay for one in played]) <= 10.5


def test_a_quiet_log():
    """A line in minutes costs few requests, and is found within the longest interval."""
    played = play_all(quiet, IN_CI, 10)
    assert statistics.mean(one.per_minute for one in played) <= 9
    assert max(late for one in played for late in one.delays) <= 1.2 * MAX_LOG_INTERVAL


@pytest.mark.parametrize("rate", [200, 390])
@pytest.mark.parametrize("seed", range(20))
def test_a_window_never_passes_unseen(rate, seed):
    """As fast as the window demands: never 1000 records between two reads, from the first on."""
    times = tuple(2.0 + n / rate for n in range(rate * 60))
    played = play(Trace("", "", times, 62.0), seed)
    assert max(played.found) <= WINDOW


def test_all_records_are_read_before_they_are_out_of_reach():
    """While lines come, every few hundred records, and at least every minute or so."""
    played = play(busy(1))
    reads = [at for at, request in played.requests if request is Request.ACTIVITY]
    assert max(b - a for a, b in pairwise([0.0, *reads])) * 20 <= WINDOW
    assert len(reads) <= 20 * 300 / ACTIVITY_AFTER + 1
    played = play(steady(1))
    assert 3 <= played.count(Request.ACTIVITY) <= 6
    assert play(idle(1)).count(Request.ACTIVITY) <= 2


def test_the_status_is_requested_often_enough_for_a_stop_call():
    """An observation that the run is active holds for 70 seconds; it never gets as old."""
    for make in (steady, busy, long_bursts, quiet, idle):
        for seed in range(5):
            played = play(make(seed), seed)
            at = [time for time, request in played.requests if request is Request.STATUS]
            assert max(b - a for a, b in pairwise(at)) < 70.0


def test_a_growing_record_does_not_double_the_requests():
    """If times of records don't show the age of a line, false alarms stay rare."""
    schedule, now, requests = PollSchedule(lambda: 0.5), 0.0, Counter()
    while now < 300:
        request, delay = schedule.plan(now)
        now += delay + LATENCY
        requests[request] += 1
        if request is Request.LOG:
            schedule.saw_lines(now, 3.0, 0, None)
        schedule.sent(request, now - LATENCY, now)
    assert sum(requests.values()) <= 130


def test_an_absurd_time_does_not_double_the_requests():
    """A server's clock that jumps makes a few false alarms, no more."""
    times = [n * 1.0 for n in range(300)]
    schedule, now, seen, requests = PollSchedule(lambda: 0.5), 0.0, 0, 0
    while now < 290:
        request, delay = schedule.plan(now)
        now += delay + LATENCY
        requests += 1
        if request is Request.LOG:
            there = bisect_right(times, now)
            created = times[there - 1] + (1e6 if 100 < now < 110 else 0.0)
            schedule.saw_lines(now, 3.0, there - seen, created)
            seen = there
        schedule.sent(request, now - LATENCY, now)
    assert requests <= 160


class TestTheUsersInterval:
    """The input poll_interval."""

    def test_it_holds_whatever_happens(self):
        """Status and log at each interval, both once; all records in place of the log."""
        schedule, now, requests = PollSchedule(lambda: 0.99, fixed=7.0), 0.0, []
        while now < 700:
            request, delay = schedule.plan(now)
            now += delay
            requests.append((now, request))
            if request is Request.LOG:
                schedule.saw_lines(now, 7.0, 900, now)
            schedule.sent(request, now, now)
        for kind in ((Request.LOG, Request.ACTIVITY), (Request.STATUS, Request.SUMMARY)):
            times = [at for at, request in requests if request in kind]
            assert all(b - a == pytest.approx(7.0, abs=0.1) for a, b in pairwise(times))

    def test_a_failure_changes_neither(self):
        """While one request has to wait, the other keeps its interval."""
        schedule, now, logs = PollSchedule(lambda: 0.5, fixed=1.0), 0.0, 0
        while now < 60:
            request, delay = schedule.plan(now, status_from=120.0)
            now += delay
            logs += request is Request.LOG
            schedule.sent(request, now, now)
        assert 58 <= logs <= 62


class TestWaitingAndFailing:
    """When the log can't be read, or a request failed."""

    def test_a_run_that_has_not_started_has_no_log(self):
        """Only the status is requested, less often the longer it takes."""
        schedule, now, requests = PollSchedule(lambda: 0.5), 0.0, Counter()
        while now < 3600:
            request, delay = schedule.plan(now, is_waiting=True)
            now += delay
            requests[request] += 1
            schedule.sent(request, now, now)
        assert Request.LOG not in requests and Request.ACTIVITY not in requests
        assert sum(requests.values()) <= 3600 / MAX_STATUS_INTERVAL + 20

    def test_a_failed_request_is_retried_when_it_is_due(self):
        """Sooner or later than it would be otherwise."""
        schedule = PollSchedule(lambda: 0.5)
        schedule.sent(Request.LOG, 0.0, 0.1)
        assert schedule.plan(100.0, status_from=101.0, log_from=250.0) == (Request.STATUS, 1.0)
        assert schedule.plan(100.0, status_from=300.0, log_from=101.5) == (Request.LOG, 1.5)

    def test_without_a_log_the_results_are_read(self):
        """With logs: none all records are read now and then, and as often as the window demands."""
        for rate, least, most in ((0, 20, 50), (100, 150, 320)):
            schedule, now, requests, read_at = (
                PollSchedule(lambda: 0.5, reads_log=False),
                0.0,
                [],
                0.0,
            )
            while now < 600:
                request, delay = schedule.plan(now)
                now += delay
                requests.append(request)
                if request is Request.ACTIVITY:
                    schedule.saw_results(
                        now, now - read_at, min(WINDOW, int(rate * (now - read_at)))
                    )
                    read_at = now
                schedule.sent(request, now, now)
            assert Request.LOG not in requests
            assert len(requests) <= most + 130
            assert requests.count(Request.ACTIVITY) >= least / 3


class TestThrottling:
    """What a response of 429 does."""

    def delay(self, schedule: PollSchedule) -> float:
        """Return the interval of a log that was just read, and had lines."""
        schedule.moved(99.9)
        schedule.sent(Request.STATUS, 100.0, 100.0)
        schedule.sent(Request.LOG, 100.0, 100.0)
        schedule._allowance = 0.0
        return schedule.plan(100.0)[1]

    def test_each_one_doubles_the_interval(self):
        """Also the distance between any two requests grows, both up to a limit."""
        schedule, delays, gaps = PollSchedule(lambda: 0.5), [], []
        for _ in range(5):
            delays.append(self.delay(schedule))
            gaps.append(schedule.gap)
            schedule.throttled()
        assert delays == pytest.approx([2.85, 5.7, 11.4, 12.85, 12.85])
        assert gaps == pytest.approx([0.0, 2.85, 8.55, 10.0, 10.0])

    def test_responses_bring_the_speed_back(self):
        """Gradually, and not beyond the usual."""
        schedule, answers = PollSchedule(lambda: 0.5), 0
        for _ in range(10):
            schedule.throttled()
        while schedule.gap > 0.0:
            schedule.answered()
            answers += 1
        assert 10 < answers < 60

    def test_nothing_is_saved_up_meanwhile(self):
        """So that a burst is not read often as soon as the API has recovered."""
        trace = Trace("", "", tuple(n * 0.5 for n in range(1200)), 600.0)
        played = play(trace, throttled=(100, 160))
        minutes = Counter(int(at / 60) for at, _ in played.requests)
        assert max(minutes[n] for n in range(2, 9)) <= 28


def test_intervals_are_jittered():
    """So that jobs don't stay in step."""
    delays = []
    for jitter in (0.0, 0.5, 1.0):
        schedule = PollSchedule(lambda j=jitter: j)
        schedule.moved(99.9)
        schedule.sent(Request.STATUS, 100.0, 100.0)
        schedule.sent(Request.LOG, 100.0, 100.0)
        schedule._allowance = 0.0
        delays.append(schedule.plan(100.0)[1])
    assert delays == pytest.approx([2.85 * 0.85, 2.85, 2.85 * 1.15])


def test_a_thousand_jobs_spread_out():
    """Jobs that started at one moment send their requests at all moments a few minutes later."""
    moments: Counter[int] = Counter()
    trace = Trace("", "", tuple(n * 1.0 for n in range(200)), 184.0)
    for seed in range(1000):
        requests = play(trace, seed, latency=0.02).requests
        moments.update(int(at * 2) for at, _ in requests if 180 <= at < 184)
    assert len(moments) == 8
    assert max(moments.values()) < 2 * statistics.mean(moments.values())
