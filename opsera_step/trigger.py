"""Start exactly one run of a pipeline, or find the one to follow.

The `run` call is sent again only when it is certain that the first was not accepted; a run that
cannot be ours is never followed, and where it can't be known the job ends and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from opsera_step.errors import ApiError, PipelineBusy, RunRefused, RunUncertain
from opsera_step.events import Event, Note, RunKnown
from opsera_step.models import LogRecord, Pipeline, Run, RunAnswer, RunStatus, State, state_of
from opsera_step.ownership import Ownership
from opsera_step.patience import LONGEST_OUTAGE, Contact, Waiting, insist
from opsera_step.resetting import reset_if_wanted
from opsera_step.timing import Clock, Deadline, Outage

LOOK_EVERY = 2.0
SETTLING = 30.0
"""Seconds for which a run that was accepted may not show yet. The API is known to need "some
seconds"; a resting pipeline without a new run for this long did not accept anything."""
APPEARING = 300.0
"""Seconds to wait for the run of an accepted request, while no other run is in its way."""
ENOUGH_TO_ASK = 5.0
"""Seconds that asking again takes when all is well; with less left it would only lose a run."""

T = TypeVar("T")
Steps = Generator[Event, None, T]


class Api(Contact, Protocol):
    """What starting needs of the client."""

    def run(self, pipeline_id: str, deadline: Deadline) -> RunAnswer:
        """Start a run."""
        ...

    def reset(self, pipeline_id: str, deadline: Deadline) -> str:
        """Put the pipeline back to its first step."""
        ...

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for the pipeline."""
        ...

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Ask how a run stands."""
        ...

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> list[LogRecord]:
        """Ask for the newest records of a run's log."""
        ...


@dataclass(frozen=True)
class Policy:
    """What the user wants: the inputs `on_busy` and `reset`."""

    on_busy: str = "queue"
    reset: str = "never"


@dataclass(frozen=True)
class Started:
    """The run to follow; `behind` is the run that may have to end before ours begins."""

    run: Run
    fresh: bool
    behind: int | None = None


@dataclass(frozen=True)
class _Accepted:
    """Our run is known."""

    count: int
    message: str = ""


