"""One job: what its commands work with, and what they return."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from opsera_step.api import LOGS, OpseraClient, Pipeline, Run, State, pipeline_by_id_or_name
from opsera_step.clock import Clock, Deadline
from opsera_step.config import SHORTEST_TOKEN, SYSTEM_FILE, Inputs
from opsera_step.display import Answer, JobLog
from opsera_step.errors import (
    ApiError,
    Cancelled,
    ExitCode,
    Forbidden,
    InvalidInput,
    Malformed,
    NotFound,
)
from opsera_step.outcome import Outcome, reason_of
from opsera_step.platforms import OPEN, ORIGIN, Platform
from opsera_step.report import Report
from opsera_step.runs import (
    ATTACHED,
    WATCHED,
    Event,
    RunDetails,
    RunKnown,
    RunState,
    call_with_retry,
)
from opsera_step.signals import Signals
from opsera_step.text import Scrubber

READING = ("watch", "status", "logs")
"""The commands for which a token that may read status and logs is enough, given an ID."""
FOLLOWING = ("run", "watch")
"""The commands that follow a run; only these stop it when they are cancelled or time out."""
LONGEST_QUERY = 300.0
"""Seconds for which a command that follows no run retries: it can simply be repeated."""

T = TypeVar("T")


class CommandResult(NamedTuple):
    """The result of a command."""

    outcome: Outcome
    answer: Answer | None = None
    """The response to a query."""
    writes_outputs: bool = True
    """Whether the outcome is written to the outputs; a cleanup must not replace its job's."""


