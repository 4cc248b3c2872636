"""Retries: when to send a failed request again, for how long, and what to show meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from opsera_step.api import OpseraClient
from opsera_step.clock import Clock, Deadline, format_duration
from opsera_step.errors import ApiError, TimedOut, Unauthorized, Unreachable
from opsera_step.runs.events import Event, Heartbeat, Recovered, Retrying

FIRST_CONTACT = 30.0
"""Seconds after the first attempt within which the API has to be reached at all."""
LONGEST_OUTAGE = 3600.0
"""Seconds without a response that end a job without a timeout."""
LONGEST_WAIT = 120.0
"""Maximum seconds between two attempts, regardless of Retry-After."""
REPORTED_WAIT = 30.0
"""A wait of more seconds than this is reported at once."""
HEARTBEAT = 60.0
"""Seconds without output after which a line reports what the job is waiting for."""
UNAUTHORIZED_RETRIES = 2
"""Attempts after a 401 for a token that was accepted before, `UNAUTHORIZED_WAIT` apart."""
UNAUTHORIZED_WAIT = 5.0

Jitter = Callable[[], float]
"""Returns random numbers in [0, 1)."""
T = TypeVar("T")


def backoff(attempt: int, jitter: float, base: float = 1.0, cap: float = 30.0) -> float:
    """Return the seconds to wait after failed attempt number `attempt` (0 for the first).

    Doubling with "equal jitter": half of the step is fixed and half random, so that many jobs that
    fail together do not come back together. `jitter` is a random number in [0, 1).
    """
    step = min(cap, base * 2.0 ** min(attempt, 32))
    return step / 2 + step / 2 * jitter


class RetryState:
    """Consecutive failures of one kind of request; times are monotonic seconds, passed in."""

    def __init__(self, jitter: Jitter) -> None:
        self._jitter = jitter
        self._attempts = self._unauthorized = 0
        self._since = 0.0
        self.not_before = 0.0
        """When the next attempt is due."""
        self.last_error = ""
        """The message of the last failure; empty if the last request was successful."""
        self.shown = False
        """Whether this outage was reported to the user."""

    def elapsed(self, now: float) -> float:
        """Return the seconds since the first of these failures; 0 if there is none."""
        return now - self._since if self.last_error else 0.0

    def failed(self, error: ApiError, now: float, *, accepted: bool = True) -> float | None:
        """Note a failure; return the seconds to wait, or None if a retry is pointless.

        `accepted`: the token was accepted before in this job, so a 401 is retried twice.
        """
        self._since = self._since if self.last_error else now
        self.last_error = error.message
        if isinstance(error, Unauthorized) and accepted:
            self._unauthorized += 1
            if self._unauthorized > UNAUTHORIZED_RETRIES:
                return None
            wait = UNAUTHORIZED_WAIT
        elif error.transient:
            wait = max(backoff(self._attempts, self._jitter()), error.retry_after or 0.0)
        else:
            return None
        self._attempts += 1
        wait = min(wait, LONGEST_WAIT)
        self.not_before = now + wait
        return wait

    def postpone(self, error: ApiError, now: float, wait: float) -> None:
        """Note a failure after which the request is sent again in `wait` seconds, come what may."""
        self._since = self._since if self.last_error else now
        self.last_error, self.not_before = error.message, now + wait

    def reset(self) -> None:
        """Note that a request was successful."""
        self._attempts = self._unauthorized = 0
        self.not_before, self.last_error, self.shown = 0.0, "", False


def retrying(error: ApiError, retry: RetryState, now: float, wait: float, left: float) -> Retrying:
    """Return the event that reports an outage, and the wait if the API asked for a long one."""
    text, asked = error.message, error.retry_after or 0.0
    if asked > REPORTED_WAIT:
        text += f" Opsera asked to wait {format_duration(asked)}."
    shown_wait = wait if asked > REPORTED_WAIT and wait <= left else 0.0
    return Retrying(text, retry.elapsed(now), left, shown_wait)


class Heartbeats:
    """Waits that report once a minute what is waited for."""

    def __init__(self, clock: Clock, deadline: Deadline) -> None:
        self._clock, self._deadline = clock, deadline
        self._began = self._shown_at = clock.monotonic()

    def sleep(
        self, seconds: float, *, error: str = "", behind: int | None = None
    ) -> Iterator[Heartbeat]:
        """Sleep, but not beyond the deadline; `error` or the run `behind` is the reason to wait."""
        until = self._deadline.no_later_than(seconds)
        while not until.expired:
            idle = self._clock.monotonic() - self._shown_at
            self._clock.sleep(min(until.remaining, max(0.1, HEARTBEAT - idle)))
            now = self._clock.monotonic()
            if now - self._shown_at >= HEARTBEAT:
                self._shown_at = now
                yield Heartbeat(None, None, behind, now - self._began, error)


def call_with_retry(
    call: Callable[[Deadline], T],
    client: OpseraClient,
    clock: Clock,
    deadline: Deadline,
    jitter: Jitter,
    *,
    longest: float | None = None,
) -> Generator[Event, None, T]:
    """Send a request until it is successful, and return the response.

    `longest` limits the time for it in seconds, where that is not the job's timeout. An API that
    was never reached gets 30 seconds, and an outage without a timeout an hour.

    Raises:
        TimedOut: if the deadline came first.
        ApiError: if a retry is pointless, or one of the other limits was reached.
    """
    retry, beats = RetryState(jitter), Heartbeats(clock, deadline)
    start_time, reached = clock.monotonic(), client.ever_responded
    failure: ApiError | None = None
    while True:
        limit = _limit(start_time, deadline, longest, reached=reached)
        if failure is not None and limit.expired:
            raise _gave_up(failure, clock.monotonic() - start_time, deadline)
        try:
            response = call(limit)
        except ApiError as error:
            failure, now = error, clock.monotonic()
            reached = reached or not (isinstance(error, Unreachable) or error.suspect_configuration)
            wait = retry.failed(error, now, accepted=client.ever_responded)
            limit = _limit(start_time, deadline, longest, reached=reached)
            if wait is None:
                if retry.shown:
                    error.message += f" Gave up after {format_duration(retry.elapsed(now))}."
                raise
            if not retry.shown and not limit.expired:
                retry.shown = True
                yield retrying(error, retry, now, wait, limit.remaining)
            yield from beats.sleep(min(wait, limit.remaining), error=error.message)
        else:
            if retry.shown:
                yield Recovered(retry.elapsed(clock.monotonic()))
            return response


def _limit(
    start_time: float, deadline: Deadline, longest: float | None, *, reached: bool
) -> Deadline:
    limits = [] if deadline.at is None else [deadline.at]
    limits += [] if longest is None else [start_time + longest]
    limits += [] if reached else [start_time + FIRST_CONTACT]
    limits += [start_time + LONGEST_OUTAGE] if deadline.at is None else []
    return Deadline(deadline.clock, min(limits))


def _gave_up(error: ApiError, elapsed: float, deadline: Deadline) -> ApiError:
    if deadline.expired:
        after = f" after {format_duration(elapsed)}" if elapsed > REPORTED_WAIT else ""
        return TimedOut(f"{error.message} The timeout expired{after}.", error.hint or None)
    error.message += f" Gave up after {format_duration(elapsed)}."
    return error
