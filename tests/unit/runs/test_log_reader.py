"""Reading the log: what one call gives, what failures do, and when the end is the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opsera_step.api import LogRecord
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import ApiError, Malformed
from opsera_step.runs import events
from opsera_step.runs.log_reader import EMPTY_FOR, STILL_FOR, LogReader
from opsera_step.runs.polling import PollSchedule
from tests.unit.runs.test_follow import RUN, http, record

NEVER = 0.0


class Log:
    """A log whose answers the test sets: records oldest first, or an error."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.said: list[LogRecord] | ApiError = []
        self.asked: list[float] = []
        self.console_only: list[bool] = []

    def logs(self, run, deadline, *, console_only):
        assert run == RUN
        self.asked.append(self.clock.monotonic())
        self.console_only.append(console_only)
        self.clock.sleep(0.1)
        if isinstance(self.said, ApiError):
            raise self.said
        return self.said[::-1]

    def later(self, at: float, said: list[LogRecord] | ApiError) -> None:
        self.clock.call_at(at, lambda: setattr(self, "said", said))


@pytest.fixture
def log() -> Log:
    return Log(FakeClock())


def feed_of(log: Log, kind: str = "console", cadence: PollSchedule | None = None) -> LogReader:
    cadence = cadence or PollSchedule(lambda: 0.5)
    return LogReader(log, RUN, kind, log.clock, cadence, lambda: 0.5)


def poll(feed: LogReader, log: Log, **options: bool) -> list[events.Event]:
    return list(feed.poll(Deadline.after(log.clock, 60), **options))


def drain(feed: LogReader, log: Log, cap: float = 60.0, grace: float = NEVER) -> list[events.Event]:
    return list(feed.drain(Deadline.after(log.clock, cap), Deadline.after(log.clock, grace)))


def lines_of(seen: list[events.Event]) -> list[str]:
    return [line for one in seen if isinstance(one, events.LogLines) for line in one.lines]


def test_new_lines_come_with_their_step(log):
    """A record becomes one event of whole lines that names its step and its tool."""
    log.said = [record(1, "a\nb\r\nc\n")]
    assert poll(feed_of(log), log) == [
        events.LogLines("s1", "Build", "jenkins", ("a", "b", "c"), 1.0)
    ]


def test_a_line_comes_once(log):
    """Asked again, the same records give nothing."""
    feed, log.said = feed_of(log), [record(1, "a\n"), record(2, "b\n")]
    assert lines_of(poll(feed, log)) == ["a", "b"]
    assert poll(feed, log) == []


@pytest.mark.parametrize(("kind", "console_only"), [("console", True), ("all", False)])
def test_what_is_asked_for(log, kind, console_only):
    """The input logs decides which records are asked for."""
    poll(feed_of(log, kind), log)
    assert log.console_only == [console_only]


def test_none_is_never_ready_and_drains_nothing(log):
    """With logs: none nothing is asked for, not even at the end."""
    feed = feed_of(log, "none")
    assert not feed.ready
    assert drain(feed, log) == []
    assert log.asked == [] and not feed.complete


def test_an_unfinished_line_comes_at_the_end(log):
    """What has no line end yet is held back, and given out at the end."""
    feed, log.said = feed_of(log), [record(1, "a\nhalf")]
    assert lines_of(poll(feed, log)) == ["a"]
    assert lines_of(drain(feed, log)) == ["half"]


def test_the_end_is_two_still_reads_over_three_seconds(log):
    """The log is taken as complete when it was still for three seconds and two reads."""
    feed, log.said = feed_of(log), [record(1, "a\n")]
    poll(feed, log)
    began = log.clock.monotonic()
    drain(feed, log)
    assert feed.complete
    assert STILL_FOR <= log.clock.monotonic() - began < STILL_FOR + 2
    assert len(log.asked) >= 3


def test_each_late_line_begins_the_stillness_anew(log):
    """A line during the drain puts the end off."""
    feed = feed_of(log)
    for number in range(1, 6):
        log.later(number * 2.5, [record(n, f"{n}\n") for n in range(1, number + 1)])
    assert lines_of(drain(feed, log)) == ["1", "2", "3", "4", "5"]
    assert feed.complete and log.clock.monotonic() >= 12.5 + STILL_FOR


def test_the_cap_ends_a_log_that_never_stands_still(log):
    """At the cap it ends, and the log is incomplete."""
    feed = feed_of(log)
    for number in range(1, 100):
        log.later(number * 1.0, [record(n, f"{n}\n") for n in range(1, number + 1)])
    drain(feed, log, cap=20)
    assert not feed.complete and 20 <= log.clock.monotonic() < 21


def test_missing_records_make_it_incomplete(log):
    """Records that went by are told, and the log is incomplete though it ended well."""
    feed = feed_of(log)
    log.said = [replace(record(n, f"{n}\n"), created=float(n)) for n in range(999)]
    poll(feed, log)
    assert list(feed.line_times.values()) == [(0.0, 998.0)]
    log.said = [replace(record(n, f"{n}\n"), created=float(n)) for n in range(1500, 2500)]
    assert poll(feed, log)[0] == events.LinesMissing(501)
    drain(feed, log)
    assert not feed.complete
    # The first line of a step may be among those: then none tells when it began.
    assert not feed.line_times


@pytest.mark.parametrize("error", [http(500), http(429), Malformed("the call answered HTML.")])
def test_a_fault_is_silent_and_the_next_try_waits(log, error):
    """A passing fault shows as trouble, holds back the next try for a while, and is then over."""
    feed, log.said = feed_of(log), error
    assert poll(feed, log) == []
    assert feed.trouble == error.message and not feed.ready
    log.clock.sleep(2)
    assert feed.ready
    log.said = []
    poll(feed, log)
    assert feed.trouble == ""


