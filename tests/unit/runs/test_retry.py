"""Retries: for how long, how often, and what is shown meanwhile."""

from __future__ import annotations

from itertools import pairwise

import pytest

from opsera_step.clock import Deadline, FakeClock, format_duration
from opsera_step.errors import (
    ApiError,
    Forbidden,
    InvalidInput,
    Malformed,
    NotFound,
    Redirected,
    TimedOut,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from opsera_step.runs import call_with_retry
from opsera_step.runs.events import Heartbeat, Recovered, Retrying
from opsera_step.runs.retry import (
    FIRST_CONTACT,
    LONGEST_OUTAGE,
    LONGEST_WAIT,
    Heartbeats,
    RetryState,
    backoff,
    retrying,
)


class Api:
    """An API that responds after a number of failures, or when a time has come."""

    def __init__(self, *errors, times=10**9, until=float("inf"), known=True, latency=0.0):
        self.clock = FakeClock()
        self.errors, self.fails, self.until, self.latency = errors, times, until, latency
        self.ever_responded = known
        self.at = []

    def __call__(self, deadline):
        self.clock.sleep(min(self.latency, max(0.1, deadline.remaining)))
        now = self.clock.monotonic()
        self.at.append(now)
        if len(self.at) > self.fails or now >= self.until:
            return "response"
        raise self.errors[min(len(self.at), len(self.errors)) - 1]

    def call(self, timeout=3600.0, **options):
        events = []
        calling = call_with_retry(
            self, self, self.clock, Deadline.after(self.clock, timeout), lambda: 0.5, **options
        )
        try:
            while True:
                events.append(next(calling))
        except StopIteration as stop:
            return events, stop.value

    def fail(self, timeout=3600.0, **options):
        with pytest.raises(ApiError) as caught:
            self.call(timeout, **options)
        return caught.value


def suspicious(error):
    error.suspect_configuration = True
    return error


def throttled(seconds):
    error = Unavailable("HTTP 429")
    error.retry_after = seconds
    return error


def test_a_response_at_once_is_no_event():
    """When all is well nothing is shown."""
    assert Api(times=0).call() == ([], "response")


@pytest.mark.parametrize("error", [Unreachable("gone"), Unavailable("HTTP 502"), Malformed("HTML")])
def test_an_outage_is_reported_once_and_so_is_its_end(error):
    """Transient failures are retried."""
    events, response = Api(error, times=4).call()
    assert response == "response"
    assert events[0] == Retrying(error.message, 0.0, 3600.0)
    assert isinstance(events[-1], Recovered)
    assert len(events) == 2


@pytest.mark.parametrize("error", [Forbidden("403"), NotFound("404")])
def test_rejections_end_it_at_once(error):
    """What a retry can't change is raised as it came."""
    api = Api(error)
    assert (api.fail(), api.at) == (error, [0.0])


def test_other_errors_pass():
    """Only failures of the API are retried."""
    with pytest.raises(InvalidInput):
        Api(InvalidInput(["pipeline: two"])).call()


def test_a_401_is_retried_twice_if_the_token_was_accepted_before():
    """A token that was good gets two more tries in ten seconds; an unknown one gets none."""
    assert Api(Unauthorized("401"), times=2).call()[1] == "response"
    api = Api(Unauthorized("401"))
    assert isinstance(api.fail(), Unauthorized)
    assert api.at == [0.0, 5.0, 10.0]
    api = Api(Unauthorized("401"), known=False)
    assert isinstance(api.fail(), Unauthorized)
    assert api.at == [0.0]


def test_waits_grow_up_to_half_a_minute():
    """The waits double, with jitter, up to 30 seconds."""
    api = Api(Unavailable("HTTP 503"), times=9)
    api.call()
    waits = [later - at for at, later in pairwise(api.at)]
    assert waits == pytest.approx([0.75, 1.5, 3.0, 6.0, 12.0, 22.5, 22.5, 22.5, 22.5])


@pytest.mark.parametrize(("asked", "waited"), [(20.0, 20.0), (100.0, 100.0), (3600.0, 120.0)])
def test_retry_after_is_obeyed_up_to_two_minutes(asked, waited):
    """A long wait is reported at once, with the API's Retry-After."""
    api = Api(throttled(asked), times=1)
    events, _ = api.call()
    assert api.at == pytest.approx([0.0, waited])
    assert events[0].wait == (waited if asked > 30 else 0.0)
    assert ("Opsera asked to wait 1h." in events[0].error) == (asked == 3600.0)


@pytest.mark.parametrize(("left", "announced"), [(200.0, 120.0), (10.0, 0.0)])
def test_a_wait_that_the_time_does_not_allow_is_not_announced(left, announced):
    retry, error = RetryState(lambda: 0.5), throttled(3600.0)
    wait = retry.failed(error, 0.0)
    assert retrying(error, retry, 0.0, wait, left).wait == announced


def test_the_timeout_ends_it():
    """At the timeout, the message starts with the last error, and the exit code is 124."""
    api = Api(Unreachable("Gone."), latency=0.5)
    error = api.fail(120.0)
    assert isinstance(error, TimedOut)
    assert (error.exit_code, error.message) == (124, "Gone. The timeout expired after 2m.")
    assert 119.0 < api.clock.monotonic() <= 120.5


@pytest.mark.parametrize(
    ("most", "options"),
    [
        (FIRST_CONTACT, {"known": False, "errors": (suspicious(Unreachable("no host")),)}),
        (FIRST_CONTACT, {"known": False, "errors": (Unreachable("refused"),)}),
        (FIRST_CONTACT, {"known": False, "errors": (suspicious(Redirected("302")),)}),
        (100.0, {"errors": (Unavailable("503"),)}),
    ],
    ids=["no host", "refused", "redirect", "a limit of the caller"],
)
@pytest.mark.parametrize("latency", [0.0, 7.0])
def test_an_announced_limit_is_kept(most, options, latency):
    """“Retrying for at most 30s” ends after 30 seconds, whatever waits and requests take."""
    options = dict(options)
    api = Api(*options.pop("errors"), latency=latency, **options)
    events = []
    limit = None if most == FIRST_CONTACT else most
    calling = call_with_retry(
        api, api, api.clock, Deadline.after(api.clock, 3600.0), lambda: 0.9, longest=limit
    )
    with pytest.raises(ApiError) as caught:
        events += [*_gather(calling, events)]
    announced = events[0].remaining + latency
    assert announced == pytest.approx(most)
    assert most - 0.1 <= api.clock.monotonic() <= most + 0.2
    assert caught.value.exit_code == 3
    assert f"Gave up after {format_duration(most)}." in caught.value.message


def _gather(calling, seen):
    for event in calling:
        seen.append(event)
    return ()


def test_an_api_that_was_reached_is_not_given_up():
    """A 503 is a response, so that the 30 seconds for the first contact don't apply."""
    api = Api(Unavailable("503"), Unreachable("gone"), until=600.0, known=False)
    assert api.call()[1] == "response"
    assert Api(suspicious(Unreachable("gone")), until=600.0).call()[1] == "response"


def test_without_a_timeout_an_hour_ends_it():
    """Where the user set no timeout, an outage of an hour is enough, and fifty minutes are not."""
    api = Api(Unreachable("gone"))
    error = api.fail(None)
    assert isinstance(error, Unreachable)
    assert api.clock.monotonic() == pytest.approx(LONGEST_OUTAGE, abs=1.0)
    assert Api(Unreachable("gone"), until=3000.0).call(None)[1] == "response"
    assert Api(Unreachable("gone"), until=7200.0).call(10800.0)[1] == "response"


def test_it_never_looks_dead():
    """In an outage, one line a minute has the reason."""
    events, _ = Api(Unreachable("gone"), until=1800.0).call()
    beats = [event for event in events if isinstance(event, Heartbeat)]
    assert len(beats) in (29, 30)
    assert {beat.error for beat in beats} == {"gone"}
    idle = [beat.idle_seconds for beat in beats]
    assert idle == pytest.approx([60.0 * number for number in range(1, len(beats) + 1)], abs=3)


def test_a_wait_ends_with_the_deadline():
    """The run ahead is named in its heartbeats."""
    clock = FakeClock()
    beats = Heartbeats(clock, Deadline.after(clock, 150.0))
    assert [beat.queued_behind for beat in beats.sleep(500.0, behind=7)] == [7, 7]
    assert clock.monotonic() == pytest.approx(150.0)
    assert list(beats.sleep(10.0)) == []


def test_short_waits_add_up():
    """A minute made of many waits is a minute."""
    clock = FakeClock()
    beats = Heartbeats(clock, Deadline.after(clock, None))
    seen = [beat for _ in range(100) for beat in beats.sleep(2.0)]
    assert [beat.idle_seconds for beat in seen] == pytest.approx([60.0, 120.0, 180.0])


def test_one_success_resets_the_failures():
    """Waits and time start over after a success."""
    retry = RetryState(lambda: 0.0)
    error = Unavailable("HTTP 503")
    assert [retry.failed(error, at) for at in (5.0, 6.0)] == [0.5, 1.0]
    assert (retry.elapsed(7.5), retry.not_before, retry.last_error) == (2.5, 7.0, "HTTP 503")
    retry.shown = True
    retry.reset()
    assert (retry.elapsed(8.0), retry.not_before, retry.last_error, retry.shown) == (
        0,
        0,
        "",
        False,
    )
    assert retry.failed(error, 9.0) == 0.5
    assert retry.failed(throttled(1e9), 10.0) == LONGEST_WAIT


def test_backoff_doubles_up_to_the_cap_and_half_of_it_is_random():
    """The waits double and then stay; each lies between half of its step and the whole."""
    assert [backoff(n, 0.0) for n in range(7)] == [0.5, 1, 2, 4, 8, 15, 15]
    assert [backoff(n, 1.0) for n in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff(10**9, 0.5, base=2, cap=8) == 6
