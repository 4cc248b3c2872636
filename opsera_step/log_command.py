"""The command `logs`: the log of a run as it is now, or as it comes; whole, or that of one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from opsera_step import events
from opsera_step.answers import Answer
from opsera_step.cadence import Cadence
from opsera_step.context import Context, word_of
from opsera_step.errors import ApiError, BadInput, ExitCode
from opsera_step.events import EndReason
from opsera_step.feed import LogFeed
from opsera_step.follow import Follower, Policy
from opsera_step.guessing import nearest
from opsera_step.models import CONSOLE_OUTPUT, LogRecord, Pipeline, Run
from opsera_step.timing import Deadline, spell_duration
from opsera_step.views import records_table

ANY = "any"
"""The type that stands for records of every type."""


class LogWish(NamedTuple):
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
        answer = job.insist(lambda until: job.client.status(asked, until))
        kind = self._kind(job)
        listing = job.insist(
            lambda until: job.client.log_listing(asked, until, console_only=kind == CONSOLE_OUTPUT)
        )
        records = listing.items
        chosen = [one for one in records if self._is_of_kind(one, kind)]
        if self.step:
            _check_step(self.step, pipeline, records)
            chosen = [one for one in chosen if self._is_of_step(one.step_id, one.step_name)]
        if self.as_text:
            self._print(job, asked, chosen, is_cut=listing.is_cut)
        else:
            job.answer = Answer(listing.only(chosen).whole, (records_table(chosen),))
            if listing.is_cut:
                job.log.say("The API gives the newest 1000 records; there may be more.", "warning")
        if not chosen:
            self._tell_nothing(job, asked)
        is_complete = answer.state.final and not job.log.missing and not listing.is_cut
        job.learn(status=word_of(answer), exit_code=ExitCode.SUCCESS, log_complete=is_complete)
        job.learn_status(answer)

    def follow(self, job: Context) -> None:
        """Print the log of a run until it ends; however it ends, that is an answer."""
        pipeline = job.find_pipeline()
        asked = job.asked_run(pipeline)
        job.know_run(asked)
        if self.step:
            _check_step(self.step, pipeline, ())
        policy = Policy(
            wait_when_paused=job.inputs.on_paused == "wait",
            logs="console" if self._kind(job) == CONSOLE_OUTPUT else "all",
            poll_interval=job.inputs.poll_interval,
            tick=job.platform.tick,
        )
        job.follower = Follower(job.client, asked, policy, job.clock, job.deadline, job.jitter)
        for event in job.follower.follow():
            if isinstance(event, events.Ended):
                job.log.show(event)
                _conclude(job, asked, event)
            elif not isinstance(event, events.LogLines) or self._is_of_step(
                event.step_id, event.step_name
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

    def _is_of_step(self, step_id: str, step_name: str) -> bool:
        wanted = self.step.strip().casefold()
        return not wanted or wanted in (step_id.casefold(), step_name.strip().casefold())

    @staticmethod
    def _print(job: Context, run: Run, records: list[LogRecord], *, is_cut: bool) -> None:
        feed = LogFeed(_Fetched(records), run, "all", job.clock, Cadence(job.jitter), job.jitter)
        if is_cut:
            job.log.show(events.LinesMissing(None, estimated=False))
        for event in (*feed.poll(job.deadline), *feed.flush()):
            if not isinstance(event, events.LinesMissing):
                job.log.show(event)
        job.log.finish()

    def _tell_nothing(self, job: Context, run: Run) -> None:
        step = f" of the step “{job.safe.inline(self.step, 200)}”" if self.step else ""
        job.log.say(f"There is nothing in the log of run {run.count}{step}.")


class _Fetched:
    """A log that was read already, as the API that a feed asks."""

    def __init__(self, records: list[LogRecord]) -> None:
        self._records = records

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> list[LogRecord]:
        """Return the records."""
        return self._records


def _check_step(step: str, pipeline: Pipeline, records: Sequence[LogRecord]) -> None:
    """Refuse a step that neither the pipeline nor the log has, with what was meant maybe."""
    known = {one.name: one.id for one in pipeline.plan}
    known |= {one.step_name: one.step_id for one in records if one.step_name}
    words = {word.strip().casefold() for pair in known.items() for word in pair}
    if step.strip().casefold() in words:
        return
    close = nearest(step, known)
    guess = f" Did you mean “{close}”?" if close else ""
    steps = ", ".join(f"“{name}”" for name in known)
    raise BadInput([f"step: there is no step “{step}” in this run.{guess} The steps are {steps}."])


def _conclude(job: Context, run: Run, ended: events.Ended) -> None:
    job.learn(log_complete=ended.log_complete)
    job.learn_status(ended.status)
    if ended.reason is EndReason.TIMEOUT:
        limit = spell_duration(job.inputs.timeout or 0)
        job.learn(
            status="timeout",
            exit_code=ExitCode.TIMEOUT,
            message=f"Run {run.count} had not ended after {limit}, the timeout; it was left.",
        )
    elif ended.status is None or ended.reason is EndReason.LOST:
        raise ApiError(
            f"It can't be told how run {run.count} ended: {job.safe.inline(ended.detail)}.",
            f"Look at its page: {job.outcome.url}",
        )
    else:
        job.learn(status=word_of(ended.status), exit_code=ExitCode.SUCCESS)
