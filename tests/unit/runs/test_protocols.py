"""The start protocol and the stop protocol against everything that can happen, to a depth.

Each response, each input, and what happens before each request is chosen: every combination of so
many choices that differ from the usual.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

from opsera_step.api import Run, RunStatus, State
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import ApiError, Cancelled, NotFound, RunUncertain, TimedOut
from opsera_step.runs import (
    ATTACHED,
    STARTED,
    Event,
    RunState,
    RuntimeSettings,
    StartPolicy,
    StopResult,
    confirm_end,
    find,
    find_unconfirmed_run,
    start,
    start_run,
    started_by_other,
    stop,
    stop_run,
)
from opsera_step.runs.events import Note
from opsera_step.runs.start import IDLE_PROOF
from tests.support.fake_opsera import FOREVER, HOUR, OTHER, PIPELINE, US, token_of
from tests.support.search import Choose, explore, unreached_branches
from tests.support.searched_opsera import SearchedOpsera

BUDGET = 4.0
"""Seconds that a cancelled job takes to stop its run."""


# Starting


@dataclass
class Started:
    """A job that started a run, or tried to."""

    api: SearchedOpsera
    token: str
    state: RunState = field(default_factory=RunState)
    events: list[Event] = field(default_factory=list)
    error: ApiError | None = None
    stop: StopResult | None = None

    @property
    def text(self) -> str:
        """What the job printed."""
        notes = [one.text for one in self.events if isinstance(one, Note)]
        return "\n".join([*notes, self.error.message if self.error else ""])

    @property
    def knows_owners(self) -> bool:
        """Whether the logs and the token show which runs are ours."""
        return self.api.log_names_user and self.token == token_of(US) and not self.api.logs_fail


def _start(choose: Choose, base: tuple[str, str, str, str], depth: float) -> None:
    """Start a run; where a signal comes, stop it as a cancelled job or its post step does."""
    world, on_busy, reset, owner = base
    clock = FakeClock()
    clock.sleep(HOUR)
    api = SearchedOpsera(
        choose, clock, state=world, count=choose([5, 0]), duration=40.0,
        log_names_user=owner != "not shown", counts_at_once=choose([False, True]),
        notes_changes=choose([False, True]),
    )  # fmt: skip
    for run in api.runs:
        run.ends += HOUR
    timeout = choose([240.0, IDLE_PROOF + 4.0, 3.0, 0.0, None])
    deadline, began = Deadline.after(clock, timeout), clock.monotonic()
    pipeline = api.summary(PIPELINE, deadline)
    pipeline = replace(pipeline, has_run_count=choose([True, False]))
    policy = StartPolicy(on_busy, reset, choose([None, RuntimeSettings(branch="main")]))
    job = Started(api, token_of(US) if owner != "unknown" else "opaque")
    api.search(depth)
    try:
        for event in start_run(
            api, pipeline, policy, token=job.token, clock=clock, deadline=deadline,
            jitter=lambda: 0.5, state=job.state,
        ):  # fmt: skip
            job.events.append(event)
    except ApiError as error:
        job.error = error
    except Cancelled:
        _cancel(job, clock, is_killed=choose([False, True]))
    else:
        if choose(["follow", "cancel"]) == "cancel":
            api.is_cancelled = True
            _cancel(job, clock, is_killed=choose([False, True]))
    if timeout is not None:
        assert clock.monotonic() - began <= timeout + BUDGET + 2.0, "it took too long"
    _judge_start(job)


def _cancel(job: Started, clock: FakeClock, *, is_killed: bool) -> None:
    """Stop the run as a cancelled job does, or as the post step of a killed one."""
    api, state, until = job.api, job.state, Deadline.after(clock, BUDGET)
    if state.origin == ATTACHED or not (state.run or state.requested):
        return
    try:
        if state.run is None:
            half = until.no_later_than(BUDGET / 2)
            state.run = find_unconfirmed_run(
                api, PIPELINE, state.before or 0, job.token, clock, half
            )
        elif is_killed and started_by_other(api, state.run, job.token, clock, until):
            return
        if state.run is not None:
            is_active = False if is_killed else None
            job.stop = stop_run(api, state.run, state, clock, until, is_active=is_active)
    except ApiError as error:
        job.stop = StopResult(error.message, failure=error)


def _judge_start(job: Started) -> None:
    api, state, run, ours = job.api, job.state, job.state.run, job.api.ours()
    assert len(ours) <= 1, "two runs of ours"
    _judge_stop(api, job)
    if api.is_cancelled:
        assert state.requested or not ours, "a cancellation would not look for the run"
        return
    if job.error is not None:
        assert run is None
        uncertain = isinstance(job.error, (RunUncertain, TimedOut)) or "earlier request" in job.text
        assert uncertain or not ours, f"it says that no run was started: {job.error.message}"
        assert state.requested or not ours, "a cancellation would not look for the run"
        return
    assert run is not None
    if state.origin == ATTACHED:
        assert not ours
        return
    assert state.origin == STARTED
    if job.knows_owners:
        assert [run.count] == ours, "another user's run is followed"
    elif [run.count] != ours:
        assert "does not say who" in job.text, job.text


def _judge_stop(api: SearchedOpsera, job: Started) -> None:
    if not api.is_cancelled:
        assert not api.stopped
    ours = next((one for one in api.runs if one.user == US), None)
    if job.knows_owners or not api.stopped:
        assert api.hit == []
    if job.state.origin == ATTACHED:
        assert not api.stopped
    elif job.knows_owners and ours is not None and ours.ends > api.clock.monotonic():
        result = job.stop
        is_reported = result is None or result.failure or result.is_queued or result.is_unknown
        assert ours.count in api.stopped or is_reported, "it was left and not reported"


STARTS = (
    ("success", "queue", "never", "shown"),
    ("success", "queue", "never", "not shown"),
    ("success", "queue", "never", "unknown"),
    ("running", "queue", "never", "shown"),
    ("running", "attach", "never", "shown"),
    ("running", "fail", "always", "shown"),
    ("paused", "queue", "never", "shown"),
    ("paused", "attach", "auto", "shown"),
    ("failed", "queue", "auto", "shown"),
)
"""The pipeline at the start, the inputs on_busy and reset, and the owners of runs in the log."""


DEPTHS = (
    (2, 2),
    pytest.param(2, FOREVER, marks=pytest.mark.long),
)
"""How many choices differ from the usual, and at how many calls of each kind."""


@pytest.mark.parametrize("base", STARTS)
@pytest.mark.parametrize(("most", "depth"), DEPTHS)
@pytest.mark.timeout(600)
def test_every_way_to_start(base, most, depth):
    """Lost before or after, stale or current, another run, and again: at most one run, ours."""
    assert explore(lambda choose: _start(choose, base, depth), most) > 100


# Stopping

MOMENTS = (1.0, 30.0, 50.0, 70.0)
"""Seconds after the requests; each run takes 20."""
USERS = ((US,), (OTHER, US), (US, OTHER), (OTHER, US, OTHER))
"""Who started the runs, one behind the other."""


def _stop(choose: Choose, users: tuple[str, ...], moment: float, depth: float) -> None:
    """Stop our run at a moment, as a job does that follows it, or a post step."""
    clock = FakeClock()
    api = SearchedOpsera(
        choose, clock, duration=20.0, counts_at_once=choose([False, True]),
        knows_queued=choose([True, False]),
    )  # fmt: skip
    for user in users:
        api.accept(user)
    clock.sleep(moment)
    api.is_cancelled = True
    ours = api.runs[users.index(US)]
    run = Run(PIPELINE, ours.count)
    state = RunState.watching(run)
    known = choose(["nothing", "status", "a final status"])
    if known == "status":
        with suppress(NotFound):
            state.observe(api.status(run, Deadline(clock, None)), clock.monotonic())
    elif known == "a final status":
        state.observe(RunStatus(State.FAILED, "failed"), clock.monotonic())
    api.search(depth)
    began, budget = clock.monotonic(), choose([BUDGET, 0.1])
    deadline = Deadline.after(clock, budget)
    confirm_end(api, state, clock, deadline)
    if state.status is not None and state.status.state.final:
        return
    result = stop_run(api, run, state, clock, deadline)
    assert clock.monotonic() - began <= BUDGET + 0.5, "it took too long"
    assert api.hit == []
    if "stopped." in result.sentence and result.failure is None:
        assert ours.word == "stopped", result.sentence
    if result.status is not None and result.status.state.final:
        assert ours.ends <= clock.monotonic(), "it has not ended"
    if ours.count not in api.stopped and ours.ends > clock.monotonic():
        is_reported = result.failure is not None or result.is_queued or result.is_unknown
        assert is_reported, f"it was left and not reported: {result.sentence}"


def _stop_at_any_time(users: tuple[str, ...], depth: float, most: int) -> int:
    """Search all moments, from the first run in progress to the end of the last."""
    return sum(
        explore(lambda choose, moment=moment: _stop(choose, users, moment, depth), most)
        for moment in MOMENTS[: len(users) + 1]
    )


@pytest.mark.parametrize("users", USERS)
@pytest.mark.parametrize(("most", "depth"), DEPTHS)
@pytest.mark.timeout(600)
def test_every_way_to_stop(users, most, depth):
    """Lost or refused stops, stale or missing responses, runs ahead and behind: only ours."""
    assert _stop_at_any_time(users, depth, most) > 100


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_search_reaches_every_branch():
    """There is no branch that it does not reach: by three choices, or by two at any call."""
    with unreached_branches(find, start, stop) as branches:
        for base in STARTS:
            explore(lambda choose, base=base: _start(choose, base, 2), 3)
        explore(lambda choose: _start(choose, STARTS[0], FOREVER), 2)
        for users in USERS:
            _stop_at_any_time(users, 2, 3)
    assert branches == set()
