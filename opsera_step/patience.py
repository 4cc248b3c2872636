"""Ask again while the API has trouble: for calls whose answer the job can't go on without."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Protocol, TypeVar

from opsera_step.errors import ApiError
from opsera_step.events import Event, Heartbeat, Recovered, Trouble
from opsera_step.timing import Clock, Deadline, Outage

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
    def ever_answered(self) -> bool:
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


def insist(
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
    outage, waiting = Outage(clock, jitter), Waiting(clock, deadline)
    while True:
        try:
            answer = ask(deadline)
        except ApiError as error:
            pause = outage.failed(error.message, error.retry_after)
            if _is_hopeless(error, contact, outage, deadline):
                raise
            if not outage.shown:
                outage.shown = True
                yield Trouble(error.message, outage.lasting)
            yield from waiting.sleep(pause, trouble=error.message)
        else:
            if outage.shown:
                yield Recovered(outage.lasting)
            return answer


def _is_hopeless(error: ApiError, contact: Contact, outage: Outage, deadline: Deadline) -> bool:
    if not error.transient or deadline.expired:
        return True
    if error.suspect_configuration and not contact.ever_answered:
        return outage.lasting > FIRST_CONTACT
    return deadline.at is None and outage.lasting > LONGEST_OUTAGE
