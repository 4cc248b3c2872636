"""Ask again while the API has trouble: for calls whose answer the job can't go on without."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Protocol, TypeVar

from opsera_step.clock import Clock, Deadline, RetryState, format_duration
from opsera_step.errors import ApiError
from opsera_step.runs.events import Event, Heartbeat, Recovered, Retrying

FIRST_CONTACT = 30.0
"""Seconds for which a likely wrong setting is tried, as long as the API never answered."""
LONGEST_OUTAGE = 3600.0
"""Seconds without an answer after which it ends, where the user set no timeout."""
HEARTBEAT = 60.0
"""Seconds of waiting after which a line says so."""

T = TypeVar("T")


class Contact(Protocol):
    """Whether the API was ever reached."""

    @property
    def ever_responded(self) -> bool:
        """Whether any call ever got an answer of the API."""
        ...


class Waiting:
    """A wait made of many sleeps, that never looks dead."""

    def __init__(self, clock: Clock, deadline: Deadline) -> None:
        """Begin to wait, no longer than to the deadline."""
        self._clock, self._deadline = clock, deadline
        self._began = self._shown_at = clock.monotonic()

    def sleep(
        self, seconds: float, *, trouble: str = "", behind: int | None = None
    ) -> Iterator[Heartbeat]:
        """Sleep, and say once a minute what is waited for: the API, or the run `behind`."""
        until = self._deadline.no_later_than(min(seconds, LONGEST_OUTAGE))
        while not until.expired:
            silent = self._clock.monotonic() - self._shown_at
            self._clock.sleep(min(until.remaining, max(0.1, HEARTBEAT - silent)))
            now = self._clock.monotonic()
            if now - self._shown_at >= HEARTBEAT:
                self._shown_at = now
                yield Heartbeat(None, None, behind, now - self._began, trouble)


def call_with_retry(
    ask: Callable[[Deadline], T],
    contact: Contact,
    clock: Clock,
    deadline: Deadline,
    jitter: Callable[[], float],
) -> Generator[Event, None, T]:
    """Call `ask` until it answers, waiting between the tries, and return its answer.

    Raises:
        ApiError: what asking raised, when it is not transient, when the deadline has come, or
            when it looks like a wrong setting rather than an outage.

    """
    outage, waiting = RetryState(clock, jitter), Waiting(clock, deadline)
    while True:
        try:
            answer = ask(deadline)
        except ApiError as error:
            pause = outage.failed(error.message, error.retry_after)
            longest = _longest(error, contact, deadline)
            if not error.transient or deadline.expired or outage.lasting > longest:
                if outage.shown:
                    error.message += f" It was tried for {format_duration(outage.lasting)}."
                raise
            if not outage.shown:
                outage.shown = True
                left = min(longest, deadline.remaining)
                yield Retrying(error.message, outage.lasting, left)
            yield from waiting.sleep(pause, trouble=error.message)
        else:
            if outage.shown:
                yield Recovered(outage.lasting)
            return answer


def _longest(error: ApiError, contact: Contact, deadline: Deadline) -> float:
    """Return the seconds for which such an error is lived through, if there is time."""
    if error.suspect_configuration and not contact.ever_responded:
        return FIRST_CONTACT
    return LONGEST_OUTAGE if deadline.at is None else float("inf")