@dataclass(frozen=True)
class Job:
    """The collaborators of one job, and the state of its run."""

    inputs: Inputs
    platform: Platform
    client: OpseraClient
    clock: Clock
    deadline: Deadline
    jitter: Callable[[], float]
    scrubber: Scrubber
    log: JobLog
    report: Report
    signals: Signals
    started: float
    """When the job started, in monotonic seconds."""
    data: Platform | None = None
    """Where the response is printed, if not to the job log."""
    shows_secrets: bool = False
    """Whether values of API objects whose keys look secret are printed."""
    state: RunState = field(default_factory=RunState)
    stop_claim: threading.Lock = field(default_factory=threading.Lock)
    """Held by the thread that stops the run; never released."""
    stop_done: threading.Event = field(default_factory=threading.Event)
    _reported: set[str] = field(default_factory=set)
    """Problems with writing outputs that were reported already."""
    _masked: set[str] = field(default_factory=set)
    """Secrets of API objects that the platform was asked to mask already."""

    @property
    def follows(self) -> bool:
        """Whether its command follows a run."""
        return self.inputs.command in FOLLOWING

    @property
    def server_time(self) -> float:
        """Seconds since 1970 by the API's clock, as the times of its records are."""
        return self.clock.time() - (self.client.clock_skew or 0.0)

    @property
    def url(self) -> str:
        """URL of the pipeline in the portal; empty if it or the portal is unknown."""
        pipeline = self.state.pipeline
        return page_url(self.inputs.portal_url, pipeline.id) if pipeline is not None else ""

    def known(self, status: str = "error", exit_code: int = ExitCode.INTERNAL) -> Outcome:
        """Return an outcome with all that is known of the pipeline and its run."""
        pipeline, run, status_now = self.state.pipeline, self.state.run, self.state.status
        outcome = Outcome(
            status,
            exit_code,
            message=self.scrubber.inline(status_now.message) if status_now else "",
            pipeline_id=self.scrubber.inline(pipeline.id, 100) if pipeline else "",
            pipeline_name=self.scrubber.inline(pipeline.name, 200) if pipeline else "",
            run_count=run.count if run else None,
            url=self.url,
            log_lines=self.log.line_count,
            at=self.clock.time(),
        )
        return self._with_details(outcome, self.state.details)

    def done(
        self, message: str, status: str = "success", answer: Answer | None = None
    ) -> CommandResult:
        """Return the result of a command that succeeded, with a message that stands for itself."""
        outcome = self.known(status, ExitCode.SUCCESS).but(message=message, about_run=False)
        return CommandResult(outcome, answer)

    def _with_details(self, outcome: Outcome, details: RunDetails) -> Outcome:
        failure = details.failure
        name = self.scrubber.inline(failure.step.name, 200) if failure else ""
        reason = reason_of(name, self.scrubber.inline(failure.message)) if failure else ""
        return outcome.but(
            steps=tuple(step.but_safe(self.scrubber.inline) for step in details.steps),
            started_at=details.started_at,
            finished_at=details.finished_at,
            failed_step=name,
            reason=reason,
            waits_for=self.scrubber.inline(details.waiting_for, 200),
            stopped_by=self.scrubber.inline(details.stopped_by, 100),
        )

    def presentable(self, data: Any) -> Any:
        """Return an API object as it may be shown: values whose keys look secret are masked.

        Raises:
            Malformed: if it is nested too deep.
        """
        if self.shows_secrets:
            return data
        # Only a query needs it.
        from opsera_step.text.masking import mask_secrets, masked_texts  # noqa: PLC0415

        try:
            masked = mask_secrets(data)
            texts = set(masked_texts(data, masked)) - self._masked
        except RecursionError:
            raise Malformed("The API's response is nested too deeply to print.") from None
        self._masked.update(texts)
        for text in sorted(texts):
            # Other programs in the job may print it; a short one is found in ordinary words.
            if len(text) >= SHORTEST_TOKEN:
                self.platform.mask(text)
        return masked

    def find_pipeline(self) -> Pipeline:
        """Look up the user's pipeline, retrying while the API has problems."""
        name, is_id = self.inputs.pipeline, self.inputs.pipeline_is_id
        find = pipeline_by_id_or_name(self.client, name, is_id=is_id, warn=self.warn)
        if is_id and self.inputs.command in READING:
            find = partial(self._find_or_do_without, find)
        pipeline = self.retry(find)
        if not self.inputs.allows_pipeline(pipeline.id, pipeline.name):
            shown = f"“{self.scrubber.inline(pipeline.name, 200)}” ({pipeline.id})"
            raise InvalidInput([f"Pipeline {shown} is not in allowed_pipelines of {SYSTEM_FILE}."])
        self.state.pipeline = pipeline
        return pipeline

    def _find_or_do_without(
        self, find: Callable[[Deadline], Pipeline], deadline: Deadline
    ) -> Pipeline:
        """Look up the pipeline; do without it if the token may only read status and logs.

        Source: the vendor's page names the scope Pipeline Logs (Read Only) for these two calls.
        """
        try:
            return find(deadline)
        except Forbidden as error:
            run_count = self.inputs.run_count or self._latest_run(deadline)
            if run_count == 0:
                error.hint += " Or set run_count: no log record shows the latest run."
            if not run_count:
                raise
            self.log.print_message(
                "The token is not allowed to read the pipeline (HTTP 403); continuing with status "
                "and logs."
            )
            return Pipeline(self.inputs.pipeline, "", run_count, State.UNKNOWN, has_run_count=False)

    def _latest_run(self, deadline: Deadline) -> int | None:
        """Return the number of the latest run that has a log record; None without a response."""
        body = {"pipelineId": self.inputs.pipeline}
        try:
            data = self.client.request("POST", LOGS.path, deadline, body=body)
        except ApiError:
            return None
        records = data.get("data") if isinstance(data, dict) else data
        counts = [one.get("run_count") for one in records or () if isinstance(one, dict)]
        return max((count for count in counts if isinstance(count, int)), default=0)

    def requested_run(self, pipeline: Pipeline) -> Run:
        """Return the run that the user asks about: the one of run_count, else the latest."""
        count = self.inputs.run_count or pipeline.run_count
        if count < 1:
            name = self.scrubber.inline(pipeline.name, 200)
            raise NotFound(f"The pipeline “{name}” has never run.", "Start it with command: run.")
        return Run(pipeline.id, count)

    def warn(self, text: str) -> None:
        """Print a warning, which may quote the API."""
        self.log.print_message(self.scrubber.inline(text, 1000), "warning")

    def use_run(self, run: Run) -> None:
        """Take an existing run to follow or to ask about, and write the early outputs."""
        self.state.run, self.state.origin = run, WATCHED
        self.announce_run()

    def announce_run(self) -> None:
        """Write the early outputs: later CI steps may need them most if this job is killed."""
        run = self.state.run
        if run is None:
            return
        self.write_outputs(self.known().early_outputs())
        self.save_state(run_count=str(run.count), origin=self.state.origin)

    def save_state(self, **values: str) -> None:
        """Save state for the cleanup after a killed job, if the platform supports it."""
        pipeline = self.state.pipeline
        where = {"pipeline": pipeline.id if pipeline else "", "base_url": self.inputs.base_url}
        self._warn_once(self.platform.save_state({**where, **values}))

    def write_outputs(self, outputs: dict[str, str]) -> None:
        """Write outputs; a failure is a warning, since the run matters more."""
        self._warn_once(self.put_outputs(outputs))

    def _warn_once(self, failure: str) -> None:
        if failure and failure not in self._reported:
            self._reported.add(failure)
            self.log.print_message(failure, "warning")

    def put_outputs(self, outputs: dict[str, str]) -> str:
        """Write outputs and, for the cleanup, that this job did not start the run if it did not.

        Return what went wrong, or an empty string.
        """
        origin, is_open = self.state.origin, outputs.get("status", "") in OPEN
        if is_open and origin in (ATTACHED, WATCHED) and not self.platform.keeps_state:
            outputs = {**outputs, ORIGIN: origin}
        return self.platform.write_outputs(outputs, self.inputs.output_file)

    def retry(self, call: Callable[[Deadline], T]) -> T:
        """Call until there is a response, showing the problems meanwhile."""
        longest = None if self.follows else LONGEST_QUERY
        return self.show(
            call_with_retry(
                call, self.client, self.clock, self.deadline, self.jitter, longest=longest
            )
        )

    def show(self, events: Generator[Event, None, T]) -> T:
        """Show the events of a generator and return what it returns."""
        while True:
            try:
                event = next(events)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(event, RunKnown):
                # Before a line says so: writing that may hang.
                self.announce_run()
            self.log.show(event)

    @contextmanager
    def change(self, what: str) -> Iterator[None]:
        """Note for a cancellation what was being changed, as in “the pipeline was being reset”."""
        try:
            yield
        except Cancelled as cancelled:
            cancelled.during = what
            raise


def status_output(state: State) -> str:
    """Return the value of the output `status` for a run; an unknown one counts as running."""
    return "running" if state is State.UNKNOWN else state.value


def page_url(portal_url: str, pipeline_id: str) -> str:
    """Return the URL of a pipeline in the portal; empty if the portal is unknown."""
    if not portal_url:
        return ""
    return f"{portal_url}/workflow/details/{quote(pipeline_id, safe='', errors='replace')}/summary"
