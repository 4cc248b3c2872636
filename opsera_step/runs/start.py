"""Start exactly one run of a pipeline, or find the one to follow.

The `run` call is sent again when it is certain that the first was not accepted, or when no run of
it has shown for long enough on a pipeline that rests; a run that cannot be ours is never followed,
and where it can't be known the job ends and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from opsera_step.api import Ack, Pipeline, Run, RunResponse, RunStatus, State, state_of
from opsera_step.clock import Clock, Deadline, RetryState
from opsera_step.errors import ApiError, PipelineBusy, Rejected, RunRefused, RunUncertain
from opsera_step.runs.events import Event, Note, RunKnown
from opsera_step.runs.find import (
    LONGEST_SETTLING,
    LOOK_EVERY,
    SETTLING,
    Looking,
    Steps,
    pause_behind,
)
from opsera_step.runs.find import Api as LookingApi
from opsera_step.runs.reset import reset_if_wanted
from opsera_step.runs.retry import LONGEST_OUTAGE
from opsera_step.runs.state import ATTACHED, STARTED, RunState

APPEARING = 300.0
"""Seconds to wait for the run of an accepted request, while no other run is in its way."""
ENOUGH_TO_ASK = 5.0
"""Seconds that asking again takes when all is well; with less left it would only lose a run."""


class Api(LookingApi, Protocol):
    """What starting needs of the client."""

    def run(self, pipeline_id: str, deadline: Deadline) -> RunResponse:
        """Start a run."""
        ...

    def reset(self, pipeline_id: str, deadline: Deadline) -> Ack:
        """Put the pipeline back to its first step."""
        ...

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Ask how a run stands."""
        ...


class StartPolicy(NamedTuple):
    """How to start: the inputs `on_busy` and `reset`, and the runtime settings of the run."""

    on_busy: str = "queue"
    reset: str = "never"
    settings: RuntimeSettings | None = None


class Parameter(NamedTuple):
    """A value for one parameter of one step; `step` is empty if `name` is `STEP.NAME`."""

    step: str
    name: str
    value: str


class RuntimeSettings(NamedTuple):
    """Runtime settings of a run: its Git branch and parameters of its steps."""

    branch: str = ""
    parameters: tuple[Parameter, ...] = ()


def start_run(
    client: Api,
    pipeline: Pipeline,
    policy: StartPolicy,
    *,
    token: str,
    clock: Clock,
    deadline: Deadline,
    jitter: Callable[[], float],
    state: RunState,
) -> Generator[Event, None, None]:
    """Start one run, or attach to the one in progress; write it into `state`.

    Raises:
        PipelineBusy, RunRefused, RunPaused, RunUncertain, TimedOut, ApiError: see there.

    """
    state.pipeline, state.token = pipeline, token
    trigger = Trigger(client, token, clock, deadline, jitter, state)
    started = yield from trigger.start(pipeline, policy)
    yield from trigger.twins(started.run)


