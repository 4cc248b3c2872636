"""Tell whether a run is ours: by who started it, as its log says, against the token's owner."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from opsera_step.api import LogRecord, Run
from opsera_step.api.token import token_identities
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import ApiError, RunUncertain
from opsera_step.runs.events import Event, Note

VOUCHING = 10.0
"""Seconds that a new run's log may take to say who started it."""
MOST = 10
"""Most new runs to look through; with more, which is ours can't be known anyway."""
_LOG_CALL = 10.0


class Api(Protocol):
    """What telling needs of the client."""

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> list[LogRecord]:
        """Ask for the newest records of a run's log."""
        ...


class RunOwnership:
    """Picks our run out of the runs that appeared after we asked for one."""

    def __init__(self, api: Api, token: str, clock: Clock, deadline: Deadline) -> None:
        """Take the collaborators and the token whose owner we are."""
        self._api, self._clock, self._deadline = api, clock, deadline
        self._identities = token_identities(token)
        self._seen_at: dict[int, float] = {}
        self.foreign: set[int] = set()
        """The runs that are known to be somebody else's."""

    def choose(
        self, pipeline_id: str, before: int, newest: int
    ) -> Generator[Event, None, int | None]:
        """Choose among the runs after `before`; None while none of them can be taken as ours.

        Raises:
            RunUncertain: when several could be ours.

        """
        if newest - before > MOST + len(self.foreign):
            raise _uncertain(f"{before + 1} to {newest}")
        appeared = sorted(set(range(before + 1, newest + 1)) - self.foreign)
        verdicts = {count: self._is_ours(Run(pipeline_id, count)) for count in appeared}
        yield from self._put_aside([count for count in appeared if verdicts[count] is False])
        ours = [count for count in appeared if verdicts[count]]
        unknown = [count for count in appeared if verdicts[count] is None]
        if self._may_still_be_told(unknown):
            return None
        possible = ours or unknown
        if len(possible) > 1:
            raise _uncertain(" and ".join(map(str, possible)))
        if not possible:
            return None
        yield _adopted(possible[0], known=bool(ours))
        return possible[0]

    def is_foreign(self, run: Run) -> bool:
        """Whether a run is known to be somebody else's."""
        return self._is_ours(run) is False

    def _put_aside(self, foreign: list[int]) -> Generator[Event, None, None]:
        self.foreign.update(foreign)
        if foreign:
            numbers = " and ".join(map(str, foreign))
            was = "was" if len(foreign) == 1 else "were"
            text = f"Run {numbers} {was} started by somebody else; looking on for ours."
            yield Note(text, warning=True)

    def _may_still_be_told(self, unknown: list[int]) -> bool:
        """Whether waiting may bring out who started a run: its log lags behind its number."""
        now = self._clock.monotonic()
        for count in unknown:
            self._seen_at.setdefault(count, now)
        youngest = max((self._seen_at[count] for count in unknown), default=now - VOUCHING)
        return bool(self._identities) and now - youngest < VOUCHING

    def _is_ours(self, run: Run) -> bool | None:
        """Compare who started a run with the token's owner; None where either is not known."""
        if not self._identities:
            return None
        try:
            until = self._deadline.no_later_than(_LOG_CALL)
            records = self._api.logs(run, until, console_only=False)
        except ApiError:
            return None
        starters = [one.user_id for one in records if _starts_a_run(one)]
        starter = next(filter(None, reversed(starters)), None)
        return None if starter is None else starter.lower() in self._identities


def _starts_a_run(record: LogRecord) -> bool:
    return record.step_name.strip().lower() == "start pipeline"


def _adopted(count: int, *, known: bool) -> Note:
    if known:
        return Note(
            f"Run {count} was started after our request by the token's owner; it is taken as ours."
        )
    return Note(
        f"Run {count} appeared after our request and is taken as ours; Opsera does not say who "
        "started it.",
        warning=True,
    )


def _uncertain(numbers: str) -> RunUncertain:
    return RunUncertain(
        f"Runs {numbers} appeared after our request; which of them is ours can't be known."
    )
