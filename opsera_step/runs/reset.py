"""Reset a pipeline before its run, where the user wants that and nobody's run is going."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol

from opsera_step.api import Ack, Pipeline, State
from opsera_step.clock import Clock, Deadline
from opsera_step.runs.events import Event, Note
from opsera_step.runs.retry import Contact, Waiting, call_with_retry
from opsera_step.runs.state import RunState

SHOWS_WITHIN = 30.0
"""Seconds that a reset may take until a paused pipeline is not paused any more."""
_LOOK_EVERY = 2.0

Steps = Generator[Event, None, Pipeline]


class Api(Contact, Protocol):
    """What resetting needs of the client."""

    def reset(self, pipeline_id: str, deadline: Deadline) -> Ack:
        """Put the pipeline back to its first step."""
        ...

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for the pipeline."""
        ...


def reset_if_wanted(
    api: Api,
    pipeline: Pipeline,
    when: str,
    clock: Clock,
    deadline: Deadline,
    jitter: Callable[[], float],
    state: RunState,
) -> Steps:
    """Reset as the input `reset` says, and return the pipeline as it is then."""
    if not _is_wanted(pipeline, when):
        return pipeline

    def look() -> Steps:
        return call_with_retry(
            lambda until: api.summary(pipeline.id, until), api, clock, deadline, jitter
        )

    consent: Ack | None = None
    if pipeline.state is not State.RUNNING:
        reset = _repeatable_reset(api, pipeline.id)
        consent = yield from call_with_retry(reset, api, clock, deadline, jitter)
    now = yield from look()
    if consent is None:
        yield Note(f"Not reset: run {now.run_count} is going.", warning=True)
        return now
    state.responses["reset"] = consent.response
    yield Note(f"Pipeline reset (it was {pipeline.state.value}). {consent.message}".strip())
    until, waiting = deadline.no_later_than(SHOWS_WITHIN), Waiting(clock, deadline)
    while now.state is State.PAUSED and not until.expired:
        yield from waiting.sleep(_LOOK_EVERY)
        now = yield from look()
    return now


def _is_wanted(pipeline: Pipeline, when: str) -> bool:
    if when == "auto":
        rests_badly = pipeline.state in (State.FAILED, State.STOPPED, State.PAUSED)
        return rests_badly and pipeline.run_count > 0
    return when == "always"


def _repeatable_reset(api: Api, pipeline_id: str) -> Callable[[Deadline], Ack | None]:
    """Make a reset that can be sent again; it gives None once somebody's run is going."""
    tried = False

    def reset(until: Deadline) -> Ack | None:
        nonlocal tried
        # An outage later, another run may be going that a second reset would break off.
        if tried and api.summary(pipeline_id, until).state is State.RUNNING:
            return None
        tried = True
        return api.reset(pipeline_id, until)

    return reset
