"""The command `logs`: print or follow the log of a run, all of it or some steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from opsera_step.api import CONSOLE_OUTPUT, Listing, LogRecord, Pipeline, Run, State
from opsera_step.clock import format_duration
from opsera_step.display import Answer, views
from opsera_step.errors import ExitCode, InvalidInput
from opsera_step.job.job import CommandResult, Job, status_output
from opsera_step.outcome import outcome_of
from opsera_step.runs import (
    Ended,
    EndReason,
    Event,
    FollowPolicy,
    LinesMissing,
    LogLines,
    follow,
    lines_of,
    steps_of,
)
from opsera_step.text import nearest

_CHECK_EVERY = 1.0
"""Seconds between checks whether the output is still read, while a log is followed."""
ANY = "any"
"""The type that stands for records of every type."""


class LogQuery(NamedTuple):
    """The part of a run's log that is wanted."""

    kind: str = ""
    """The type of records: `console output`, any, or another action; empty: as the input `logs`."""
    step: str = ""
    """The step's ID or name; empty for all."""
    as_text: bool = True
    """Whether the text is wanted, rather than the records."""
    failed: bool = False
    """Only the steps that failed."""
    tail: int | None = None
    """Only so many lines from the end."""
    since: float | None = None
    """Only what was written within so many seconds."""

    def show(self, job: Job) -> CommandResult:
        """Print the log of a run as it is now."""
        pipeline = job.find_pipeline()
        run = job.requested_run(pipeline)
        job.use_run(run)
        job.state.status = status = job.retry(lambda until: job.client.status(run, until))
        job.state.responses["status"] = status.response
        kind = self._kind(job)
        only_console = kind == CONSOLE_OUTPUT and not self.failed
        listing = job.retry(lambda until: job.client.logs(run, until, console_only=only_console))
        wanted = self._wanted(job, pipeline, listing.items)
        chosen = [one for one in listing.items if _is_of_kind(one, kind) and wanted(one)]
        answer = None
        if self.as_text:
            self._print(job, chosen, listing)
        else:
            # The API returns the latest record first.
            last = chosen[: self.tail]
            answer = Answer(listing.only(last).response, (views.records_table(last),))
            if listing.is_truncated:
                job.log.print_message(
                    "The API returns only the latest 1,000 records; there may be more.", "warning"
                )
        if not chosen and not listing.is_cut:
            self._report_nothing(job, run)
        complete = status.state.final and not job.log.missing and not listing.is_truncated
        outcome = job.known(status_output(status.state), ExitCode.SUCCESS)
        return CommandResult(outcome.but(log_complete=complete), answer)

    def follow(self, job: Job) -> CommandResult:
        """Print the log of a run until it ends; however it ends, the exit code is 0."""
        pipeline = job.find_pipeline()
        job.use_run(job.requested_run(pipeline))
        wanted = find_step(self.step, pipeline, ()) if self.step else None
        since = self._since(job)
        policy = FollowPolicy(
            wait_when_paused=job.inputs.on_paused == "wait",
            logs="console" if self._kind(job) == CONSOLE_OUTPUT else "all",
            poll_interval=job.inputs.poll_interval,
            # A pipe that is not read any more has to be noticed while nothing is written to it.
            tick=job.platform.tick or (_CHECK_EVERY if job.data is not None else None),
            watched_by_person=True,
        )
        ended: Ended | None = None
        for event in follow(job.client, job.state, policy, job.clock, job.deadline, job.jitter):
            if isinstance(event, Ended):
                ended = event
            elif job.data is not None and job.data.is_unread:
                return _closed(job)
            if _is_wanted(event, wanted, since):
                job.log.show(event)
        return _followed(job, ended)

    def _since(self, job: Job) -> float | None:
        """Return the time before which nothing is wanted."""
        return None if self.since is None else job.server_time - self.since

    def _kind(self, job: Job) -> str:
        word = " ".join(self.kind.lower().split())
        if word in ("", "console"):
            wants_all = not word and job.inputs.logs == "all"
            return ANY if wants_all else CONSOLE_OUTPUT
        return ANY if word in (ANY, "all") else word

    def _wanted(
        self, job: Job, pipeline: Pipeline, records: Sequence[LogRecord]
    ) -> Callable[[LogRecord], bool]:
        """Return whether a record belongs to the requested steps and period."""
        step = find_step(self.step, pipeline, records) if self.step else None
        failed = _failed_steps(pipeline, records) if self.failed else None
        since = self._since(job)

        def wanted(one: LogRecord) -> bool:
            if step is not None and not step.has(one.step_id, one.step_name):
                return False
            if failed is not None and one.step_id not in failed:
                return False
            return since is None or (one.created is not None and one.created >= since)

        return wanted

    def _print(self, job: Job, chosen: list[LogRecord], listing: Listing[LogRecord]) -> None:
        if listing.is_truncated:
            job.log.show(LinesMissing(too_large=listing.is_cut))
        events = list(lines_of(chosen))
        for event in _tail(events, self.tail) if self.tail is not None else events:
            job.log.show(event)
        job.log.finish()

    def _report_nothing(self, job: Job, run: Run) -> None:
        step = f" for step “{job.scrubber.inline(self.step, 200)}”" if self.step else ""
        kind = f" of type “{job.scrubber.inline(self.kind, 200)}”" if self.kind else ""
        failed = " of failed steps" if self.failed else ""
        recent = f" in the last {format_duration(self.since)}" if self.since is not None else ""
        job.log.print_message(
            f"The log of run {run.count} has no records{kind}{failed}{step}{recent}."
        )


