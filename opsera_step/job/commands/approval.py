"""The commands `approve` and `reject`: decide an approval at which the latest run is waiting.

Source: the vendor's API page, `POST /api/v2/actions`. The call names a pipeline, not a run or a
step, so both are checked before it is sent. It is repeated only if the first request was certainly
not accepted: a second approval could decide the next approval step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opsera_step.api import Ack, Pipeline, Run, State
from opsera_step.clock import format_duration
from opsera_step.errors import ApiError, InvalidInput
from opsera_step.job.job import CommandResult, Job
from opsera_step.outcome import moment_text, word_of
from opsera_step.runs import RunDetails, read_details

APPROVE, REJECT = "approve", "reject"
_DONE = {APPROVE: "Approved", REJECT: "Rejected"}
_DETAILS_WITHIN = 10.0
_RETRY_AFTER = 2.0


@dataclass(frozen=True)
class Decision:
    """How to decide an approval, and who confirms that."""

    action: str
    """APPROVE or REJECT."""
    message: str = ""
    """For the record; why it is rejected."""
    step: str = ""
    """The approval step that must be the waiting one; empty for any."""
    confirmed: bool = False
    ask: Callable[[str], bool] | None = None
    """Asks the user; None if there is no terminal to ask at."""

    def carry_out(self, job: Job) -> CommandResult:
        """Check what is waiting, ask for confirmation, and send the decision."""
        pipeline = job.find_pipeline()
        run = Run(pipeline.id, pipeline.run_count)
        job.use_run(run)
        details = read_details(job.client, run, job.deadline.no_later_than(_DETAILS_WITHIN))
        job.state.details = details
        self._check(job, pipeline, details)
        name = job.scrubber.inline(details.waiting_for, 200)
        where = f" at “{name}”" if name else ""
        job.log.print_message(
            f"Run {run.count} of “{job.scrubber.inline(pipeline.name, 200)}” is waiting for "
            f"approval{where}{_since(job, details)}."
        )
        if not self._is_confirmed():
            return job.done("No changes were made.", "paused")
        with job.change(f"the approval of run {run.count} was being decided"):
            ack = self._send(job, pipeline, details)
        message = f"{_DONE[self.action]} run {run.count}{where}."
        note = job.scrubber.inline(ack.message) if ack else ""
        if ack is not None:
            job.state.responses[self.action] = ack.response
        return job.done(f"{message} {note}".strip(), "running")

    def _check(self, job: Job, pipeline: Pipeline, details: RunDetails) -> None:
        """Reject a decision about another run or step than the user's.

        Raises:
            InvalidInput: if the run is not paused, or another run or step is waiting.
        """
        name, count = job.scrubber.inline(pipeline.name, 200), pipeline.run_count
        waiting = job.scrubber.inline(details.waiting_for, 200)
        problems = []
        if pipeline.state is not State.PAUSED:
            problems.append(
                f"Run {count} of “{name}” is not waiting for approval "
                f"(status: {word_of(pipeline.state)})"
            )
        elif job.inputs.run_count and job.inputs.run_count != count:
            problems.append(
                f"run_count: run {count} is waiting for approval, not run {job.inputs.run_count}"
            )
        elif self.step and not self._names(pipeline, details.waiting_for):
            found = f"“{waiting}”" if waiting else "an unknown step"
            problems.append(f"--step: the run is waiting at {found}, not at “{self.step}”")
        if problems:
            raise InvalidInput(problems)

    def _names(self, pipeline: Pipeline, waiting: str) -> bool:
        """Whether the user's step, a name or an ID, is the one that is waiting."""
        ids = [one.id for one in pipeline.plan if one.name == waiting]
        known = (one.strip().casefold() for one in (waiting, *ids))
        return self.step.strip().casefold() in known

    def _is_confirmed(self) -> bool:
        if self.confirmed:
            return True
        if self.ask is None:
            raise InvalidInput([f"{self.action}: not a terminal; pass --yes to confirm"])
        return self.ask("Approve it?" if self.action == APPROVE else "Reject it?")

    def _send(self, job: Job, pipeline: Pipeline, details: RunDetails) -> Ack | None:
        """Send the decision; None if its response was lost and the run is no longer waiting."""
        while True:
            try:
                return job.client.act(self.action, pipeline.id, job.deadline, message=self.message)
            except ApiError as error:
                if not error.transient or job.deadline.expired:
                    raise
                if not error.never_accepted:
                    if self._still_waits(job, pipeline, details):
                        raise
                    return None
                job.warn(f"{error.message} The request was not delivered; retrying.")
                job.clock.sleep(max(_RETRY_AFTER, error.retry_after or 0.0))

    @staticmethod
    def _still_waits(job: Job, before: Pipeline, details: RunDetails) -> bool:
        now = job.retry(lambda until: job.client.summary(before.id, until))
        if now.run_count != before.run_count or now.state is not State.PAUSED:
            return False
        until = job.deadline.no_later_than(_DETAILS_WITHIN)
        return read_details(job.client, Run(before.id, now.run_count), until).waiting_for == (
            details.waiting_for
        )


def _since(job: Job, details: RunDetails) -> str:
    step = next((one for one in details.steps if one.name == details.waiting_for), None)
    if step is None or step.started_at is None:
        return ""
    now = job.server_time
    waited = format_duration(max(0.0, now - step.started_at))
    return f", since {moment_text(step.started_at, now)} ({waited})"