class Trigger:
    """Starts one run; use `start` once."""

    def __init__(
        self,
        api: Api,
        token: str,
        clock: Clock,
        deadline: Deadline,
        jitter: Callable[[], float],
    ) -> None:
        """Take the collaborators; nothing is asked before `start`."""
        self._api, self._clock, self._deadline, self._jitter = api, clock, deadline, jitter
        self._ownership = Ownership(api, token, clock, deadline)
        self._outage, self._waiting = Outage(clock, jitter), Waiting(clock, deadline)
        self.before: int | None = None
        """The newest run before ours was asked for; None until then."""
        self.asked = False
        """Whether a request to run is or was on its way, so that there may be a run of ours."""

    def start(self, pipeline: Pipeline, policy: Policy) -> Steps[Started]:
        """Start a run, or attach to the one that goes, as the policy says.

        Raises:
            PipelineBusy, RunRefused, RunUncertain, ApiError: see their docstrings.

        """
        now = yield from reset_if_wanted(
            self._api, pipeline, policy.reset, self._clock, self._deadline, self._jitter
        )
        while True:
            if now.state.alive and policy.on_busy != "queue":
                attached = yield from self._attach(now, policy)
                if isinstance(attached, Started):
                    return attached
                now = attached
                continue
            answer = yield from self._ask(now)
            if isinstance(answer, _Accepted):
                break
            now = answer
        run = Run(pipeline.id, answer.count)
        yield RunKnown(run, started=True, message=answer.message)
        return Started(run, fresh=True, behind=self._ahead_of(run, now))

    def _ahead_of(self, run: Run, before: Pipeline) -> int | None:
        if before.state.alive:
            return before.run_count
        # A number was skipped: somebody else's run came in between, and may be going.
        return run.count - 1 if run.count > before.run_count + 1 else None

    def _attach(self, pipeline: Pipeline, policy: Policy) -> Steps[Started | Pipeline]:
        if policy.on_busy == "fail":
            raise PipelineBusy(
                f"Run {pipeline.run_count} is {pipeline.state.value}; no other was started."
            )
        if pipeline.run_count < 1:
            raise RunUncertain("A run is going, but Opsera does not say which.")
        run = Run(pipeline.id, pipeline.run_count)
        if self._has_ended(run):
            # The pipeline does not count its newest run yet.
            yield from self._waiting.sleep(LOOK_EVERY, behind=run.count)
            if self._deadline.expired:
                raise RunUncertain(f"Run {run.count} has ended, and a newer one does not show.")
            return (yield from self._summary(pipeline.id))
        yield RunKnown(run, started=False)
        return Started(run, fresh=False)

    def _has_ended(self, run: Run) -> bool:
        try:
            return self._api.status(run, self._deadline).state.final
        except ApiError:
            return False

    def _ask(self, now: Pipeline) -> Steps[_Accepted | Pipeline]:
        """Send `run` once; return the pipeline as it is later when nothing was started by it."""
        if self._deadline.expired:
            raise ApiError(
                "The time was up before a run could be asked for.",
                "No run was started. Give it longer with the input timeout.",
            )
        self.before, self.asked = now.run_count, True
        try:
            answer = self._api.run(now.id, self._deadline)
        except ApiError as error:
            self.asked = not error.never_accepted
            if not error.transient:
                raise
            if error.never_accepted:
                return (yield from self._later(now.id, error))
            return (yield from self._search(now, error))
        if self._is_refusal(answer):
            self.asked = False
            return (yield from self._refused(now, answer))
        return (yield from self._read_answer(now, answer))

    def _later(self, pipeline_id: str, error: ApiError) -> Steps[Pipeline]:
        """Wait after a request that never arrived."""
        pause = self._outage.failed(error.message, error.retry_after)
        yield from self._agree_to_ask_again(error, pause)
        yield from self._waiting.sleep(pause, trouble=error.message)
        return (yield from self._summary(pipeline_id))

    def _search(self, before: Pipeline, error: ApiError) -> Steps[_Accepted | Pipeline]:
        """Find out whether a request without a good answer started a run."""
        if not before.counts_runs:
            raise RunUncertain(f"{error.message} Opsera does not say how many runs there were.")
        pause = self._outage.failed(error.message, error.retry_after)
        if not self._outage.shown:
            yield Note(f"{error.message} Looking whether the run was started all the same.", True)
        found = yield from self._look(before, SETTLING, self._clock.monotonic() + pause)
        if isinstance(found, Pipeline):
            self.asked = False
            yield from self._agree_to_ask_again(error, 0.0)
        return found

    def _agree_to_ask_again(self, error: ApiError, pause: float) -> Steps[None]:
        """Say that it goes on, once; or raise the error when the time is up."""
        if self._deadline.remaining < pause + ENOUGH_TO_ASK:
            raise error
        if self._deadline.at is None and self._outage.lasting > LONGEST_OUTAGE:
            raise error
        if not self._outage.shown:
            self._outage.shown = True
            yield Note(f"{error.message} No run was started by it; trying again.", warning=True)

    def _is_new(self, answer: RunAnswer) -> bool:
        return answer.run_count is not None and answer.run_count > (self.before or 0)

    def _is_refusal(self, answer: RunAnswer) -> bool:
        """Whether nothing was started, as the body says; it may name the run that is there."""
        return state_of(answer.word) is State.FAILED and not self._is_new(answer)

    def _refused(self, now: Pipeline, answer: RunAnswer) -> Steps[Pipeline]:
        """Wait for the run that is in the way, if that is why it was refused."""
        refusal = _refusal(answer)
        if now.state is not State.RUNNING or _tells_of_pause(answer):
            raise refusal
        text = f"{refusal.message} Asking again when run {now.run_count} has ended."
        yield Note(text, warning=True)
        while True:
            now = yield from self._summary(now.id)
            if now.state is not State.RUNNING:
                return now
            if self._deadline.remaining < ENOUGH_TO_ASK:
                raise refusal
            yield from self._waiting.sleep(LOOK_EVERY, behind=now.run_count)

    def _read_answer(self, before: Pipeline, answer: RunAnswer) -> Steps[_Accepted]:
        word, is_no = f"“{answer.word}”", state_of(answer.word) is State.FAILED
        if answer.run_count is not None and self._is_new(answer) and not is_no:
            return _Accepted(answer.run_count, answer.message)
        is_known = answer.word.strip().lower() == "executed" or state_of(answer.word) in (
            State.RUNNING,
            State.SUCCESS,
        )
        if not is_known:
            text = f"Opsera answered {word}, which is neither a yes nor a no; looking for the run."
            yield Note(f"{text} {answer.message}".strip(), warning=True)
        else:
            named = f"run {answer.run_count}, an old one" if answer.run_count else "no run count"
            yield Note(f"Opsera accepted the run ({word}) but named {named}; looking for it.")
        found = yield from self._look(before, APPEARING if is_known else SETTLING)
        if isinstance(found, Pipeline):
            raise RunUncertain(f"Opsera answered {word} to the request, but no run has appeared.")
        return _Accepted(found.count, answer.message)

    def _look(
        self, before: Pipeline, settling: float, not_before: float = 0.0
    ) -> Steps[_Accepted | Pipeline]:
        """Watch for a new run of ours; return the pipeline when it rests and there is none.

        Raises:
            RunUncertain: when the time is up, or which run is ours can't be known.

        """
        rested = -LOOK_EVERY
        while True:
            now = yield from self._seen(before.id)
            if now.run_count > before.run_count:
                count = yield from self._ownership.choose(
                    before.id, before.run_count, now.run_count
                )
                if count is not None:
                    return _Accepted(count)
            rested = -LOOK_EVERY if _may_hide_a_run(now, before) else rested + LOOK_EVERY
            if rested >= settling and self._clock.monotonic() >= not_before:
                if self._ownership.foreign:
                    # Who started a run is read from the token; that is no proof to act on.
                    raise RunUncertain("Only runs appeared that seem to be somebody else's.")
                return now
            if self._deadline.expired:
                raise RunUncertain("The time is up, and it is not known whether a run was started.")
            ahead = now.run_count if now.state.alive else None
            yield from self._waiting.sleep(LOOK_EVERY, behind=ahead)

    def _seen(self, pipeline_id: str) -> Steps[Pipeline]:
        """Ask for the pipeline while a run of ours may be there."""
        try:
            return (yield from self._summary(pipeline_id))
        except ApiError as error:
            text = f"A run was asked for, but looking for it failed: {error.message}"
            raise RunUncertain(text) from error

    def _summary(self, pipeline_id: str) -> Steps[Pipeline]:
        return (yield from self._insist(lambda until: self._api.summary(pipeline_id, until)))

    def _insist(self, ask: Callable[[Deadline], T]) -> Steps[T]:
        return (yield from insist(ask, self._api, self._clock, self._deadline, self._jitter))


def _may_hide_a_run(now: Pipeline, before: Pipeline) -> bool:
    """Whether ours may wait unseen behind another run; a pipeline that was paused takes none."""
    if now.state is State.PAUSED:
        return before.state is not State.PAUSED or now.run_count != before.run_count
    return now.state is State.RUNNING


def _tells_of_pause(answer: RunAnswer) -> bool:
    return "paused" in answer.message.lower()


def _refusal(answer: RunAnswer) -> RunRefused:
    message = f"Opsera refused the run: {answer.message or answer.word}"
    if _tells_of_pause(answer):
        return RunRefused(
            message,
            "An earlier run waits for somebody: approve or stop it in Opsera, or set reset: auto "
            "to give it up and start afresh.",
        )
    return RunRefused(message)
