"""What the commands of a job share: the collaborators, and what is known so far."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from opsera_step import events
from opsera_step.cancel import Cancellation
from opsera_step.client import OpseraClient
from opsera_step.errors import ApiError, Cancelled
from opsera_step.follow import Follower
from opsera_step.inputs import Inputs
from opsera_step.models import Pipeline, Run, RunStatus
from opsera_step.outcome import Outcome
from opsera_step.patience import insist
from opsera_step.pipelines import finder
from opsera_step.platforms import Platform
from opsera_step.render.joblog import JobLog, Safe
from opsera_step.report import Report
from opsera_step.steps import failure_of, steps_of
from opsera_step.timing import Clock, Deadline
from opsera_step.trigger import Started, Trigger

DETAILS_CAP = 10.0
"""Most seconds to spend on what only makes the report nicer."""

T = TypeVar("T")


@dataclass
class Context:
    """One job under way."""

    inputs: Inputs
    platform: Platform
    client: OpseraClient
    clock: Clock
    deadline: Deadline
    jitter: Callable[[], float]
    safe: Safe
    log: JobLog
    report: Report
    cancellation: Cancellation
    outcome: Outcome
    """What is known so far; the end of it is what the job reports."""
    pipeline: Pipeline | None = None
    run: Run | None = None
    trigger: Trigger | None = None
    started: Started | None = None
    follower: Follower | None = None
    began: float = 0.0
    stop_asked: bool = False
    """Whether the run was asked to stop already; once is enough."""
    reports: bool = True
    """Whether the outcome is one for the outputs; a clean-up must not overwrite its job's."""

    def learn(self, **changes: object) -> None:
        """Add to what is known of the outcome."""
        self.outcome = self.outcome.but(**changes)

    def find_pipeline(self) -> Pipeline:
        """Ask for the user's pipeline, patiently."""
        find = finder(self.client, self.inputs.pipeline, is_id=self.inputs.pipeline_is_id)
        self.pipeline = self.insist(find)
        self.learn(
            pipeline_id=self.safe.inline(self.pipeline.id, 100),
            pipeline_name=self.safe.inline(self.pipeline.name, 200),
            url=page_url(self.inputs.base_url, self.pipeline.id),
        )
        return self.pipeline

    def know_run(self, run: Run) -> None:
        """Tell later CI steps of the run at once: they may need it most if this one is killed."""
        self.run = run
        self.learn(run_count=run.count)
        self.write_outputs(self.outcome.early_outputs())
        self.platform.save_state({"pipeline": run.pipeline_id, "run_count": str(run.count)})

    def write_outputs(self, outputs: dict[str, str]) -> None:
        """Write outputs; that it fails is a warning, the run matters more."""
        failure = self.platform.write_outputs(outputs, self.inputs.output_file)
        if failure:
            self.log.say(failure, "warning")

    def insist(self, ask: Callable[[Deadline], T]) -> T:
        """Call until there is an answer, showing the trouble meanwhile."""
        return self.show_all(insist(ask, self.client, self.clock, self.deadline, self.jitter))

    def show_all(self, steps: Generator[events.Event, None, T]) -> T:
        """Show the events of a generator and return what it returns."""
        while True:
            try:
                event = next(steps)
            except StopIteration as stop:
                result: T = stop.value
                return result
            self.log.show(event)

    def learn_status(self, status: RunStatus | None) -> None:
        """Take over what Opsera says of the run."""
        if status is not None:
            self.learn(message=self.safe.inline(status.message))

    def learn_details(self) -> None:
        """Find out what became of the steps; whatever goes wrong here changes nothing else."""
        run = self.run
        if run is None:
            return
        until = Deadline.after(self.clock, DETAILS_CAP)
        with suppress(ApiError, Cancelled):
            pipeline = self.client.summary(run.pipeline_id, until)
            records = self.client.logs(run, until, console_only=False)
            failure = failure_of(pipeline, run, records)
            steps = [one.but_safe(self.safe.inline) for one in steps_of(pipeline, records)]
            self.learn(steps=tuple(steps))
            if failure is not None and self.outcome.status in ("failed", "stopped"):
                name, why = failure.step.name, failure.message
                self.learn(failed_step=self.safe.inline(name, 200), reason=self.safe.inline(why))


def page_url(base_url: str, pipeline_id: str) -> str:
    """Return the address of a pipeline's page in the portal."""
    return f"{base_url}/workflow/details/{quote(pipeline_id, safe='', errors='replace')}/summary"