def test_retry_after_is_obeyed(log):
    """The next try waits for as long as the server asked."""
    feed, log.said = feed_of(log), http(429, 30.0)
    poll(feed, log)
    log.clock.sleep(29)
    assert not feed.ready
    log.clock.sleep(2)
    assert feed.ready


def test_only_429_slows_the_schedule(log):
    """A throttled log call slows the schedule down; another fault does not."""
    for error, slower in ((http(502), False), (http(429), True)):
        cadence = PollSchedule(lambda: 0.5)
        normal = cadence.pause(0)
        log.said = error
        poll(feed_of(log, cadence=cadence), log)
        assert (cadence.pause(0) > normal) is slower


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_told_once_and_tried_again_after_a_minute(log, status):
    """A refusal is one warning, and a minute's rest before the next try."""
    feed, log.said = feed_of(log), http(status)
    (note,) = poll(feed, log)
    assert note.warning and f"HTTP {status}" in note.text
    log.clock.sleep(59)
    assert not feed.ready
    log.clock.sleep(2)
    assert feed.ready and poll(feed, log) == []


@pytest.mark.parametrize("status", [400, 404])
def test_a_new_run_may_be_unknown(log, status):
    """While the run may be unknown, 400 and 404 are no refusal."""
    feed, log.said = feed_of(log), http(status)
    assert poll(feed, log, may_be_unknown=True) == []
    log.clock.sleep(2)
    assert feed.ready


@pytest.mark.parametrize("status", [401, 403])
def test_a_bad_token_is_no_unknown_run(log, status):
    """While the run may be unknown, 401 and 403 are a refusal all the same."""
    feed, log.said = feed_of(log), http(status)
    assert len(poll(feed, log, may_be_unknown=True)) == 1


def test_a_refusal_can_be_taken_back(log):
    """After a refusal that was taken back the log is read on, and a new one is told anew."""
    feed, log.said = feed_of(log), http(403)
    poll(feed, log)
    log.said = [record(1, "a\n")]
    assert lines_of(poll(feed, log)) == ["a"]
    assert feed.trouble == ""
    log.said = http(403)
    assert len(poll(feed, log)) == 1


def test_a_refusal_at_the_end_ends_the_drain(log):
    """A log that is refused is not asked for again and again at the end."""
    feed, log.said = feed_of(log), http(403)
    drain(feed, log)
    assert len(log.asked) == 1 and not feed.complete


def test_a_fault_at_the_end_begins_the_stillness_anew(log):
    """A read that failed is no still read."""
    feed = feed_of(log)
    log.later(1.0, http(502))
    log.later(8.0, [record(1, "late\n")])
    assert lines_of(drain(feed, log)) == ["late"]
    assert feed.complete


def test_an_empty_log_in_the_grace_is_not_the_end(log):
    """While the log of a new run may not be there yet, its emptiness proves nothing."""
    feed = feed_of(log)
    log.later(9.0, [record(1, "late\n")])
    assert lines_of(drain(feed, log, grace=15)) == ["late"]


class Known(Log):
    """A log whose run Opsera knows from some moment on, by activity records."""

    known_from = 0.0
    activity = replace(record(9, "started\n"), action="pipeline status")

    def logs(self, run, deadline, *, console_only):
        said = super().logs(run, deadline, console_only=console_only)
        if console_only or self.clock.monotonic() < self.known_from:
            return said
        return [*said, self.activity]


def test_an_empty_log_of_a_run_that_is_known_is_soon_taken_as_such():
    """Where Opsera has other records of a new run, its end is not waited for to the last second."""
    log = Known(FakeClock())
    feed = feed_of(log)
    assert drain(feed, log, grace=20) == []
    assert feed.complete and EMPTY_FOR <= log.clock.monotonic() < EMPTY_FOR + 3


def test_lines_that_trail_behind_the_other_records_are_waited_for():
    """Console text may come some seconds after the first records of a run."""
    log = Known(FakeClock())
    log.known_from = 4.0
    feed = feed_of(log)
    log.later(9.0, [record(1, "late\n")])
    assert lines_of(drain(feed, log, grace=30)) == ["late"]
    assert feed.complete


def test_where_the_other_records_cannot_be_read_the_grace_is_waited_for():
    """What was only asked to save time does no harm when it fails."""
    log = Known(FakeClock())
    log.activity = replace(record(9, ""), action="")
    feed = feed_of(log)
    drain(feed, log, grace=20)
    assert feed.complete and log.clock.monotonic() >= 20


def test_once_there_a_log_in_the_grace_ends_as_any_other(log):
    """A log that is there is not waited for to the end of the grace."""
    feed, log.said = feed_of(log), [record(1, "a\n")]
    drain(feed, log, grace=20)
    assert feed.complete and log.clock.monotonic() < STILL_FOR + 2


def test_what_is_missing_of_a_torn_answer_comes_later(log):
    """A record that grows gives only what is new of it."""
    feed = feed_of(log)
    log.said = [record(1, "a\n")]
    seen = poll(feed, log)
    log.said = [replace(record(1, ""), text="a\nb\n")]
    assert lines_of(seen + poll(feed, log)) == ["a", "b"]


def test_an_unfiltered_answer_shows_no_activity_messages(log):
    """Where the server ignores the filter, only console records and those of no kind are shown."""
    log.said = [
        record(1, "a\n"),
        replace(record(2, "started\n"), action="pipeline status"),
        replace(record(3, "c\n"), action=""),
    ]
    assert lines_of(poll(feed_of(log), log)) == ["a", "c"]
