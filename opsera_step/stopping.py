"""Stop a run, and only that run: the stop call stops whatever the pipeline is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from opsera_step.errors import ApiError
from opsera_step.models import Pipeline, Run, RunStatus
from opsera_step.timing import Clock, Deadline

_CONFIRM_EVERY = 0.5


class Api(Protocol):
    """What stopping needs of the client."""

    def stop(self, pipeline_id: str, deadline: Deadline) -> str:
        """Ask the pipeline to stop."""
        ...

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Ask how a run stands."""
        ...

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for the pipeline."""
        ...


@dataclass(frozen=True)
class Stopped:
    """What came of it: a sentence, the run's status if it was heard of, the error if it failed."""

    sentence: str
    status: RunStatus | None = None
    failure: ApiError | None = None


def stop_run(api: Api, run: Run, clock: Clock, deadline: Deadline, *, is_current: bool) -> Stopped:
    """Send one stop call for a run, if the pipeline is in that run, and look what came of it.

    `is_current` says that this is known already; else the pipeline is asked first. Never raises
    an ApiError: what failed is in the sentence.
    """
    try:
        if not is_current:
            pipeline = api.summary(run.pipeline_id, deadline)
            if pipeline.run_count < run.count:
                return Stopped(
                    f"Run {run.count} has not begun and can't be withdrawn; stopping now would "
                    "stop another run, so it was left."
                )
            if pipeline.run_count != run.count or not pipeline.state.alive:
                return Stopped(f"Run {run.count} is not going any more.")
        said = api.stop(run.pipeline_id, deadline)
    except ApiError as error:
        sentence = f"Run {run.count} could not be stopped and may still be going: {error.message}"
        return Stopped(sentence, failure=error)
    return _confirm(api, run, clock, deadline, said)


def _confirm(api: Api, run: Run, clock: Clock, deadline: Deadline, said: str) -> Stopped:
    status: RunStatus | None = None
    while not deadline.expired:
        try:
            status = api.status(run, deadline)
        except ApiError:
            break
        if status.state.final:
            return Stopped(f"Run {run.count} is {status.word}.", status)
        clock.sleep(min(_CONFIRM_EVERY, deadline.remaining))
    sentence = f"Run {run.count} was asked to stop; it finishes its current operation first."
    return Stopped(f"{sentence} {said}".strip(), status)
