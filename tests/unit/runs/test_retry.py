"""Asking again: for how long, how often, and what is said meanwhile."""

from __future__ import annotations

import pytest

from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import (
    Forbidden,
    InvalidInput,
    Malformed,
    NotFound,
    Redirected,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from opsera_step.runs import call_with_retry
from opsera_step.runs.events import Heartbeat, Recovered, Retrying
from opsera_step.runs.retry import FIRST_CONTACT, LONGEST_OUTAGE, Waiting


class Asked:
    """An API that answers after a number of failures, or when a time has come."""

    def __init__(self, error, *, times=10**9, until=float("inf"), met=True, latency=0.0):
        self.clock = FakeClock()
        self.error, self.fails, self.until, self.latency = error, times, until, latency
        self.ever_responded = met
        self.at = []

    def __call__(self, deadline):
        self.clock.sleep(self.latency)
        now = self.clock.monotonic()
        self.at.append(now)
        if len(self.at) > self.fails or now >= self.until:
            return "answer"
        raise self.error

    def call_with_retry(self, timeout=3600.0):
        events = []
        asking = call_with_retry(
            self, self, self.clock, Deadline.after(self.clock, timeout), lambda: 0.5
        )
        try:
            while True:
                events.append(next(asking))
        except StopIteration as stop:
            return events, stop.value


def suspicious(error):
    error.suspect_configuration = True
    return error


def throttled(seconds):
    error = Unavailable("HTTP 429")
    error.retry_after = seconds
    return error


def test_an_answer_at_once_is_no_event():
    """When all is well nothing is said."""
    assert Asked(None, times=0).call_with_retry() == ([], "answer")


@pytest.mark.parametrize("error", [Unreachable("gone"), Unavailable("HTTP 502"), Malformed("HTML")])
def test_trouble_is_lived_through_and_told(error):
    """Transient trouble is told once, and so is its end."""
    events, answer = Asked(error, times=4).call_with_retry()
    assert answer == "answer"
    assert events[0][:2] == (error.message, 0.0)
    assert isinstance(events[-1], Recovered)
    assert len(events) == 2


@pytest.mark.parametrize(
    "error",
    [Unauthorized("401"), Forbidden("403"), NotFound("404"), InvalidInput(["pipeline: two"])],
)
def test_refusals_end_it_at_once(error):
    """What asking again can't mend is raised as it came."""
    asked = Asked(error)
    with pytest.raises(type(error)) as caught:
        asked.call_with_retry()
    assert (caught.value, asked.at) == (error, [0.0])


def test_pauses_grow_up_to_half_a_minute():
    """The pauses double, with jitter, up to 30 seconds."""
    asked = Asked(Unavailable("HTTP 503"), times=9)
    asked.call_with_retry()
    pauses = [later - at for at, later in zip(asked.at, asked.at[1:], strict=False)]
    assert pauses == pytest.approx([0.75, 1.5, 3.0, 6.0, 12.0, 22.5, 22.5, 22.5, 22.5])


def test_retry_after_is_obeyed():
    """The server's wish counts where it is longer than our pause."""
    asked = Asked(throttled(100.0), times=1)
    events, _ = asked.call_with_retry()
    assert asked.at == pytest.approx([0.0, 100.0])
    assert [type(event) for event in events] == [Retrying, Heartbeat, Recovered]


@pytest.mark.parametrize("seconds", [2000.0, 10.0**9])
def test_retry_after_cannot_outlast_the_deadline(seconds):
    """However long the server wants us to wait, it ends in time, after one more try."""
    asked = Asked(throttled(seconds))
    with pytest.raises(Unavailable):
        asked.call_with_retry(timeout=1000.0)
    assert asked.at == pytest.approx([0.0, 1000.0])


def test_without_a_deadline_no_pause_is_endless():
    """An absurd Retry-After does not put a job without a timeout to sleep for years."""
    asked = Asked(throttled(10.0**9), times=1)
    asked.call_with_retry(timeout=None)
    assert asked.at[1] <= LONGEST_OUTAGE + 1.0


def test_the_deadline_ends_it():
    """The last error is raised when the time is up."""
    asked = Asked(Unreachable("gone"), latency=0.5)
    with pytest.raises(Unreachable):
        asked.call_with_retry(timeout=120.0)
    assert 119.0 < asked.clock.monotonic() <= 121.0


def test_without_a_deadline_an_hour_ends_it():
    """Where the user set no timeout, an outage of an hour is enough."""
    asked = Asked(Unreachable("gone"))
    with pytest.raises(Unreachable):
        asked.call_with_retry(timeout=None)
    assert LONGEST_OUTAGE < asked.clock.monotonic() < LONGEST_OUTAGE + 60.0


def test_without_a_deadline_a_shorter_outage_is_lived_through():
    """Fifty minutes are not too long."""
    assert Asked(Unreachable("gone"), until=3000.0).call_with_retry(timeout=None)[1] == "answer"


def test_a_long_timeout_is_patient_too():
    """Whoever sets three hours gets three hours."""
    assert Asked(Unreachable("gone"), until=7200.0).call_with_retry(timeout=10800.0)[1] == "answer"


@pytest.mark.parametrize("error", [Unreachable("no such host"), Redirected("302")])
def test_a_wrong_setting_is_tried_for_half_a_minute(error):
    """What looks like a wrong setting is not waited for, unless it ever worked."""
    asked = Asked(suspicious(error), met=False)
    with pytest.raises(type(error)):
        asked.call_with_retry()
    assert FIRST_CONTACT < asked.clock.monotonic() < 2 * FIRST_CONTACT
    assert Asked(suspicious(error), until=600.0).call_with_retry()[1] == "answer"


def test_it_never_looks_dead():
    """In an outage a line a minute says what the trouble is."""
    events, _ = Asked(Unreachable("gone"), until=1800.0).call_with_retry()
    beats = [event for event in events if isinstance(event, Heartbeat)]
    assert len(beats) in (29, 30)
    assert {beat.error for beat in beats} == {"gone"}
    silent = [beat.idle_seconds for beat in beats]
    assert silent == pytest.approx([60.0 * number for number in range(1, len(beats) + 1)], abs=3)


def test_waiting_is_bounded_by_the_deadline():
    """A sleep ends with the deadline, and the run in front is named."""
    clock = FakeClock()
    waiting = Waiting(clock, Deadline.after(clock, 150.0))
    beats = list(waiting.sleep(500.0, behind=7))
    assert clock.monotonic() == pytest.approx(150.0)
    assert [beat.queued_behind for beat in beats] == [7, 7]
    assert list(waiting.sleep(10.0)) == []


def test_short_sleeps_add_up():
    """A minute made of many sleeps is a minute."""
    clock = FakeClock()
    waiting = Waiting(clock, Deadline.after(clock, None))
    beats = [beat for _ in range(100) for beat in waiting.sleep(2.0)]
    assert [beat.idle_seconds for beat in beats] == pytest.approx([60.0, 120.0, 180.0])