class Started(NamedTuple):
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
        state: RunState,
    ) -> None:
        """Take the collaborators; nothing is asked before `start`."""
        self._state = state
        self._api, self._clock, self._deadline, self._jitter = api, clock, deadline, jitter
        self._looking = Looking(api, token, clock, deadline, jitter)
        self._waiting = self._looking.waiting
        self._outage = RetryState(clock, jitter)
        self._doubt: Pipeline | None = None
        self._settling, self._times = SETTLING, 0

    def _mark_requested(self, *, may_be_accepted: bool) -> None:
        self._state.requested = may_be_accepted or self._doubt is not None

    def start(self, pipeline: Pipeline, policy: StartPolicy) -> Steps[Started]:
        """Start a run, or attach to the one that goes, as the policy says.

        Raises:
            PipelineBusy, RunRefused, RunUncertain, ApiError: see their docstrings.

        """
        now = yield from reset_if_wanted(
            self._api,
            pipeline,
            policy.reset,
            self._clock,
            self._deadline,
            self._jitter,
            self._state,
        )
        while True:
            if self._doubt is not None and now.run_count > self._doubt.run_count:
                # It shows after all, or somebody else's.
                now = self._doubt
                answer = _read((yield from self._looking.look(now, self._settling)))
                if isinstance(answer, _Accepted):
                    break
                now = answer
            if now.state.active and policy.on_busy != "queue":
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
        self._state.run, self._state.origin = run, STARTED
        self._state.behind = self._ahead_of(run, now)
        yield RunKnown(run, started=True, message=answer.message)
        return Started(run, fresh=True, behind=self._state.behind)

    def twins(self, run: Run) -> Steps[None]:
        """Warn of another run that may be ours too, if a request was sent again in doubt."""
        if self._doubt is not None and self._times > 1:
            self._state.in_doubt_since = self._doubt.run_count
            yield from self._looking.twins(run, self._doubt.run_count)

    def _ahead_of(self, run: Run, before: Pipeline) -> int | None:
        if before.state.active:
            return before.run_count
        # A number was skipped: somebody else's run came in between, and may be going.
        return run.count - 1 if run.count > before.run_count + 1 else None

    def _attach(self, pipeline: Pipeline, policy: StartPolicy) -> Steps[Started | Pipeline]:
        if policy.on_busy == "fail":
            raise PipelineBusy(
                f"Run {pipeline.run_count} is {pipeline.state.value}; no other was started."
            )
        if pipeline.run_count < 1:
            raise RunUncertain("A run is going, but Opsera does not say which.")
        run = Run(pipeline.id, pipeline.run_count)
        if (yield from self._has_ended(run)):
            # The pipeline does not count its newest run yet.
            yield from self._waiting.sleep(LOOK_EVERY, behind=run.count)
            if self._deadline.expired:
                raise RunUncertain(f"Run {run.count} has ended, and a newer one does not show.")
            return (yield from self._looking.summary(pipeline.id))
        self._state.run, self._state.origin = run, ATTACHED
        yield RunKnown(run, started=False)
        return Started(run, fresh=False)

    def _has_ended(self, run: Run) -> Steps[bool]:
        try:
            status = yield from self._looking.call_with_retry(
                lambda until: self._api.status(run, until)
            )
        except Rejected:
            # A run that the API does not know yet can't have ended.
            return False
        return status.state.final

    def _ask(self, now: Pipeline) -> Steps[_Accepted | Pipeline]:
        """Send `run` once; return the pipeline as it is later when nothing was started by it."""
        if self._deadline.expired:
            raise ApiError(
                "The time was up before a run could be asked for.",
                "No run was started. Give it longer with the input timeout.",
            )
        self._state.before = now.run_count
        self._mark_requested(may_be_accepted=True)
        self._times += 1
        try:
            answer = self._api.run(now.id, self._deadline)
        except ApiError as error:
            self._mark_requested(may_be_accepted=not error.never_accepted)
            if not error.transient:
                raise self._with_doubt(error) from None
            if error.never_accepted:
                return (yield from self._later(now.id, error))
            return (yield from self._search(now, error))
        self._state.responses["run"] = answer.response
        if self._is_refusal(answer):
            self._mark_requested(may_be_accepted=False)
            return (yield from self._refused(now, answer))
        return (yield from self._read_answer(now, answer))

    def _with_doubt(self, error: ApiError) -> ApiError:
        """Say with an error that ends it that an earlier request may have started a run."""
        if self._doubt is not None:
            error.message += (
                " An earlier request to run got no good answer: look at the pipeline's page "
                "whether it has started a run all the same."
            )
        return error

    def _later(self, pipeline_id: str, error: ApiError) -> Steps[Pipeline]:
        """Wait after a request that never arrived."""
        pause = self._outage.failed(error.message, error.retry_after)
        yield from self._agree_to_ask_again(error, pause)
        yield from self._waiting.sleep(pause, trouble=error.message)
        return (yield from self._looking.summary(pipeline_id))

    def _search(self, before: Pipeline, error: ApiError) -> Steps[_Accepted | Pipeline]:
        """Find out whether a request without a good answer started a run."""
        if not before.has_run_count:
            raise RunUncertain(f"{error.message} Opsera does not say how many runs there were.")
        pause = self._outage.failed(error.message, error.retry_after)
        if not self._outage.shown:
            self._outage.shown = True
            yield Note(f"{error.message} Looking whether the run was started all the same.", True)
        self._doubt = self._doubt or before
        not_before = self._clock.monotonic() + pause
        found = _read((yield from self._looking.look(before, self._settling, not_before)))
        if isinstance(found, Pipeline):
            rested = f"No new run has shown for {self._settling:.0f} s"
            if not self._has_time(ENOUGH_TO_ASK):
                raise RunUncertain(
                    f"{error.message} {rested}, so it is likely, but not certain, that it started "
                    "none."
                )
            yield Note(f"{error.message} {rested}; asking again.", warning=True)
            self._settling = min(2 * self._settling, LONGEST_SETTLING)
        return found

    def _agree_to_ask_again(self, error: ApiError, pause: float) -> Steps[None]:
        """Say that it goes on, once; or raise the error when the time is up."""
        if not self._has_time(pause + ENOUGH_TO_ASK):
            raise self._with_doubt(error)
        if not self._outage.shown:
            self._outage.shown = True
            yield Note(f"{error.message} It never arrived; trying again.", warning=True)

    def _has_time(self, seconds: float) -> bool:
        if self._deadline.at is None:
            return self._outage.lasting <= LONGEST_OUTAGE
        return self._deadline.remaining >= seconds

    def _is_new(self, answer: RunResponse) -> bool:
        return answer.run_count is not None and answer.run_count > (self._state.before or 0)

    def _is_refusal(self, answer: RunResponse) -> bool:
        """Whether nothing was started, as the body says; it may name the run that is there."""
        return state_of(answer.value) is State.FAILED and not self._is_new(answer)

    def _refused(self, now: Pipeline, answer: RunResponse) -> Steps[Pipeline]:
        """Wait for the run that is in the way, if that is why it was refused."""
        refusal = _refusal(answer, now.run_count)
        if now.state is not State.RUNNING or _tells_of_pause(answer):
            raise refusal
        text = f"{refusal.message} Asking again when run {now.run_count} has ended."
        yield Note(text, warning=True)
        began = self._clock.monotonic()
        while True:
            now = yield from self._looking.summary(now.id)
            if now.state is not State.RUNNING:
                return now
            if self._deadline.remaining < ENOUGH_TO_ASK:
                refusal.hint = (
                    f"Run {now.run_count} had not ended when the time was up: give it longer with "
                    "the input timeout."
                )
                raise refusal
            pause = pause_behind(self._clock.monotonic() - began)
            yield from self._waiting.sleep(pause, behind=now.run_count)

    def _read_answer(self, before: Pipeline, answer: RunResponse) -> Steps[_Accepted]:
        word, is_no = f"“{answer.value}”", state_of(answer.value) is State.FAILED
        if answer.run_count is not None and self._is_new(answer) and not is_no:
            return _Accepted(answer.run_count, answer.message)
        is_known = answer.value.strip().lower() == "executed" or state_of(answer.value) in (
            State.RUNNING,
            State.SUCCESS,
        )
        if not is_known:
            text = f"Opsera answered {word}, which is neither a yes nor a no; looking for the run."
            yield Note(f"{text} {answer.message}".strip(), warning=True)
        else:
            named = f"run {answer.run_count}, an old one" if answer.run_count else "no run count"
            yield Note(f"Opsera accepted the run ({word}) but named {named}; looking for it.")
        found = yield from self._looking.look(before, APPEARING if is_known else SETTLING)
        if isinstance(found, Pipeline):
            raise RunUncertain(f"Opsera answered {word} to the request, but no run has appeared.")
        return _Accepted(found, answer.message)


def _read(found: int | Pipeline) -> _Accepted | Pipeline:
    return found if isinstance(found, Pipeline) else _Accepted(found)


def _tells_of_pause(answer: RunResponse) -> bool:
    return "paused" in answer.message.lower()


def _refusal(answer: RunResponse, newest: int) -> RunRefused:
    message = f"Opsera refused the run: {answer.message or answer.value}"
    if _tells_of_pause(answer):
        return RunRefused(
            message,
            f"Run {newest} waits for somebody: approve or stop it in Opsera. To have a "
            "job wait for it, run it with on_busy: attach and on_paused: wait; to give it up and "
            "start afresh, set reset: auto.",
        )
    return RunRefused(message)
