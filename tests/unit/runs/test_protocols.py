"""The start protocol and the stop protocol against everything that can happen, to a depth.

Each response is chosen from all that there are, in every combination: the first ones of each call,
after which the API works.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from opsera_step.api import Run, RunStatus, State
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import ApiError, Forbidden, NotFound, Rejected, RunUncertain, TimedOut
from opsera_step.runs import ATTACHED, STARTED, Event, RunState, StartPolicy, start_run, stop_run
from opsera_step.runs.events import Note
from opsera_step.runs.find import MAX_CANDIDATES, RunFinder, RunOwnership
from opsera_step.runs.start import IDLE_PROOF, _Starter
from opsera_step.runs.stop import _Stopping
from tests.support.fake_opsera import (
    OTHER,
    PIPELINE,
    US,
    FakeOpsera,
    token_of,
    unavailable,
    unreachable,
)
from tests.support.search import Choose, explore, unreached

HOUR = 3600.0
REQUESTS = (
    "fine", "lost request", "lost answer", "429", "no count", "unknown word", "unknown no",
    "refused",
)  # fmt: skip
OTHERS = ((), ("before",), ("after",), ("before",) * MAX_CANDIDATES)
"""Runs that other users start in the second of our request."""
LONG_AGO = 25.0
"""Seconds by which a stale summary is late: less than the proof takes."""


class Starting(FakeOpsera):
    """An Opsera whose responses to the first requests are chosen."""

    choose: Choose
    depth = 2
    has_begun = False

    def run(self, pipeline_id, deadline, settings=None):
        self.script = [self.choose(REQUESTS)] if self.times("run") < self.depth else []
        if self.times("run") == 0:
            others = self.choose(OTHERS if self.depth == 1 else OTHERS[:-1])
            self.counts_at_once = len(others) > 1
            self.around = list(others[:1])
            for _ in others[1:]:
                self.accept(OTHER)
        self.chosen = 0
        return super().run(pipeline_id, deadline, settings)

    def summary(self, pipeline_id, deadline):
        self.count_lag = self.state_lag = 0.0
        if self.has_begun and self.chosen < self.depth:
            self.chosen += 1
            shown = self.choose(["current", "stale", "503"])
            self.summary_faults = [unavailable(503)] if shown == "503" else []
            self.count_lag = self.state_lag = LONG_AGO if shown == "stale" else 0.0
        return super().summary(pipeline_id, deadline)

    chosen = depth


def _start(choose: Choose, states: tuple[str, ...], depth: int) -> None:
    clock = FakeClock()
    clock.sleep(HOUR)
    api = Starting(clock, choose(states), duration=40.0, log_names_user=choose([True, False]))
    api.depth = depth
    api.choose = choose
    for run in api.runs:
        run.ends += HOUR
    timeouts = [HOUR, IDLE_PROOF + 4.0, 0.0] if depth == 1 else [HOUR]
    deadline = Deadline.after(clock, choose(timeouts))
    pipeline, state, events = api.summary(PIPELINE, deadline), RunState(), list[Event]()
    pipeline = replace(pipeline, has_run_count=choose([True, False] if depth == 1 else [True]))
    api.has_begun, api.chosen = True, depth
    policy = StartPolicy(choose(["queue", "attach"]))
    error: ApiError | None = None
    try:
        for event in start_run(
            api, pipeline, policy, token=token_of(US), clock=clock, deadline=deadline,
            jitter=lambda: 0.5, state=state,
        ):  # fmt: skip
            events.append(event)
    except ApiError as raised:
        error = raised
    _judge_start(api, state, events, error)


def _judge_start(
    api: Starting, state: RunState, events: list[Event], error: ApiError | None
) -> None:
    ours, run = api.ours(), state.run
    assert len(ours) <= 1, "two runs of ours"
    if error is not None:
        assert run is None
        uncertain = isinstance(error, (RunUncertain, TimedOut))
        assert uncertain or not ours, f"it says that no run was started: {error.message}"
        assert state.requested or not ours, "a cancellation would not look for the run"
        return
    assert run is not None
    if state.origin == ATTACHED:
        assert not ours
        return
    assert state.origin == STARTED
    if api.log_names_user:
        assert [run.count] == ours, "another user's run is followed"
    elif [run.count] != ours:
        said = [one.text for one in events if isinstance(one, Note)]
        assert any("does not say who" in text for text in said), said
    found = api.run_of(run.count)
    ahead = api.active_run(found.accepted) if found is not None else None
    if ahead is not None and ahead is not found:
        assert state.behind is not None, "a stop call would hit another run"


@pytest.mark.parametrize(
    ("states", "depth"),
    [
        (("success",), 1),
        pytest.param(("success", "failed"), 2, marks=pytest.mark.long),
        pytest.param(("running",), 2, marks=pytest.mark.long),
        pytest.param(("paused",), 2, marks=pytest.mark.long),
    ],
)
@pytest.mark.timeout(300)
def test_every_way_to_start(states, depth):
    """Lost before or after, stale or current, another run, and again: at most one run, ours."""
    assert explore(lambda choose: _start(choose, states, depth)) > 400


STARTING = (
    _Starter._submit, _Starter._read_response, _Starter._resolve, RunFinder.find,
    RunOwnership.pick_own_run,
)  # fmt: skip


def test_the_search_for_starts_reaches_every_line():
    """The depth is enough: there is no line that it does not reach."""
    with unreached(*STARTING) as lines:
        explore(lambda choose: _start(choose, ("success", "running"), 1))
    assert lines == set()


STOPS = {
    "fine": (True, None),
    "slow": (True, None),
    "lost before": (False, unreachable(never_accepted=False)),
    "lost after": (True, unreachable(never_accepted=False)),
    "not sent": (False, unreachable(never_accepted=True)),
    "refused": (False, Rejected("HTTP 400.")),
}


class Ending(FakeOpsera):
    """An Opsera whose responses to the first requests of a stop are chosen."""

    choose: Choose
    depth = 2

    def stop(self, pipeline_id, deadline):
        way = self.choose(list(STOPS)) if self.times("stop") < self.depth else "fine"
        self.stop_faults = [STOPS[way]]
        try:
            return super().stop(pipeline_id, deadline)
        finally:
            self._end_stopped(HOUR if way == "slow" else 0.0)

    def _end_stopped(self, seconds):
        """Let a stopped run end in so many seconds, and start the next one then."""
        for run, queued in zip(self.runs, [*self.runs[1:], None], strict=True):
            if run.stopped and run.ends > (now := self.clock.monotonic()):
                run.ends = now + seconds
                if queued is not None:
                    queued.begins, queued.ends = run.ends, run.ends + self.duration

    def status(self, run, deadline):
        if self.times("status") < self.depth:
            shown = self.choose(["current", "unknown", "404", "403", "503"])
            if shown == "unknown":
                return RunStatus(State.UNKNOWN, "finishing")
            errors = {"404": NotFound("404."), "403": Forbidden("403."), "503": unavailable(503)}
            self.status_faults = [errors[shown]] if shown in errors else []
        return super().status(run, deadline)

    def summary(self, pipeline_id, deadline):
        self.state_lag = 0.0
        if self.times("summary") < self.depth:
            shown = self.choose(["current", "stale", "503"])
            self.summary_faults = [unavailable(503)] if shown == "503" else []
            self.state_lag = LONG_AGO if shown == "stale" else 0.0
        return super().summary(pipeline_id, deadline)


def _stop(choose: Choose, users: tuple[str, ...], depth: int) -> None:
    clock = FakeClock()
    api = Ending(clock, counts_at_once=choose([False, True]), duration=20.0)
    api.choose, api.depth = choose, depth
    for user in users:
        api.accept(user)
    clock.sleep(choose([1.0, 30.0, 50.0][: len(users) + 1]))
    ours = api.runs[users.index(US)]
    is_ours = api.active_run(clock.monotonic()) is ours
    started, budget = clock.monotonic(), choose([4.0, 0.1] if depth == 1 else [4.0])
    deadline = Deadline.after(clock, budget)
    state = RunState.watching(Run(PIPELINE, ours.count))
    is_active = is_ours and choose([True, False])
    result = stop_run(api, state.run, state, clock, deadline, is_active=is_active)
    assert clock.monotonic() - started <= 4.5, "it took too long"
    for run in api.runs:
        assert run is ours or not run.stopped, f"run {run.count} of another user was stopped"
    if "stopped." in result.sentence and result.failure is None:
        assert ours.stopped, result.sentence
    if result.status is not None and result.status.state.final:
        assert ours.ends <= clock.monotonic(), "it has not ended"
    if is_ours and not ours.stopped:
        is_reported = result.failure is not None or result.is_queued or result.is_unknown
        assert is_reported, f"it was left without a word: {result.sentence}"


USERS = ((US,), (OTHER, US), (US, OTHER), (OTHER, US, OTHER))
"""Who started the runs, one behind the other."""


@pytest.mark.parametrize("users", USERS)
@pytest.mark.parametrize("depth", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.timeout(300)
def test_every_way_to_stop(users, depth):
    """Lost or refused stops, stale or missing responses, runs ahead and behind: only ours."""
    assert explore(lambda choose: _stop(choose, users, depth)) > 100


def test_the_search_for_stops_reaches_every_line():
    """The depth is enough: there is no line that it does not reach."""
    with unreached(_Stopping) as lines:
        for users in USERS:
            explore(lambda choose, users=users: _stop(choose, users, 1))
    assert lines == set()
