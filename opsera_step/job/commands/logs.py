"""The command `logs`: the log of a run as it is now, or as it comes; whole, or that of one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from opsera_step.api import CONSOLE_OUTPUT, LogRecord, Pipeline, Run
from opsera_step.clock import format_duration
from opsera_step.display import Answer, records_table
from opsera_step.errors import ApiError, ExitCode, InvalidInput
from opsera_step.job.context import Context, word_of
from opsera_step.runs import EndReason, FollowPolicy, RunState, events, follow, lines_of
from opsera_step.text import nearest

_LOOK_EVERY = 1.0
"""Seconds between looks whether the log that is followed is still read."""
ANY = "any"
"""The type that stands for records of every type."""


class LogQuery(NamedTuple):
    """What is wanted of the log of a run."""

    kind: str = ""
    """The type of records: `console output`, any, or another action; empty: as the input `logs`."""
    step: str = ""
    """The step's ID or name; empty for all."""
    as_text: bool = True
    """Whether the text is wanted, rather than the records."""

    def show(self, job: Context) -> None:
        """Print the log of a run as it is now."""
        pipeline = job.find_pipeline()
        asked = job.asked_run(pipeline)
        job.know_run(asked)
        answer = job.call_with_retry(lambda until: job.client.status(asked, until))
        kind = self._kind(job)
        listing = job.call_with_retry(
            lambda until: job.client.log_listing(asked, until, console_only=kind == CONSOLE_OUTPUT)
        )
        records = listing.items
        chosen = [one for one in records if self._is_of_kind(one, kind)]
        if self.step:
            wanted = find_step(self.step, pipeline, records)
            chosen = [one for one in chosen if wanted.has(one.step_id, one.step_name)]
        if self.as_text:
            self._print(job, chosen, is_cut=listing.is_truncated)
        else:
            job.answer = Answer(listing.only(chosen).response, (records_table(chosen),))
            if listing.is_truncated:
                text = "The API returns only the latest 1,000 records; older ones are missing."
                job.log.say(text, "warning")
        if not chosen:
            self._tell_nothing(job, asked)
        is_complete = answer.state.final and not job.log.missing and not listing.is_truncated
        job.learn(status=word_of(answer), exit_code=ExitCode.SUCCESS, log_complete=is_complete)
        job.learn_status(answer)

    def follow(self, job: Context) -> None:
        """Print the log of a run until it ends; however it ends, that is an answer."""
        pipeline = job.find_pipeline()
        asked = job.asked_run(pipeline)
        job.know_run(asked)
        wanted = find_step(self.step, pipeline, ()) if self.step else None
        policy = FollowPolicy(
            wait_when_paused=job.inputs.on_paused == "wait",
            logs="console" if self._kind(job) == CONSOLE_OUTPUT else "all",
            poll_interval=job.inputs.poll_interval,
            # A pipe that nobody reads any more has to be noticed while nothing is written to it.
            tick=job.platform.tick or (_LOOK_EVERY if job.data is not None else None),
        )
        job.state = RunState.watching(asked, pipeline)
        for event in follow(job.client, job.state, policy, job.clock, job.deadline, job.jitter):
            if isinstance(event, events.Ended):
                job.log.show(event)
                _conclude(job, asked, event)
            elif job.data is not None and job.data.is_deserted:
                message = f"Nobody reads on; run {asked.count} was left as it is."
                job.learn(status="running", exit_code=ExitCode.SUCCESS, message=message)
                return
            elif (
                wanted is None
                or not isinstance(event, events.LogLines)
                or wanted.has(event.step_id, event.step_name)
            ):
                job.log.show(event)

    def _kind(self, job: Context) -> str:
        word = " ".join(self.kind.lower().split())
        if word in ("", "console"):
            wants_all = not word and job.inputs.logs == "all"
            return ANY if wants_all else CONSOLE_OUTPUT
        return ANY if word in (ANY, "all") else word

    @staticmethod
    def _is_of_kind(record: LogRecord, kind: str) -> bool:
        if kind == ANY:
            return True
        if kind == CONSOLE_OUTPUT:
            # One without an action may be console text.
            return record.is_console or not record.action
        return record.action.strip().lower() == kind

    @staticmethod
    def _print(job: Context, records: list[LogRecord], *, is_cut: bool) -> None:
        if is_cut:
            job.log.show(events.LinesMissing())
        for event in lines_of(records):
            job.log.show(event)
        job.log.finish()

    def _tell_nothing(self, job: Context, run: Run) -> None:
        step = f" of the step “{job.scrubber.inline(self.step, 200)}”" if self.step else ""
        kind = f" of the type “{job.scrubber.inline(self.kind, 200)}”" if self.kind else ""
        job.log.say(f"There is nothing{kind} in the log of run {run.count}{step}.")


class _Step(NamedTuple):
    """A step that was named by its ID or its name: all that it is called in plan and log."""

    ids: frozenset[str]
    names: frozenset[str]

    def has(self, step_id: str, step_name: str) -> bool:
        """Tell whether a record is of this step; one without an ID goes by its name."""
        if step_id:
            return step_id.casefold() in self.ids
        return step_name.strip().casefold() in self.names


def find_step(step: str, pipeline: Pipeline, records: Sequence[LogRecord]) -> _Step:
    """Find a step that the user named, in any case.

    Raises:
        InvalidInput: when neither the pipeline nor the log has it, with what was meant maybe.

    """
    pairs = [(one.id, one.name) for one in pipeline.plan]
    pairs += [(one.step_id, one.step_name) for one in records]
    word = step.strip().casefold()
    known = [(one.casefold(), name.strip().casefold()) for one, name in pairs]
    ids = frozenset(one for one, name in known if one and word in (one, name))
    names = frozenset(name for one, name in known if word == name or one in ids)
    if ids or names:
        return _Step(ids, names)
    close = nearest(step, dict.fromkeys(name for _, name in pairs if name))
    guess = f" Did you mean “{close}”?" if close else ""
    steps = ", ".join(f"“{name}”" for name in dict.fromkeys(name for _, name in pairs if name))
    raise InvalidInput(
        [f"step: there is no step “{step}” in this run.{guess} The steps are {steps}."]
    )


def _conclude(job: Context, run: Run, ended: events.Ended) -> None:
    job.learn(log_complete=ended.log_complete)
    job.learn_status(ended.status)
    if ended.reason is EndReason.TIMEOUT:
        limit = format_duration(job.inputs.timeout or 0)
        job.learn(
            status="timeout",
            exit_code=ExitCode.TIMEOUT,
            message=f"Run {run.count} had not ended after {limit}, the timeout; it was left.",
        )
    elif ended.status is None or ended.reason is EndReason.LOST:
        raise ApiError(
            f"It can't be told how run {run.count} ended: {job.scrubber.inline(ended.detail)}.",
            f"Look at its page: {job.outcome.url}",
        )
    else:
        job.learn(status=word_of(ended.status), exit_code=ExitCode.SUCCESS)
