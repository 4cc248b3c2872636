"""A run before it begins: which other run it waits for, and whether the API may not know it yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from opsera_step.api import Pipeline, Run, RunStatus
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import ApiError
from opsera_step.runs.events import Event, Queued

NEW_RUN_GRACE = 20.0
"""Seconds for which a run that was just started may be unknown to the API."""
_LOOK = 10.0


class Api(Protocol):
    """What waiting for a turn needs of the client."""

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Ask how a run stands."""
        ...


class Turn:
    """The turn of one run; `fresh` says that it was started just now, `behind` what went then."""

    def __init__(
        self,
        api: Api,
        run: Run,
        clock: Clock,
        deadline: Deadline,
        *,
        fresh: bool,
        behind: int | None,
    ) -> None:
        """Take the collaborators; nothing is asked yet."""
        self._api, self._run, self._clock, self._deadline = api, run, clock, deadline
        self._fresh, self._behind = fresh, behind
        self._grace_from = clock.monotonic()
        self.ahead: int | None = None
        """The run that has to end before ours, as far as is known."""

    @property
    def grace(self) -> Deadline:
        """Until when the API may not know the run yet."""
        return Deadline(self._clock, self._grace_from + NEW_RUN_GRACE if self._fresh else 0.0)

    def was_out_of_reach(self, seconds: float) -> None:
        """Do not count a time without any answer."""
        self._grace_from += seconds

    def has_come(self) -> None:
        """Note that the run is going, or over."""
        self.ahead = None

    def look(self, pipeline: Pipeline | None) -> Iterator[Event]:
        """Learn from the pipeline, if there was an answer, which run is ahead."""
        if pipeline is None:
            return
        ahead = self._run_ahead(pipeline)
        if ahead is not None or self.ahead is not None:
            # Also a run whose turn has just come may be unknown for a while.
            self._grace_from = self._clock.monotonic()
        if ahead is not None and self.ahead != ahead:
            yield Queued(ahead)
        self.ahead = ahead

    def _run_ahead(self, pipeline: Pipeline) -> int | None:
        """Tell which run has to end before ours; the pipeline may count a queued run already."""
        if not pipeline.state.active:
            return None
        if pipeline.run_count < self._run.count:
            return pipeline.run_count
        if self._behind is None:
            return None
        try:
            ahead = Run(self._run.pipeline_id, self._behind)
            status = self._api.status(ahead, self._deadline.no_later_than(_LOOK))
        except ApiError as error:
            return self.ahead if error.transient else None
        return self._behind if status.state.active else None
