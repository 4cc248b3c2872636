"""Start exactly one run of a pipeline, or find the one to follow.

The `run` call is sent again only when it is certain that the first was not accepted; a run that
cannot be ours is never followed, and where it can't be known the job ends and says so.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from opsera_step.errors import ApiError, PipelineBusy, RunRefused, RunUncertain
from opsera_step.events import Event, Note, RunKnown
from opsera_step.models import LogRecord, Pipeline, Run, RunAnswer, State
from opsera_step.patience import Contact, insist
from opsera_step.timing import Clock, Deadline, backoff

LOOK_EVERY = 2.0
SETTLING = 30.0
"""Seconds for which a run that was accepted may not show yet. The API is known to need "some
seconds"; a resting pipeline without a new run for this long did not accept anything."""
LEAST_LOOKS = 3
APPEARING = 300.0
"""Seconds to wait for the run of an accepted request, while no other run is in its way."""

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
    """The run to follow; `behind` is the run that was going when ours was asked for."""

    run: Run
    fresh: bool
    behind: int | None = None


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
        self._identities = token_identities(token)
        self._foreign: set[int] = set()
        self.before: int | None = None
        """The newest run before ours was asked for; None until then."""
        self.asked = False
        """Whether a request to run is or was on its way, so that there may be a run of ours."""

    def start(self, pipeline: Pipeline, policy: Policy) -> Steps[Started]:
        """Start a run, or attach to the one that goes, as the policy says.

        Raises:
            PipelineBusy, RunRefused, RunUncertain, ApiError: see their docstrings.

        """
        pipeline = yield from self._reset(pipeline, policy)
        if pipeline.state.alive:
            if policy.on_busy == "attach":
                yield RunKnown(Run(pipeline.id, pipeline.run_count), started=False)
                return Started(Run(pipeline.id, pipeline.run_count), fresh=False)
            if policy.on_busy == "fail":
                raise PipelineBusy(
                    f"Run {pipeline.run_count} is {pipeline.state.value}; no other was started."
                )
        behind = pipeline.run_count if pipeline.state.alive else None
        self.before = pipeline.run_count
        count, message = yield from self._ask_until_certain(pipeline)
        run = Run(pipeline.id, count)
        yield RunKnown(run, started=True, message=message)
        return Started(run, fresh=True, behind=behind)

    def _reset(self, pipeline: Pipeline, policy: Policy) -> Steps[Pipeline]:
        rests_badly = pipeline.state in (State.FAILED, State.STOPPED, State.PAUSED)
        if policy.reset == "never" or (policy.reset == "auto" and not rests_badly):
            return pipeline
        if pipeline.state is State.RUNNING:
            yield Note(f"Not reset: run {pipeline.run_count} is going.", warning=True)
            return pipeline
        if policy.reset == "auto" and pipeline.run_count == 0:
            return pipeline
        message = yield from self._insist(lambda until: self._api.reset(pipeline.id, until))
        yield Note(f"Pipeline reset (it was {pipeline.state.value}). {message}".strip())
        return (yield from self._summary(pipeline.id))

    def _ask_until_certain(self, pipeline: Pipeline) -> Steps[tuple[int, str]]:
        """Send `run`, again only when nothing was accepted; return our run's count."""
        attempt = 0
        while True:
            self.asked = True
            try:
                answer = self._api.run(pipeline.id, self._deadline)
            except ApiError as error:
                if not error.transient:
                    self.asked = False
                    raise
                count = yield from self._after_failure(pipeline, error)
                if count is not None:
                    return count, ""
                self.asked = False
                yield from self._pause_before_again(error, attempt)
                attempt += 1
                continue
            return (yield from self._read_answer(pipeline, answer))

    def _pause_before_again(self, error: ApiError, attempt: int) -> Steps[None]:
        if self._deadline.expired:
            raise error
        if error.suspect_configuration and not self._api.ever_answered:
            raise error
        if attempt == 0:
            yield Note(f"{error.message} No run was started by it; trying again.", warning=True)
        pause = max(backoff(attempt, self._jitter()), error.retry_after or 0.0)
        self._clock.sleep(min(pause, self._deadline.remaining))

    def _after_failure(self, pipeline: Pipeline, error: ApiError) -> Steps[int | None]:
        """Find out whether a request without a good answer started a run; None: certainly not."""
        if error.never_accepted:
            return None
        yield Note(f"{error.message} Looking whether the run was started all the same.", True)
        return (yield from self._look(pipeline, certain=False))

    def _read_answer(self, pipeline: Pipeline, answer: RunAnswer) -> Steps[tuple[int, str]]:
        if answer.refused:
            self.asked = False
            raise _refusal(answer)
        if answer.run_count is not None and answer.run_count > (self.before or 0):
            return answer.run_count, answer.message
        said = "no run count" if answer.run_count is None else f"run {answer.run_count}, an old one"
        yield Note(f"Opsera accepted the run ({answer.word}) but named {said}; looking for it.")
        count = yield from self._look(pipeline, certain=True)
        if count is None:
            raise RunUncertain("Opsera accepted the run, but no new run has appeared.")
        return count, answer.message

    def _look(self, pipeline: Pipeline, *, certain: bool) -> Steps[int | None]:
        """Watch the pipeline for a new run of ours; None when there certainly is none.

        Raises:
            RunUncertain: when the time is up, or several runs could be ours.

        """
        looks, resting_since = 0, self._clock.monotonic()
        while True:
            now = yield from self._summary(pipeline.id)
            if now.run_count > (self.before or 0):
                count = yield from self._choose(pipeline.id, now.run_count)
                if count is not None:
                    return count
            # Behind another run ours may be waiting unseen; then only waiting tells.
            if now.state is State.RUNNING:
                resting_since, looks = self._clock.monotonic(), 0
            looks += 1
            settled = APPEARING if certain else SETTLING
            if looks > LEAST_LOOKS and self._clock.monotonic() - resting_since >= settled:
                if self._foreign:
                    # Who started a run is read from the token; that is no proof to act on.
                    raise RunUncertain("A run appeared that seems to be somebody else's, no other.")
                return None
            if self._deadline.expired:
                raise RunUncertain("The time is up, and it is not known whether a run was started.")
            self._clock.sleep(min(LOOK_EVERY, self._deadline.remaining))

    def _choose(self, pipeline_id: str, newest: int) -> Steps[int | None]:
        """Choose among the runs that appeared; None when none seems to be ours.

        Raises:
            RunUncertain: when several could be ours.

        """
        appeared = set(range((self.before or 0) + 1, newest + 1)) - self._foreign
        verdicts = {count: self._is_ours(Run(pipeline_id, count)) for count in sorted(appeared)}
        ours = [count for count, verdict in verdicts.items() if verdict]
        unknown = [count for count, verdict in verdicts.items() if verdict is None]
        foreign = verdicts.keys() - set(ours) - set(unknown)
        self._foreign |= foreign
        if foreign:
            numbers = ", ".join(map(str, sorted(foreign)))
            yield Note(f"Run {numbers} was started by somebody else; looking on.", warning=True)
        candidates = ours or unknown
        if len(candidates) > 1:
            numbers = " and ".join(map(str, candidates))
            raise RunUncertain(f"Runs {numbers} appeared at once; which is ours can't be known.")
        if unknown and not ours:
            yield Note(
                f"Run {unknown[0]} appeared after our request and is taken as ours; Opsera does "
                "not say who started it.",
                warning=True,
            )
        return candidates[0] if candidates else None

    def _is_ours(self, run: Run) -> bool | None:
        """Compare who started a run with the token's owner; None where either is not known."""
        try:
            records = self._api.logs(run, self._deadline.no_later_than(10.0), console_only=False)
        except ApiError:
            return None
        starters = [one.user_id for one in records if one.step_name.lower() == "start pipeline"]
        starter = next(filter(None, reversed(starters)), None)
        if starter is None or not self._identities:
            return None
        return starter in self._identities

    def _summary(self, pipeline_id: str) -> Steps[Pipeline]:
        return (yield from self._insist(lambda until: self._api.summary(pipeline_id, until)))

    def _insist(self, ask: Callable[[Deadline], T]) -> Steps[T]:
        return (yield from insist(ask, self._api, self._clock, self._deadline, self._jitter))


def _refusal(answer: RunAnswer) -> RunRefused:
    message = f"Opsera refused the run: {answer.message or answer.word}"
    if "paused" in answer.message.lower():
        return RunRefused(
            message,
            "An earlier run waits for somebody: approve or stop it in Opsera, or set reset: auto "
            "to give it up and start afresh.",
        )
    return RunRefused(message)


def token_identities(token: str) -> frozenset[str]:
    """Return the IDs in a JWT's payload that may be its owner's: ObjectIds; none if unreadable.

    The signature is of no matter here: the token is our own.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return frozenset()
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return frozenset()
    return frozenset(_object_ids(payload))


def _object_ids(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [found for inner in value.values() for found in _object_ids(inner)]
    if isinstance(value, str) and len(value) == 24 and set(value) <= set("0123456789abcdef"):
        return [value]
    return []
