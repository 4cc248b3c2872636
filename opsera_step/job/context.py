"""What the commands of a job share: the collaborators, and what is known so far."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from opsera_step.api import OpseraClient, Pipeline, Run, RunStatus, State, pipeline_by_id_or_name
from opsera_step.clock import Clock, Deadline
from opsera_step.config import Inputs
from opsera_step.display import Answer, JobLog, reason_of
from opsera_step.errors import ApiError, Cancelled, NotFound
from opsera_step.outcome import Outcome
from opsera_step.platforms import Platform
from opsera_step.report import Report
from opsera_step.runs import (
    Failure,
    RunDetails,
    RunState,
    StopResult,
    call_with_retry,
    events,
    read_details,
)
from opsera_step.signals import Cancellation, Once
from opsera_step.text import Scrubber

FOLLOWING = ("run", "watch")
"""The commands that follow a run; only these stop it when they are cancelled."""
LONGEST_UNFOLLOWED = 300.0
"""Seconds that a command which follows no run asks again: it can be given once more any time."""
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
    scrubber: Scrubber
    log: JobLog
    report: Report
    cancellation: Cancellation
    outcome: Outcome
    """What is known so far; the end of it is what the job reports."""
    pipeline: Pipeline | None = None
    run: Run | None = None
    state: RunState = field(default_factory=RunState)
    began: float = 0.0
    stop_call: Once = field(default_factory=Once)
    """The one stop call of this job: whoever claims it sends it."""
    changing: str = ""
    """What is being changed right now, as in “the pipeline was being reset”; empty if nothing."""
    was_over: bool = False
    """Whether the run had ended when it was looked at first, so that its time is not known."""
    is_settled: bool = False
    """Whether the outcome stands and is in the outputs."""
    data: Platform | None = None
    """Where an answer goes, if that is not the job log."""
    reports: bool = True
    """Whether the outcome is one for the outputs; a clean-up must not overwrite its job's."""
    told: set[str] = field(default_factory=set)
    """What went wrong with writing outputs, as far as it was told."""
    answer: Answer | None = None
    """What was asked for, where the command is a question."""

    @property
    def answers(self) -> dict[str, Any]:
        """The API's last answers to run, reset, stop and status, as they came, by those words."""
        return self.state.responses

    @property
    def stopped(self) -> StopResult | None:
        """What came of stopping the run."""
        return self.state.stop

    def learn(self, **changes: object) -> None:
        """Add to what is known of the outcome."""
        self.outcome = self.outcome.but(**changes)

    def find_pipeline(self) -> Pipeline:
        """Ask for the user's pipeline, patiently."""
        name, is_id = self.inputs.pipeline, self.inputs.pipeline_is_id
        find = pipeline_by_id_or_name(self.client, name, is_id=is_id, warn=self.caution)
        self.pipeline = self.call_with_retry(find)
        self.learn(
            pipeline_id=self.scrubber.inline(self.pipeline.id, 100),
            pipeline_name=self.scrubber.inline(self.pipeline.name, 200),
            url=page_url(self.inputs.base_url, self.pipeline.id),
        )
        return self.pipeline

    def caution(self, text: str) -> None:
        """Warn of something, in words that may be the API's."""
        self.log.say(self.scrubber.inline(text, 1000), "warning")

    def asked_run(self, pipeline: Pipeline) -> Run:
        """Return the run that the user asks about: that of run_count, else the newest."""
        count = self.inputs.run_count or pipeline.run_count
        if count < 1:
            raise NotFound(
                f"The pipeline “{self.outcome.pipeline_name}” has never run.",
                "Start it with command: run.",
            )
        return Run(pipeline.id, count)

    def know_run(self, run: Run) -> None:
        """Tell later CI steps of the run at once: they may need it most if this one is killed."""
        self.run = run
        self.learn(run_count=run.count)
        self.write_outputs(self.outcome.early_outputs())
        self.platform.save_state({"pipeline": run.pipeline_id, "run_count": str(run.count)})

    def write_outputs(self, outputs: dict[str, str]) -> None:
        """Write outputs; that it fails is a warning, the run matters more."""
        failure = self.platform.write_outputs(outputs, self.inputs.output_file)
        if failure and failure not in self.told:
            self.told.add(failure)
            self.log.say(failure, "warning")

    def call_with_retry(self, ask: Callable[[Deadline], T]) -> T:
        """Call until there is an answer, showing the trouble meanwhile."""
        follows = self.inputs.command in FOLLOWING
        until = self.deadline if follows else self.deadline.no_later_than(LONGEST_UNFOLLOWED)
        return self.show_all(call_with_retry(ask, self.client, self.clock, until, self.jitter))

    def show_all(self, steps: Generator[events.Event, None, T]) -> T:
        """Show the events of a generator and return what it returns."""
        while True:
            try:
                event = next(steps)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(event, events.RunKnown):
                # Before a line says so: writing that may hang.
                self.know_run(event.run)
            self.log.show(event)

    def learn_status(self, status: RunStatus | None) -> None:
        """Take over what Opsera says of the run."""
        if status is not None:
            self.state.responses["status"] = status.response
            self.learn(message=self.scrubber.inline(status.message))

    def learn_details(self) -> None:
        """Find out what became of the steps; whatever goes wrong here changes nothing else."""
        run = self.run
        if run is None:
            return
        until = Deadline.after(self.clock, DETAILS_CAP)
        with suppress(ApiError, Cancelled):
            self.state.details = read_details(self.client, run, until)
        self.take_details(self.state.details)

    def take_details(self, found: RunDetails) -> None:
        """Take over what became of the steps."""
        found = found.settled(run_stopped=self.outcome.status == "stopped")
        if found.steps:
            self.learn(steps=tuple(step.but_safe(self.scrubber.inline) for step in found.steps))
        if found.failure is not None and self.outcome.status in ("failed", "stopped"):
            self._learn_failure(found.failure)

    def _learn_failure(self, failure: Failure) -> None:
        """Take over where it failed; the reason is worth more than a message that has none."""
        name = self.scrubber.inline(failure.step.name, 200)
        reason = reason_of(name, self.scrubber.inline(failure.message))
        self.learn(failed_step=name, reason=reason)
        if reason and self.outcome.status == "failed":
            self.learn(message=f"Step “{name}” failed: {reason}")


def word_of(answer: RunStatus) -> str:
    """Return the word for the output `status`; what is unknown is taken as still going."""
    return "running" if answer.state is State.UNKNOWN else answer.state.value


def page_url(base_url: str, pipeline_id: str) -> str:
    """Return the address of a pipeline's page in the portal."""
    return f"{base_url}/workflow/details/{quote(pipeline_id, safe='', errors='replace')}/summary"