def logs(job: Job) -> CommandResult:
    """Print the log of a run as it is now."""
    return LogQuery().show(job)


def _is_of_kind(record: LogRecord, kind: str) -> bool:
    if kind == ANY:
        return True
    if kind == CONSOLE_OUTPUT:
        # One without an action may be console text.
        return record.is_console or not record.action
    return record.action.strip().lower() == kind


def _failed_steps(pipeline: Pipeline, records: Sequence[LogRecord]) -> set[str]:
    return {one.id for one in steps_of(pipeline, records) if one.state is State.FAILED}


def _tail(events: list[LogLines], lines: int) -> list[LogLines]:
    """Keep the last lines of some events."""
    kept: list[LogLines] = []
    for event in reversed(events):
        if lines <= 0:
            break
        kept.append(event._replace(lines=event.lines[-lines:]))
        lines -= len(event.lines)
    return kept[::-1]


class _Step(NamedTuple):
    """A step given by ID or name, with all of its IDs and names in plan and log."""

    ids: frozenset[str]
    names: frozenset[str]

    def has(self, step_id: str, step_name: str) -> bool:
        """Whether a record belongs to this step; one without an ID is matched by name."""
        if step_id:
            return step_id.casefold() in self.ids
        return step_name.strip().casefold() in self.names


def _is_wanted(event: Event, step: _Step | None, since: float | None) -> bool:
    if not isinstance(event, LogLines):
        return True
    if since is not None and (event.created is None or event.created < since):
        return False
    return step is None or step.has(event.step_id, event.step_name)


def find_step(step: str, pipeline: Pipeline, records: Sequence[LogRecord]) -> _Step:
    """Find a step that the user named, in any case.

    Raises:
        InvalidInput: if neither the pipeline nor the log has it, with a near match, or if several
            steps have the name.
    """
    pairs = [(one.id, one.name) for one in pipeline.plan]
    pairs += [(one.step_id, one.step_name) for one in records]
    word = step.strip().casefold()
    known = [(one.casefold(), name.strip().casefold()) for one, name in pairs]
    ids = frozenset(one for one, name in known if one and word in (one, name))
    if len(ids) > 1 and word not in ids:
        of_name = dict.fromkeys(one for one, _ in pairs if one.casefold() in ids)
        raise InvalidInput(
            [f"step: {len(ids)} steps are named “{step}”. Use an ID: {', '.join(of_name)}."]
        )
    names = frozenset(name for one, name in known if word == name or one in ids)
    if ids or names:
        return _Step(ids, names)
    close = nearest(step, dict.fromkeys(name for _, name in pairs if name))
    guess = f" Did you mean “{close}”?" if close else ""
    steps = ", ".join(f"“{name}”" for name in dict.fromkeys(name for _, name in pairs if name))
    raise InvalidInput([f"step: unknown step “{step}”.{guess} The steps are {steps}."])


def _closed(job: Job) -> CommandResult:
    count = job.state.run.count if job.state.run else "?"
    message = f"Output closed; run {count} continues."
    return CommandResult(job.known("running", ExitCode.SUCCESS).but(message=message))


def _followed(job: Job, ended: Ended | None) -> CommandResult:
    known = job.known().but(log_complete=ended.log_complete if ended else False)
    left = f"Run {known.run_count} continues."
    outcome = outcome_of(known, ended, None, left=left, timeout=job.inputs.timeout)
    if ended is not None and ended.reason in (EndReason.FINAL, EndReason.PAUSED):
        # The log was requested, and it was printed.
        outcome = outcome.but(exit_code=ExitCode.SUCCESS, hint="")
    return CommandResult(outcome)
