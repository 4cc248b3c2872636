"""Ask again while the API has trouble: for calls whose answer the job can't go on without."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol, TypeVar

from opsera_step.errors import ApiError
from opsera_step.events import Event, Recovered, Trouble
from opsera_step.timing import Clock, Deadline, Outage

FIRST_CONTACT = 30.0
"""Seconds for which a likely wrong setting is tried, as long as the API never answered."""
LONGEST_OUTAGE = 3600.0
"""Seconds without an answer after which it ends, where the user set no timeout."""

T = TypeVar("T")


class Contact(Protocol):
    """Whether the API was ever reached."""

    ever_answered: bool


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
    outage = Outage(clock, jitter)
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
            clock.sleep(min(pause, deadline.remaining))
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
